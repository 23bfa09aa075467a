#pragma once

#include <vector>

#include "mien/backend/cpu/eigen.hpp"

namespace mien::backend {

/// The sum of `part(first, last)` over the chunks of [0, count), always added in the same order.
template <class Part>
double sum_of_chunks(Index count, Index grain, const Part& part) {
  const Index chunks = chunk_count(count, grain);
  std::vector<double, PooledAllocator<double>> partial(static_cast<std::size_t>(chunks));
  parallel_for(0, chunks, 1, [&](Index first, Index last) {
    for (Index chunk = first; chunk < last; ++chunk)
      partial[static_cast<std::size_t>(chunk)] = part(chunk * grain, std::min(count, (chunk + 1) * grain));
  });
  double sum = 0;
  for (const double value : partial) sum += value;
  return sum;
}

}  // namespace mien::backend
