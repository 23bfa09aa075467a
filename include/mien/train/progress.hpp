#pragma once

/// How far training has come: a bar that is drawn anew in place on a terminal, plain lines everywhere else. Everything
/// goes to the stream that the caller gives; without one nothing is written.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include <unistd.h>

#include "mien/core/digits.hpp"
#include "mien/core/shape.hpp"

namespace mien::train {

enum class ProgressStyle {
  automatic,  ///< a bar if the stream is the program's error or standard output and that is a terminal, else lines
  bar,
  lines
};

struct ProgressOptions {
  std::ostream* stream = nullptr;  ///< such as `&std::cerr`; null writes nothing
  ProgressStyle style = ProgressStyle::automatic;
  double line_seconds = 30;  ///< plain lines within an epoch are at least this far apart
};

/// What is known after a batch.
struct ProgressState {
  Index epoch = 0;  ///< from 1
  Index epochs = 0;
  Index batch = 0;  ///< done in this epoch
  Index batches = 0;
  double loss = 0;                                ///< means over this epoch so far
  std::optional<double> accuracy = std::nullopt;  ///< of networks that tell classes
  double learning_rate = 0;
};

/// As in "1:02:03" or "2:03"; "--" if it is not known.
inline std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "--";
  const auto total = static_cast<long long>(std::llround(seconds));
  char out[40];
  if (total >= 3600) {
    std::snprintf(out, sizeof out, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(out, sizeof out, "%lld:%02lld", total / 60, total % 60);
  }
  return out;
}

/// "epoch 3/20  17/40  loss 1.2345  accuracy 67.8 %  rate 0.001  2:03 left"
inline std::string format_progress(const ProgressState& state, double seconds_left) {
  const std::string accuracy =
      state.accuracy ? "  accuracy " + mien::detail::fixed_digits(100 * *state.accuracy, 1) + " %" : "";
  return mien::detail::text("epoch ", state.epoch, "/", state.epochs, "  ", state.batch, "/", state.batches, "  loss ",
                            mien::detail::fixed_digits(state.loss, 4), accuracy, "  rate ",
                            mien::detail::general_digits(state.learning_rate, 3), "  ", format_duration(seconds_left),
                            " left");
}

namespace detail {

/// Whether what is written to the stream appears on a terminal.
inline bool is_terminal(const std::ostream& stream) {
  if (stream.rdbuf() == std::cerr.rdbuf() || stream.rdbuf() == std::clog.rdbuf()) return ::isatty(STDERR_FILENO) != 0;
  return stream.rdbuf() == std::cout.rdbuf() && ::isatty(STDOUT_FILENO) != 0;
}

/// A bar of `width` places, as in "[#####.....]".
inline std::string bar(double share, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  return "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
}

}  // namespace detail

class Progress {
 public:
  explicit Progress(const ProgressOptions& options = {}) : options_(options) {
    if (options.stream == nullptr) return;
    draws_bar_ = options.style == ProgressStyle::bar ||
                 (options.style == ProgressStyle::automatic && detail::is_terminal(*options.stream));
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear_bar(); }

  /// After each batch; how often anything is written is decided here.
  void update(const ProgressState& state) {
    const double done = batches_done(state);
    if (first_done_ < 0) first_done_ = done - 1;  // a training that is resumed has not done all of it now
    if (options_.stream == nullptr) return;
    const double now = seconds_since(begin_);
    const bool end_of_epoch = state.batch == state.batches;
    const double pause = draws_bar_ ? 0.1 : options_.line_seconds;
    if (!end_of_epoch && written_once_ && now - last_written_ < pause) return;
    if (end_of_epoch && !draws_bar_) return;  // the caller's line about the epoch says it better
    if (!draws_bar_ && !written_once_ && now < pause) return;
    written_once_ = true;
    last_written_ = now;
    const std::string line = format_progress(state, seconds_left(state, done, now));
    if (draws_bar_) {
      const double share = static_cast<double>(state.batch) / static_cast<double>(std::max<Index>(1, state.batches));
      write("\r\x1b[K" + detail::bar(share, 20) + " " + line);
      bar_is_drawn_ = true;
    } else {
      write(line + "\n");
    }
  }

  /// A line of its own, above the bar if there is one.
  void line(std::string_view words) {
    if (options_.stream == nullptr) return;
    clear_bar();
    write(std::string(words) + "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  static double batches_done(const ProgressState& state) {
    return static_cast<double>((state.epoch - 1) * state.batches + state.batch);
  }

  double seconds_left(const ProgressState& state, double done, double now) const {
    const auto all = static_cast<double>(state.epochs * state.batches);
    return now / (done - first_done_) * (all - done);
  }

  void clear_bar() {
    if (!bar_is_drawn_) return;
    write("\r\x1b[K");
    bar_is_drawn_ = false;
  }

  void write(const std::string& words) { *options_.stream << words << std::flush; }

  ProgressOptions options_;
  bool draws_bar_ = false;
  bool bar_is_drawn_ = false;
  bool written_once_ = false;
  double last_written_ = 0;
  double first_done_ = -1;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace mien::train
