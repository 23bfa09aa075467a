#pragma once

/// Where several processes share a batch: which of its samples are here. What is drawn for all elements of a batch, as
/// dropout does, is drawn by each process for its own ones as one process would that has the whole batch.

#include <optional>
#include <utility>

#include "mien/core/shape.hpp"

namespace mien {

struct BatchPart {
  Index first = 0;    ///< number of the first sample here
  Index samples = 0;  ///< how many are here
  Index all = 0;      ///< how many the whole batch has
};

namespace detail {

inline std::optional<BatchPart>& batch_part() {
  thread_local std::optional<BatchPart> part;
  return part;
}

}  // namespace detail

/// While one lives, whatever this thread computes is of a part of a batch.
class BatchPartScope {
 public:
  explicit BatchPartScope(const BatchPart& part) : before_(std::exchange(detail::batch_part(), part)) {}
  BatchPartScope(const BatchPartScope&) = delete;
  BatchPartScope& operator=(const BatchPartScope&) = delete;
  ~BatchPartScope() { detail::batch_part() = before_; }

 private:
  std::optional<BatchPart> before_;
};

/// Elements in the memory of a tensor whose first axis is that of the samples, or of rows of which each has as many.
struct ElementsOfBatch {
  Index first = 0;  ///< number of the first element here
  Index all = 0;    ///< elements of the whole batch
};

/// Where `elements` that are here lie in the whole batch. Throws ShapeError if they are not of its samples.
inline ElementsOfBatch elements_of_batch(const char* operation, Index elements) {
  const auto& part = detail::batch_part();
  if (!part) return {0, elements};
  if (part->samples < 1 || elements % part->samples != 0)
    throw ShapeError(detail::text(operation, ": ", elements, " elements in a batch of ", part->samples, " samples"));
  const Index each = elements / part->samples;
  return {part->first * each, part->all * each};
}

}  // namespace mien
