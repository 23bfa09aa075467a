#pragma once

/// Frames that are decoded in a thread of their own while those before are worked with.

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mien/video/frame_reader.hpp"

namespace mien::video {

/// Reads a film ahead:
///
///     video::ReadAhead film(video::open_video("film.mp4"));
///     for (video::Frame frame; film.read(frame);) work_with(frame);
///
/// At most `frames_ahead` frames wait; their memory goes round between the thread and whoever keeps one `Frame`, so
/// that no more is ever taken. What reading throws comes out of `read` in the frame's turn. Destruction waits for the
/// frame that is being decoded, but for no pipe and no camera.
class ReadAhead final : public FrameReader {
 public:
  /// Throws ValueError: no film, no frame ahead; Error if the system refuses a thread.
  explicit ReadAhead(std::unique_ptr<FrameReader> film, Index frames_ahead = 4)
      : film_(std::move(film)), spare_(static_cast<std::size_t>(checked(film_.get(), frames_ahead))) {
    try {
      thread_ = std::jthread([this](const std::stop_token& stop) { read_all(stop); });
    } catch (const std::system_error& error) {
      throw Error(detail::text("ReadAhead: the system gave no thread: ", error.what()));
    }
  }

  ~ReadAhead() override {
    thread_.request_stop();
    film_->cancel();
  }

  const VideoFacts& facts() const override { return film_->facts(); }

  void cancel() noexcept override {
    film_->cancel();
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    changed_.notify_all();
  }

 private:
  static Index checked(const FrameReader* film, Index frames_ahead) {
    if (film == nullptr || frames_ahead < 1)
      throw ValueError(detail::text("ReadAhead: ", frames_ahead, " frames ahead of ", film ? "a film" : "no film"));
    return frames_ahead;
  }

  /// The thread's work. Only the frames themselves are read without the lock.
  void read_all(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return !spare_.empty(); })) {
      Frame frame = std::move(spare_.back());
      spare_.pop_back();
      lock.unlock();
      bool got = false;
      std::exception_ptr error;
      try {
        got = film_->read(frame);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (got) {
        ready_.push_back(std::move(frame));
      } else {
        ended_ = true;
        error_ = error;
      }
      changed_.notify_all();
      if (ended_) return;
    }
  }

  bool read_next(Frame& frame) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ || ended_ || !ready_.empty(); });
    if (cancelled_) throw Error("ReadAhead: reading was cancelled");
    if (ready_.empty()) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return false;
    }
    std::swap(frame, ready_.front());
    spare_.push_back(std::move(ready_.front()));
    ready_.pop_front();
    changed_.notify_all();
    return true;
  }

  std::unique_ptr<FrameReader> film_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Frame> ready_;
  std::vector<Frame> spare_;  ///< frames to read into
  std::exception_ptr error_;
  bool ended_ = false;
  bool cancelled_ = false;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace mien::video
