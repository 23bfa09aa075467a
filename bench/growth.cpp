/// How time and memory of the face branch grow with frames, frame size, clips and batch: SISTCM-ResNet18 over the clips
/// of a video, and the two-stream LSTM over what it finds. One of the four grows at a time. A table goes to standard
/// output, charts to a file.
///
///     growth docs/growth.svg --seconds 2 --threads 2

#include <mien/autograd/multi_stage_loss.hpp>
#include <mien/autograd/softmax.hpp>
#include <mien/core/memory.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/two_stream_lstm.hpp>
#include <mien/optim/adam.hpp>
#include <mien/report/html.hpp>

#include <array>
#include <cmath>
#include <fstream>
#include <iostream>

#include "common.hpp"

namespace {

using namespace mien;

constexpr std::string_view usage =
    "usage: growth FILE.svg [--seconds S] [--threads N]\n"
    "Measures SISTCM-ResNet18 and the two-stream LSTM over growing frames, sides, clips and batches, prints a table "
    "in\n"
    "Markdown and draws FILE.svg.\n"
    "  --seconds S   at least, and three calls, for each of the 28 figures (default: 1)\n"
    "  --threads N   default: one a processor\n";

struct WrongUsage : Error {
  using Error::Error;
};

struct Options {
  std::string file;
  double seconds = 1;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
};

/// Throws WrongUsage.
Options read_options(const std::vector<std::string>& words) {
  Options out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word != "--seconds" && word != "--threads") {
      if (word.starts_with("-") || !out.file.empty()) throw WrongUsage("unknown argument: " + word);
      out.file = word;
      continue;
    }
    const double value = i + 1 < words.size() ? std::strtod(words[++i].c_str(), nullptr) : 0;
    if (!(value > 0) || (word == "--threads" && (value > 1024 || value != std::floor(value))))
      throw WrongUsage(word + " needs a positive number");
    if (word == "--threads") {
      out.threads = static_cast<int>(value);
    } else {
      out.seconds = value;
    }
  }
  if (out.file.empty()) throw WrongUsage("a file for the charts is missing");
  return out;
}

struct Face : nn::Module<Face, float> {
  void visit(auto&& child) {
    child("clips", clips);
    child("video", video);
  }
  models::SistcmResNet18<float> clips{models::SistcmResNet18Options{}};
  models::TwoStreamLstm<float> video{models::TwoStreamLstmOptions{}};
};

struct Cost {
  double milliseconds = 0;
  double mib = 0;
};

/// What a call of `run` takes, once everything that is kept is there.
template <class Run>
Cost cost_of(double seconds, Run run) {
  run();
  cpu_memory().reset_peak();
  bench::CallTimes times;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (int calls = 0; calls < 3 || std::chrono::steady_clock::now() < end; ++calls) times.measure(run);
  return {times.median(), static_cast<double>(cpu_memory().statistics().peak_bytes_in_use) / (1024 * 1024)};
}

/// Videos [B, K, T, H, W, 3].
struct Size {
  Index batch = 1, clips = 1, frames = 8, side = 112;
};

Cost inference(const Size& size, double seconds) {
  Face model;
  model.freeze();
  const Variable<float> x(bench::random({size.batch, size.clips, size.frames, size.side, size.side, 3}));
  return cost_of(seconds, [&] {
    const NoGradient not_recorded;
    const auto clips = model.clips(x);
    benchmark::DoNotOptimize(model.video(clips.features, softmax(clips.logits)).e1.value().data());
  });
}

Cost training_step(const Size& size, double seconds) {
  Face model;
  optim::Adam<float> adam(model.parameters(), {.learning_rate = 1e-4});
  const Variable<float> x(bench::random({size.batch, size.clips, size.frames, size.side, size.side, 3}));
  const std::vector<Index> labels(static_cast<std::size_t>(size.batch), 1);
  return cost_of(seconds, [&] {
    adam.zero_grad();
    const auto clips = model.clips(x);
    const auto video = model.video(clips.features, softmax(clips.logits));
    backward(multi_stage_loss(clips.logits, video.e1, video.e2, labels));
    adam.step();
  });
}

struct Axis {
  std::string name;
  Index Size::*field;
  std::vector<Index> values;
};

struct Measured {
  Axis axis;
  std::vector<Cost> inference;
  std::vector<Cost> training;
};

Measured measure(const Axis& axis, double seconds) {
  Measured out{axis, {}, {}};
  for (const Index value : axis.values) {
    Size size;
    size.*axis.field = value;
    out.inference.push_back(inference(size, seconds));
    out.training.push_back(training_step(size, seconds));
    const Cost& step = out.training.back();
    std::cout << "| " << axis.name << " | " << value << " | " << report::number(out.inference.back().milliseconds, 1)
              << " | " << report::number(step.milliseconds, 1) << " | " << report::number(out.inference.back().mib, 0)
              << " | " << report::number(step.mib, 0) << " |\n"
              << std::flush;
  }
  return out;
}

std::string chart(const Measured& measured, const std::string& title, double Cost::*what) {
  std::vector<double> x;
  for (const Index value : measured.axis.values) x.push_back(static_cast<double>(value));
  const auto line = [&](const std::string& name, const std::vector<Cost>& costs) {
    report::Series out{.name = name, .x = x};
    for (const Cost& cost : costs) out.y.push_back(cost.*what);
    return out;
  };
  return report::line_chart(
      std::vector{line("inference", measured.inference), line("training step", measured.training)},
      {.title = title, .x_label = measured.axis.name, .y_label = title, .y_low = 0.0});
}

/// A row of charts for time, and one for memory.
std::string drawing(const std::vector<Measured>& all) {
  constexpr int width = 430;
  constexpr int height = 280;
  std::string charts;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto place = [&](int row, const std::string& inner) {
      charts += detail::text("<g transform=\"translate(", static_cast<int>(i) * width, " ", row * height, ")\">", inner,
                             "</g>\n");
    };
    place(0, chart(all[i], "milliseconds", &Cost::milliseconds));
    place(1, chart(all[i], "MiB of tensors", &Cost::mib));
  }
  return detail::text("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", static_cast<int>(all.size()) * width,
                      " ", 2 * height, "\">\n<style>", report::detail::style_sheet, "svg svg{width:", width,
                      "px;height:", height,
                      "px}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>\n", charts, "</svg>\n");
}

void run(const Options& options) {
  set_thread_count(options.threads);
  std::cout << "| growing | to | inference, ms | training step, ms | inference, MiB | training step, MiB |\n"
               "|---|---|---|---|---|---|\n";
  std::vector<Measured> all;
  for (const Axis& axis : {Axis{"frames", &Size::frames, {4, 8, 16, 32}}, Axis{"side", &Size::side, {56, 112, 224}},
                           Axis{"batch", &Size::batch, {1, 2, 4, 8}}, Axis{"clips", &Size::clips, {1, 2, 4}}})
    all.push_back(measure(axis, options.seconds));
  std::ofstream file(options.file, std::ios::binary);
  file << drawing(all) << std::flush;
  if (!file) throw FileError(options.file, "the whole file", "an error", "room to write");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  if (words == std::vector<std::string>{"--help"}) {
    std::cout << usage;
    return 0;
  }
  try {
    run(read_options(words));
  } catch (const WrongUsage& error) {
    std::cerr << "growth: " << error.what() << '\n' << usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "growth: " << error.what() << '\n';
    return 1;
  }
}
