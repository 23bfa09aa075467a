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
/// A copy of a module shares its parameters, as a copy of a tensor shares its elements. A network of one's own holds
/// another network as a member; what derives from one has that one's `visit`, and its parameters alone.
///
/// A module is for one thread at a time: layers remember what they last did, as `joint_weights` tells it. Give each thread
/// a copy, made before the threads start; copies share weights, and what `freeze` has laid out. `NoGradient` and
/// `PrecisionScope` hold for the thread that makes them.

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
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

/// Whether `name` is what `path` names or lies below it: "layer1.0.bn1" is within "layer1" and "layer1.0", but not
/// within "layer". Everything is within "".
inline bool is_within(std::string_view name, std::string_view path) {
  return path.empty() || (name.starts_with(path) && (name.size() == path.size() || name[path.size()] == '.'));
}

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

  /// The parameters of one part, a module ("layer1", "layer1.0") or a single parameter ("fc.bias"): a group with a
  /// learning rate of its own, say. Throws ValueError if there is none.
  ///
  ///     optim::Adam adam(network.parameters_except({"fc"}), {.learning_rate = 1e-5});
  ///     adam.add_group(network.parameters_of("fc"), {.learning_rate = 1e-3});
  ParameterList<T, Device> parameters_of(std::string_view path) {
    ParameterList<T, Device> out;
    for (auto& parameter : named_parameters())
      if (is_within(parameter.name, path)) out.push_back(std::move(parameter.variable));
    if (out.empty()) throw ValueError(detail::text("parameters_of: ", unknown_path(path)));
    return out;
  }

  /// All parameters but those of some parts. Throws ValueError if one of these has none.
  ParameterList<T, Device> parameters_except(std::initializer_list<std::string_view> paths) {
    for (const std::string_view path : paths) parameters_of(path);
    ParameterList<T, Device> out;
    for (auto& parameter : named_parameters()) {
      bool is_left_out = false;
      for (const std::string_view path : paths) is_left_out = is_left_out || is_within(parameter.name, path);
      if (!is_left_out) out.push_back(std::move(parameter.variable));
    }
    return out;
  }

  /// Numbers of all parameters.
  Index parameter_count() {
    Index count = 0;
    for (const auto& parameter : parameters()) count += parameter.value().elements();
    return count;
  }

  /// Whether batch norm takes the batch's statistics and dropout drops; on for a new module, off for what is not
  /// trainable.
  bool is_training() const { return training_ && trainable_; }

  void train(bool training = true) {
    training_ = training;
    thaw_layer();
    derived().visit([training]<class Child>(const auto&, Child& child, ParameterLayout = ParameterLayout::plain) {
      if constexpr (requires { child.train(training); }) child.train(training);
    });
  }
  void evaluate() { train(false); }

  /// For fine-tuning: whether a part is trained, a module ("layer1", "layer1.0") with all that is below it or a single
  /// parameter ("fc.bias"); "" is everything. What is not trained wants no gradients, so that none are computed, and
  /// stays in evaluation while the rest trains: its running statistics stay as they are, and it drops nothing.
  ///
  ///     for (const char* part : {"conv1", "bn1", "layer1", "layer2"}) network.set_trainable(part, false);
  ///
  /// Optimisers leave such parameters as they are. One that was made meanwhile does not have them: `add_group` gives
  /// them to it when they are to be trained after all. Copies of a module share its parameters and so whether these
  /// want gradients, but each has its own mode. Throws ValueError if nothing is called so.
  void set_trainable(std::string_view path, bool trainable) {
    if (!mark_trainable("", path, trainable)) throw ValueError(detail::text("set_trainable: ", unknown_path(path)));
  }

  /// For the last use of a network, inference: evaluation in which layers keep their weights in the form that they
  /// multiply by, instead of making it in each call. That form takes memory besides, up to four times that of the
  /// weights. It does not follow later changes of the weights, so that it ends with `train` or `evaluate`, and with
  /// everything that looks for parameters, as loading weights does; to freeze a frozen module again changes nothing.
  /// Copies that are made meanwhile have the form too, and keep it until they are told the same.
  ///
  /// A layer with such a form declares `freeze()`, which calls this one, and `thaw()`.
  void freeze() {
    training_ = false;
    derived().visit([]<class Child>(const auto&, Child& child, ParameterLayout = ParameterLayout::plain) {
      if constexpr (requires { child.freeze(); }) child.freeze();
    });
  }

  /// `set_trainable` for the module that the whole network calls `own`: whether there was anything to mark.
  bool mark_trainable(const std::string& own, std::string_view path, bool trainable) {
    bool found = is_within(own, path);
    if (found) trainable_ = trainable;
    thaw_layer();
    derived().visit([&]<class Child>(const auto& name, Child& child, ParameterLayout = ParameterLayout::plain) {
      const std::string place = own.empty() ? std::string(name) : own + "." + name;
      if constexpr (requires { child.mark_trainable(place, path, trainable); }) {
        found = child.mark_trainable(place, path, trainable) || found;
      } else if constexpr (std::is_same_v<Child, Variable<T, Device>>) {
        if (!is_within(place, path)) return;
        child.set_requires_gradient(trainable);
        found = true;
      }
    });
    return found;
  }

  /// Calls `leaf(path, parameter or buffer, layout)` for everything below this module.
  template <class Leaf>
  void visit_leaves(const std::string& prefix, const Leaf& leaf) {
    thaw_layer();
    derived().visit([&]<class Child>(const auto& name, Child& child, ParameterLayout layout = ParameterLayout::plain) {
      const std::string path = prefix + name;
      if constexpr (requires { child.visit_leaves(path, leaf); }) {
        static_assert(std::is_same_v<typename Child::Element, T> && std::is_same_v<typename Child::Device, Device>,
                      "`visit` names modules of the module's own element type and device");
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

  /// Names what there is instead.
  std::string unknown_path(std::string_view path) {
    std::string parts;
    derived().visit([&parts](const auto& name, auto&, ParameterLayout = ParameterLayout::plain) {
      parts += (parts.empty() ? "`" : ", `") + std::string(name) + "`";
    });
    return detail::text("nothing is called `", path, "`; the parts are ", parts);
  }

  bool training_ = true;
  bool trainable_ = true;
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
