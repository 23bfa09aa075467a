#pragma once

/// Where several processes share a batch: which of its samples are here. What is drawn for all elements of a batch, as
/// dropout does, is drawn by each process for its own ones as one process would that has the whole batch. What is
/// computed of all samples together, as some losses are, is computed from what every process says of its own ones.

#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"

namespace mien {

struct BatchPart {
  Index first = 0;    ///< number of the first sample here
  Index samples = 0;  ///< how many are here
  Index all = 0;      ///< how many the whole batch has
};

/// What all processes that share a batch have for the same few numbers, one process after the other. Each of them calls
/// it, with as many numbers and as often.
using GatherOverParts = std::function<std::vector<double>(std::span<const double> own)>;

namespace detail {

struct SharedBatch {
  BatchPart part;
  GatherOverParts gather;
};

inline std::optional<SharedBatch>& shared_batch() {
  thread_local std::optional<SharedBatch> batch;
  return batch;
}

}  // namespace detail

/// While one lives, whatever this thread computes is of a part of a batch.
class BatchPartScope {
 public:
  /// Without `gather` nobody can be asked about the other parts.
  explicit BatchPartScope(const BatchPart& part, GatherOverParts gather = {})
      : before_(std::exchange(detail::shared_batch(), detail::SharedBatch{part, std::move(gather)})) {}
  BatchPartScope(const BatchPartScope&) = delete;
  BatchPartScope& operator=(const BatchPartScope&) = delete;
  ~BatchPartScope() { detail::shared_batch() = std::move(before_); }

 private:
  std::optional<detail::SharedBatch> before_;
};

/// Whether the batch has other parts, elsewhere, about which can be asked.
inline bool shares_batch() { return detail::shared_batch() && detail::shared_batch()->gather; }

/// `own` of all processes that share the batch, one after the other; as it is where the batch is not shared.
inline std::vector<double> gather_over_parts(std::span<const double> own) {
  if (!shares_batch()) return {own.begin(), own.end()};
  return detail::shared_batch()->gather(own);
}

/// Elements in the memory of a tensor whose first axis is that of the samples, or of rows of which each has as many.
struct ElementsOfBatch {
  Index first = 0;  ///< number of the first element here
  Index all = 0;    ///< elements of the whole batch
};

/// Where `elements` that are here lie in the whole batch. Throws ShapeError if they are not of its samples.
inline ElementsOfBatch elements_of_batch(const char* operation, Index elements) {
  if (!detail::shared_batch()) return {0, elements};
  const BatchPart& part = detail::shared_batch()->part;
  if (part.samples < 1 || elements % part.samples != 0)
    throw ShapeError(detail::text(operation, ": ", elements, " elements in a batch of ", part.samples, " samples"));
  const Index each = elements / part.samples;
  return {part.first * each, part.all * each};
}

}  // namespace mien
