#pragma once

/// The base of layers and networks. A module is a struct that holds layers and names them in `visit`; the library finds
/// its parameters by those names.
///
///     struct Block : nn::Module<Block, float> {
///       nn::Convolution<float> conv{{.in = 64, .out = 64, .kernel = {3, 3}, .padding = {1, 1}}};
///       nn::BatchNorm<float> norm{64};
///       Variable<float> operator()(const Variable<float>& x) { return relu(norm(conv(x))) + x; }
///       void visit(auto&& child) { child("conv", conv); child("norm", norm); }
///     };
///
/// A copy of a module shares its parameters, as a copy of a tensor shares its elements.

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/autograd/variable.hpp"

namespace mien::nn {

/// How a parameter's axes in memory stand to its axes in a file. Files keep PyTorch's order.
enum class ParameterLayout {
  plain,       ///< the same order
  convolution  ///< memory [height, width, in / groups, out], file [out, in / groups, height, width]
};

/// Parameters (what is trained) and buffers (what is kept beside them, such as running statistics) with full names.
template <class T, class Device = Cpu>
struct NamedParameter {
  std::string name;
  Variable<T, Device> variable;
  ParameterLayout layout = ParameterLayout::plain;
};
template <class T, class Device = Cpu>
struct NamedBuffer {
  std::string name;
  Tensor<T, Device> tensor;
};

template <class T, class Device = Cpu>
using ParameterList = std::vector<Variable<T, Device>>;

/// `Where` is the device that its parameters live on.
template <class Derived, class T, class Where = Cpu>
class Module {
 public:
  using Element = T;
  using Device = Where;

  /// Every parameter with its path, as in "layer1.0.conv1.weight", in the order of the visits.
  std::vector<NamedParameter<T, Device>> named_parameters() {
    std::vector<NamedParameter<T, Device>> out;
    visit_leaves("", [&out]<class Leaf>(const std::string& name, Leaf& leaf, ParameterLayout layout) {
      if constexpr (std::is_same_v<Leaf, Variable<T, Device>>) out.push_back({name, leaf, layout});
    });
    return out;
  }

  std::vector<NamedBuffer<T, Device>> named_buffers() {
    std::vector<NamedBuffer<T, Device>> out;
    visit_leaves("", [&out]<class Leaf>(const std::string& name, Leaf& leaf, ParameterLayout) {
      if constexpr (std::is_same_v<Leaf, Tensor<T, Device>>) out.push_back({name, leaf});
    });
    return out;
  }

  ParameterList<T, Device> parameters() {
    ParameterList<T, Device> out;
    for (auto& parameter : named_parameters()) out.push_back(std::move(parameter.variable));
    return out;
  }

  /// Numbers that training changes.
  Index parameter_count() {
    Index count = 0;
    for (const auto& parameter : parameters()) count += parameter.value().elements();
    return count;
  }

  /// Whether batch norm takes the batch's statistics and dropout drops; on for a new module.
  bool is_training() const { return training_; }

  void train(bool training = true) {
    training_ = training;
    thaw_layer();
    derived().visit([training]<class Child>(const auto&, Child& child, ParameterLayout = ParameterLayout::plain) {
      if constexpr (requires { child.train(training); }) child.train(training);
    });
  }
  void evaluate() { train(false); }

  /// For the last use of a network, inference: evaluation in which layers keep their weights in the form that they
  /// multiply by, instead of making it in each call. That form takes memory besides, up to four times that of the
  /// weights. It does not follow later changes of the weights, so that it ends with `train` or `evaluate`, and with
  /// everything that looks for parameters, as loading weights does; to freeze a frozen module again changes nothing.
  ///
  /// A layer with such a form declares `freeze()`, which calls this one, and `thaw()`.
  void freeze() {
    training_ = false;
    derived().visit([]<class Child>(const auto&, Child& child, ParameterLayout = ParameterLayout::plain) {
      if constexpr (requires { child.freeze(); }) child.freeze();
    });
  }

  /// Calls `leaf(path, parameter or buffer, layout)` for everything below this module.
  template <class Leaf>
  void visit_leaves(const std::string& prefix, const Leaf& leaf) {
    thaw_layer();
    derived().visit([&]<class Child>(const auto& name, Child& child, ParameterLayout layout = ParameterLayout::plain) {
      const std::string path = prefix + name;
      if constexpr (requires { child.visit_leaves(path, leaf); }) {
        child.visit_leaves(path + ".", leaf);
      } else {
        static_assert(
            std::is_same_v<Child, Variable<T, Device>> || std::is_same_v<Child, Tensor<T, Device>>,
            "`visit` names modules, variables (parameters) and tensors (buffers) of the module's element type");
        leaf(path, child, layout);
      }
    });
  }

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }

  void thaw_layer() {
    if constexpr (requires { derived().thaw(); }) derived().thaw();
  }

  bool training_ = true;
};

/// Layers one after the other, named by their position: "0", "1", ...
template <class Layer>
class Sequence : public Module<Sequence<Layer>, typename Layer::Element, typename Layer::Device> {
 public:
  Sequence() = default;
  explicit Sequence(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  void append(Layer layer) { layers_.push_back(std::move(layer)); }
  std::size_t size() const { return layers_.size(); }
  /// Throws IndexError if there is no such layer.
  Layer& operator[](std::size_t i) {
    if (i >= layers_.size()) throw IndexError(detail::text("Sequence: layer ", i, " of ", layers_.size()));
    return layers_[i];
  }

  template <MapOf<typename Layer::Element> Map>
  Variable<Map, typename Layer::Device> operator()(Variable<Map, typename Layer::Device> x) {
    for (Layer& layer : layers_) x = layer(x);
    return x;
  }

  void visit(auto&& child) {
    for (std::size_t i = 0; i < layers_.size(); ++i) child(std::to_string(i), layers_[i]);
  }

 private:
  std::vector<Layer> layers_;
};

}  // namespace mien::nn
