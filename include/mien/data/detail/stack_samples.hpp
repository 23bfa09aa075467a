#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::data::detail {

/// One tensor of each sample, all of them of this shape, one after the other: [samples, ...].
template <class Sample>
Tensor<float> stack_samples(std::string_view caller, const std::vector<Sample>& samples, Tensor<float> Sample::*member,
                            const Shape& shape) {
  Shape stacked{static_cast<Index>(samples.size())};
  for (const Index extent : shape) stacked.append(extent);
  Tensor<float> out(stacked);
  float* to = out.data();
  for (const Sample& sample : samples) {
    const Tensor<float>& part = sample.*member;
    if (part.shape() != shape)
      throw ShapeError(mien::detail::text(caller, ": a sample of shape ", part.shape(), ", expected ", shape));
    to = std::copy_n(part.contiguous().data(), part.elements(), to);
  }
  return out;
}

}  // namespace mien::data::detail
