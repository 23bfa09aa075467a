#pragma once

/// Batch normalisation by the statistics of all ranks' samples, as one rank would have them that trains on the whole
/// batch. It costs two small sums in each layer's forward pass and two in its backward pass, which are waited for;
/// worth it where a rank's own part of a batch is too small to tell a mean (less than some 16 samples), and where
/// results must not depend on the number of ranks.

#include <concepts>

#include "mien/nn/batch_norm.hpp"
#include "mien/train/communicator.hpp"

namespace mien::train {

namespace detail {

/// Calls `action(norm)` for every batch normalisation of a module, itself included, and returns how many there are.
template <class Module, class Action>
Index for_each_batch_norm(Module& module, const Action& action) {
  if constexpr (requires { module.share_statistics(nullptr); }) {
    action(module);
    return 1;
  } else {
    Index found = 0;
    module.visit([&]<class Child>(const auto&, Child& child, nn::ParameterLayout = nn::ParameterLayout::plain) {
      if constexpr (requires { child.named_parameters(); }) found += for_each_batch_norm(child, action);
    });
    return found;
  }
}

}  // namespace detail

/// From now on all batch normalisations of the module have their statistics from all ranks, which therefore all have to
/// call the module the same way while it is in training, and to differentiate a loss of the same form: its backward
/// pass exchanges sums too, between those of gradients, and ranks have to come to all of them in one order. (A loss
/// without the term of which a rank has no sample is of another form; the same term times zero is not.) The
/// communicator has to live as long as the module does. Returns how many there are.
template <class Module>
Index synchronise_batch_norm(Module& module, Communicator& communicator) {
  return detail::for_each_batch_norm(module, [&](auto& norm) {
    norm.share_statistics([&communicator](auto& numbers) { communicator.sum(numbers); });
  });
}

}  // namespace mien::train
