#pragma once

/// Losses of a batch that several processes share, each of which has a part of it (core/batch_part.hpp): the same value
/// everywhere, and for the samples here the gradient that they have in the whole batch.
///
/// A mean over samples needs none of this to be trained: the trainer weighs each part's mean by its samples
/// (`train::BatchOutput::weight`). A loss that is no mean over them, as CCC, or that is the sum of means over different
/// ones, does. Its functions take `whole_batch`, and the trainer is told so by `train::BatchOutput::whole_batch`.
///
/// All processes have to come to these functions in one order, those without a sample that counts too.

#include <array>
#include <cstddef>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/core/batch_part.hpp"

namespace mien {

/// The mean over the whole batch, of which `own` [1] is the mean over the part here, which weighs `weight`: as many as
/// there are samples, or the sum of their weights. 0 if nothing weighs anything. `own` where the batch is not shared.
template <class T, class Device>
Variable<T, Device> whole_batch_mean(const Variable<T, Device>& own, double weight) {
  if (!shares_batch()) return own;
  const std::array<double, 2> here{static_cast<double>(own.item()) * weight, weight};
  const std::vector<double> parts = gather_over_parts(here);
  double sum = 0;
  double whole = 0;
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    sum += parts[i];
    whole += parts[i + 1];
  }
  const double share = whole > 0 ? weight / whole : 0;
  const Tensor<T, Device> mean({1}, static_cast<T>(whole > 0 ? sum / whole : 0));
  return record(mean, {own}, [share](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::scale(upstream, static_cast<Accumulated<T>>(share)));
  });
}

}  // namespace mien
