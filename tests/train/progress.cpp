#include <mien/train/progress.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <sstream>
#include <string>

using namespace mien;
using namespace mien::train;

namespace {

const ProgressState state{
    .epoch = 3, .epochs = 20, .batch = 17, .batches = 40, .loss = 1.23456, .accuracy = 0.678, .learning_rate = 1e-3};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("durations read as clocks do") {
  CHECK(format_duration(0) == "0:00");
  CHECK(format_duration(59.6) == "1:00");
  CHECK(format_duration(123) == "2:03");
  CHECK(format_duration(3723) == "1:02:03");
  CHECK(format_duration(360000) == "100:00:00");
  for (const double unknown : {-1.0, 1e300, std::numeric_limits<double>::quiet_NaN()})
    CHECK(format_duration(unknown) == "--");
}

TEST_CASE("a line says loss, accuracy, learning rate and the time left") {
  CHECK(format_progress(state, 123) == "epoch 3/20  17/40  loss 1.2346  accuracy 67.8 %  rate 0.001  2:03 left");
}

TEST_CASE("without a stream nothing is written, and nothing fails") {
  Progress progress;
  progress.update(state);
  progress.line("words");
}

TEST_CASE("a stream that is no terminal gets plain lines, far apart") {
  std::ostringstream out;
  {
    Progress progress({.stream = &out});
    for (Index batch = 1; batch <= 40; ++batch) {
      ProgressState now = state;
      now.batch = batch;
      progress.update(now);
    }
    CHECK(out.str().empty());  // no 30 seconds have passed
    progress.line("epoch 3 done");
  }
  CHECK(out.str() == "epoch 3 done\n");

  std::ostringstream often;
  Progress progress({.stream = &often, .line_seconds = 0});
  progress.update(state);
  CHECK(contains(often.str(), "epoch 3/20  17/40"));
  CHECK(often.str().back() == '\n');
  CHECK(!contains(often.str(), "\x1b"));
  CHECK(!contains(often.str(), "\r"));
}

TEST_CASE("a bar is drawn in place and leaves nothing behind") {
  std::ostringstream out;
  {
    Progress progress({.stream = &out, .style = ProgressStyle::bar});
    progress.update(state);
    CHECK(contains(out.str(), "\r\x1b[K[########............] epoch 3/20"));
    CHECK(!contains(out.str(), "\n"));
    progress.line("note");
    CHECK(out.str().ends_with("\r\x1b[Knote\n"));
    ProgressState full = state;
    full.batch = 40;
    progress.update(full);  // the end of an epoch is always drawn
    CHECK(contains(out.str(), "[####################]"));
  }
  CHECK(out.str().ends_with("\r\x1b[K"));
}

TEST_CASE("an epoch without batches does not divide by zero") {
  std::ostringstream out;
  Progress progress({.stream = &out, .style = ProgressStyle::bar});
  progress.update({.epoch = 1, .epochs = 1});
  CHECK(contains(out.str(), "epoch 1/1  0/0"));
}

#include <thread>

TEST_CASE("of a training that is resumed, what was done before does not make the time left shorter") {
  std::ostringstream out;
  Progress progress({.stream = &out, .line_seconds = 0});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  progress.update(state);  // one batch of the 704 that are left, in 20 ms or more
  CHECK(contains(out.str(), " left\n"));
  CHECK(!contains(out.str(), "  0:00 left"));
}
