#pragma once

/// The one list of what every device has to compute alike: an operation, its options and the shapes it is tried with.
///
/// An entry is a function of variables, written once for every type and device. Whoever runs the list (operations.cpp)
/// gets its results and the gradients for all of its inputs, in double on the CPU, where gradients are checked against
/// differences, and as anything else, which has to agree.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/attention.hpp"
#include "mien/autograd/batch_norm.hpp"
#include "mien/autograd/channel_wise_convolution.hpp"
#include "mien/autograd/convolution.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/autograd/dropout.hpp"
#include "mien/autograd/gradient_check.hpp"
#include "mien/autograd/layer_norm.hpp"
#include "mien/autograd/linear.hpp"
#include "mien/autograd/lstm.hpp"
#include "mien/autograd/multi_stage_loss.hpp"
#include "mien/autograd/pooling.hpp"
#include "mien/autograd/preactivated_convolution.hpp"
#include "mien/autograd/regression_loss.hpp"
#include "mien/autograd/scale_shift.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/autograd/steps.hpp"
#include "mien/autograd/super_image_convolution.hpp"
#include "mien/core/random.hpp"

namespace parity {

using mien::Cpu;
using mien::Index;
using mien::Shape;
using mien::Tensor;
using mien::Variable;

/// Results, then the gradients for all inputs that have one.
using Numbers = std::vector<Tensor<double>>;

/// How a case gives its inputs to the function.
enum class InputForm {
  contiguous,
  strided  ///< views with gaps between all elements
};

/// Differentiates `function` on a device: results and gradients for an upstream that depends on the results' shapes
/// alone.
template <class T, class Device, class Function>
Numbers results_and_gradients(const Function& function, const std::vector<Tensor<double>>& inputs, InputForm form) {
  std::vector<Variable<T, Device>> variables;
  for (const Tensor<double>& input : inputs) {
    Tensor<T, Device> value = input.template cast<T>().template to<Device>();
    if (form == InputForm::strided && value.rank() > 0) {
      Tensor<T, Device> wide(value.shape().with(-1, 2 * value.size(-1)), static_cast<T>(1e6));
      Tensor<T, Device> part = wide.slice(-1, 0, wide.size(-1), 2);
      part.copy_from(value);
      value = part;
    }
    variables.emplace_back(value, true);
  }
  const std::vector<Variable<T, Device>> results = function(variables);
  const auto to_double = [](const Tensor<T, Device>& tensor) {
    return tensor.contiguous().template to<Cpu>().template cast<double>();
  };
  Numbers out;
  std::uint64_t seed = 100;
  for (const auto& result : results) {
    out.push_back(to_double(result.value()));
    if (!result.requires_gradient()) continue;
    Tensor<double> upstream(result.shape());
    mien::Generator(++seed).fill_uniform(upstream, -1, 1);
    mien::backward(result, upstream.template cast<T>().template to<Device>(), {.retain_graph = true});
  }
  for (const auto& variable : variables)
    if (variable.gradient().defined()) out.push_back(to_double(variable.gradient()));
  return out;
}

/// A case in every type and on every device that this program has.
struct Case {
  std::string name;                             ///< of the operation, its options and shapes, as in "softmax [7, 31]"
  std::function<Numbers(InputForm)> reference;  ///< double on the CPU
  std::function<Numbers(InputForm)> single;     ///< float on the CPU
  std::function<Numbers(InputForm)> device;     ///< float on the GPU or in the emulator
  std::function<mien::GradientCheckResult()> gradient_check;  ///< of the reference; empty where it would take too long
  double tolerance;  ///< of a result, relative to its largest number, or to `scale` where that is larger
  double scale;      ///< of the numbers that went into the results, where those cancel
};

/// Gathers cases.
class List {
 public:
  struct Options {
    double tolerance = 1e-5;
    double scale = 1e-2;
    double low = -1, high = 1;  ///< of the inputs
  };

  /// `function` is called with variables in the given shapes, random numbers in [low, high].
  template <class Function>
  void add(const std::string& operation, const std::vector<Shape>& shapes, const Function& function,
           const Options& options) {
    std::string name = operation;
    std::vector<Tensor<double>> inputs;
    for (const Shape& shape : shapes) {
      name += " " + shape.to_string();
      Tensor<float> values(shape);
      mien::Generator(inputs.size() + 1).fill_uniform(values, options.low, options.high);
      inputs.push_back(values.cast<double>());
    }
    const auto on = [&]<class T, class Device>() -> std::function<Numbers(InputForm)> {
      return [function, inputs](InputForm form) { return results_and_gradients<T, Device>(function, inputs, form); };
    };
    cases_.push_back({
      name, on.template operator()<double, Cpu>(), on.template operator()<float, Cpu>(),
#if defined(MIEN_WITH_CUDA)
          on.template operator()<float, mien::Cuda>(),
#else
          nullptr,
#endif
          check_of(function, inputs), options.tolerance, options.scale
    });
  }
  template <class Function>
  void add(const std::string& operation, const std::vector<Shape>& shapes, const Function& function) {
    add(operation, shapes, function, Options{});
  }

  const std::vector<Case>& cases() const { return cases_; }

 private:
  template <class Function>
  static std::function<mien::GradientCheckResult()> check_of(const Function& function,
                                                             const std::vector<Tensor<double>>& inputs) {
    constexpr Index most = 400;
    Index elements = 0;
    for (const auto& input : inputs) elements += input.elements();
    if (elements == 0 || elements > most) return {};
    return [function, inputs] {
      std::vector<Variable<double>> leaves;
      for (const auto& input : inputs) leaves.emplace_back(input.clone(), true);
      const auto first_result = [&](std::vector<Variable<double>>& variables) { return function(variables)[0]; };
      return mien::gradient_check(first_result, leaves, {.projections = 3});
    };
  }

  std::vector<Case> cases_;
};

void add_elementwise(List& list);
void add_maps(List& list);
void add_losses(List& list);
void add_sequences(List& list);
void add_super_images(List& list);

/// Every operation of autograd/.
inline List all_cases() {
  List list;
  add_elementwise(list);
  add_maps(list);
  add_losses(list);
  add_sequences(list);
  add_super_images(list);
  return list;
}

}  // namespace parity
