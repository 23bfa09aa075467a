#pragma once

#include <algorithm>
#include <span>

#include "mien/backend/cpu/arithmetic.hpp"

namespace mien::backend {

/// out = x up to each sample's length, and 0 beyond, whatever x holds there.
template <class T>
void mask_steps(const Tensor<T, Cpu>& x, std::span<const Index> lengths, Tensor<T, Cpu>& out) {
  if (out.empty()) return;
  const Index steps = out.size(1);
  const Index elements = out.elements() / (out.size(0) * steps);
  parallel_for(0, out.size(0), row_grain(steps * elements), [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const Index start = b * steps * elements;
      const Index valid = lengths[static_cast<std::size_t>(b)] * elements;
      std::copy_n(x.data() + start, valid, out.data() + start);
      std::fill_n(out.data() + start + valid, steps * elements - valid, T{0});
    }
  });
}

}  // namespace mien::backend
