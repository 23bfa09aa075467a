#pragma once

/// Batches that are copied to the GPU while it computes with the ones before.
///
///     struct Uploaded { Tensor<float, Cuda> frames; Tensor<std::int64_t, Cuda> labels; };
///     const cuda::Stream copies;
///     for (Index epoch = 0; epoch < 20; ++epoch) {
///       cuda::Prefetcher batches(loader.epoch(epoch), [](const data::FaceBatch& batch) {
///         const auto count = static_cast<Index>(batch.labels.size());
///         return Uploaded{batch.frames.to<Cuda>(), Tensor<std::int64_t, Cuda>::from({count}, batch.labels)};
///       }, copies);
///       for (const Uploaded& batch : batches) step(batch.frames, batch.labels);
///     }
///
/// Before batch n is handed over, batch n + 1 has been made and its copy queued, so that it goes on beside the work on
/// batch n. The host waits for its batches and for the copy into pinned memory, never for the GPU.

#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "mien/backend/cuda/device.hpp"

namespace mien::cuda {

/// A range for one `for` loop over what `upload` makes of the batches of `source`, in their order. It may be left
/// early. Not for use by several threads.
///
/// Each batch is for the stream that is current when it is handed over, by `begin` or `++`; that stream waits for its
/// copy. Tensors of a batch may be kept. Their memory is used again once they are gone, for a later batch, after what
/// that stream has been given until then: another stream that works with them has to be waited for by this one first.
template <class Source, class Upload>
class Prefetcher {
  using SourceIterator = decltype(std::begin(std::declval<std::remove_reference_t<Source>&>()));

 public:
  using Batch = std::decay_t<std::invoke_result_t<Upload&, decltype(*std::declval<SourceIterator&>())>>;

  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit Iterator(Prefetcher& batches) : batches_(&batches) {}
    const Batch& operator*() const { return *batches_->current_; }
    const Batch* operator->() const { return &*batches_->current_; }
    Iterator& operator++() {
      batches_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !batches_->current_; }

   private:
    Prefetcher* batches_;
  };

  /// `source` is kept if it is a temporary, else it has to outlive this. `upload` is called while `copies` is the
  /// current stream: what it makes of one batch by `to<Cuda>()` and operations on the GPU is made there. One stream for
  /// all epochs keeps the memory from each to the next.
  Prefetcher(Source&& source, Upload upload, Stream copies = {})
      : source_(std::forward<Source>(source)), upload_(std::move(upload)), copies_(std::move(copies)) {}
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher() {
    try {
      copies_.wait_for(current_stream());  // the last batch's memory comes free with that batch
    } catch (const CudaError&) {           // comes out at the next call
    }
  }

  /// Throws ValueError where a graph is recorded, whose runs would all have the same batch. Whatever the source or
  /// `upload` throw comes out here or from `++`, in the batch's turn, and there are no batches after it.
  Iterator begin() {
    if (!begun_) advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  void advance() {
    require_not_recording("cuda::Prefetcher");
    if (!std::exchange(begun_, true)) upload_next();
    current_.reset();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    current_.swap(next_);
    if (!current_) return;
    current_stream().wait_for(copies_);
    upload_next();
  }

  void upload_next() {
    try {
      if (position_) {
        ++*position_;
      } else {
        position_.emplace(std::begin(source_));
      }
      if (*position_ == std::end(source_)) return;
      // The memory may be that of a batch which the caller's queued work still reads.
      copies_.wait_for(current_stream());
      const StreamScope scope(copies_);
      next_.emplace(std::invoke(upload_, **position_));
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  Source source_;
  Upload upload_;
  Stream copies_;
  std::optional<SourceIterator> position_;
  std::optional<Batch> next_;
  std::optional<Batch> current_;
  std::exception_ptr failure_;
  bool begun_ = false;
};

template <class Source, class Upload>
Prefetcher(Source&&, Upload, Stream = {}) -> Prefetcher<Source, Upload>;

}  // namespace mien::cuda
