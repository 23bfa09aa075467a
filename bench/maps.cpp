/// Operations that do little with every number of a map: what they cost is what it costs to move the map. Bytes are
/// those of every map read or written once, in each pass that the task cannot do without.

#include <mien/autograd/pooling.hpp>
#include <mien/models/accm.hpp>
#include <mien/optim/adam.hpp>

#include <memory>

#include "common.hpp"

namespace {

using namespace mien;

double bytes_of(const Shape& shape) { return static_cast<double>(shape.elements()) * sizeof(float); }

Variable<float> normalised(nn::BatchNorm<float>& norm, const Variable<float>& x, const Variable<float>& residual) {
  return norm(x, {.residual = residual, .relu = true});
}

/// An operation of a map without gradients, and with them. Inputs other than the map should be constants or small.
template <class Operation>
void add(const std::string& name, const Shape& map, double forward_maps, double training_maps, Operation operation) {
  bench::add({name + "/forward", bench::name_of(map), 0, forward_maps * bytes_of(map)}, [=] {
    return [=, x = Variable<float>(bench::random(map))]() mutable {
      const NoGradient not_recorded;
      benchmark::DoNotOptimize(operation(x).value().data());
    };
  });
  bench::add({name + "/training", bench::name_of(map), 0, training_maps * bytes_of(map)}, [=] {
    Variable<float> first(bench::random(map), true);
    const Tensor<float> gradient = bench::random(operation(first).shape());
    return [=, x = first]() mutable {
      x.zero_gradient();
      backward(operation(x), gradient);
    };
  });
}

const int registered = [] {
  for (const Shape& map : {Shape{16, 28, 28, 64}, Shape{32, 64, 64, 128}, Shape{32, 64, 64, 25}}) {
    const Index channels = map[-1];
    const auto norm = std::make_shared<nn::BatchNorm<float>>(channels);
    // Forward: moments 1, normalise 2; backward: sums 2, input 3.
    add("batch_norm_relu", map, 3, 8, [=](const Variable<float>& x) { return normalised(*norm, x, {}); });
    // Forward: moments 1, normalise 3; backward: sums 4 (which makes the residual's gradient), input 3..
    add("batch_norm_residual_relu", map, 4, 11,
        [=, residual = Variable<float>(bench::random(map))](const Variable<float>& x) {
          return normalised(*norm, x, residual);
        });
    add("relu", map, 2, 5, [](const Variable<float>& x) { return relu(x); });
    add("add", map, 3, 3,
        [other = Variable<float>(bench::random(map))](const Variable<float>& x) { return x + other; });
    add("scale_channels", map, 2, 6,
        [weights = Variable<float>(bench::random({map[0], channels}), true)](const Variable<float>& x) {
          return scale_channels(x, weights);
        });
    add("mean_of_positions", map, 1, 2, [](const Variable<float>& x) { return mean_of_positions(x); });
    // The map once, and twice a quarter with the places; backward, those and the map twice.
    add("max_pool_3x3", map, 1.5, 4, [](const Variable<float>& x) {
      return max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
    });
  }
  const Shape parameters{11'000'000};
  bench::add({"adam", bench::name_of(parameters), 0, 7 * bytes_of(parameters)}, [=] {
    Variable<float> parameter(bench::random(parameters), true);
    backward(sum(parameter));
    const auto adam = std::make_shared<optim::Adam<float>>(nn::ParameterList<float>{parameter});
    return [=] { adam->step(); };
  });
  return 0;
}();

}  // namespace
