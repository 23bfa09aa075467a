#pragma once

/// Reverse-mode differentiation. A `Variable` is a tensor that may want a gradient; functions of variables record a
/// closure each, and `backward` runs the closures from the loss to the leaves.
///
///     Variable<double> w(Tensor<double>({2, 3}, 0.5), true);
///     backward(sum(w * w));
///     w.gradient();  // 2 w
///
/// A closure holds only the tensors that its gradient needs; all others are freed as soon as the caller drops them.

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mien/autograd/trace.hpp"
#include "mien/core/tensor.hpp"
#include "mien/ops/arithmetic.hpp"

namespace mien {

class Gradients;

namespace detail {

inline bool& recording() {
  thread_local bool on = true;
  return on;
}

/// A variable in the graph that leads from a result to its leaves, whatever the type of its numbers.
struct GraphNode {
  Shape shape;
  bool is_wanted = true;  // whether functions that take the variable lead to it
  bool keeps_gradient = false;
  bool released = false;
  std::vector<std::shared_ptr<GraphNode>> inputs;  // null where no gradient is wanted

  GraphNode() = default;
  GraphNode(const GraphNode&) = delete;
  GraphNode& operator=(const GraphNode&) = delete;

  /// Long chains end one by one, not by recursion that could exhaust the stack; and without asking for memory, which
  /// may be why they end.
  virtual ~GraphNode() {
    std::shared_ptr<GraphNode> ending;
    move_inputs(*this, ending);
    while (ending) {
      const std::shared_ptr<GraphNode> node = std::move(ending);
      ending = std::move(node->next_ending_);
      move_inputs(*node, ending);
    }
  }

  virtual bool is_leaf() const = 0;
  virtual void clear_gradient() = 0;
  /// Passes the gradient, if one has come, on to the inputs.
  virtual void pass_on() = 0;
  /// Frees what the closure holds.
  virtual void release() = 0;

 private:
  /// Lets go of all inputs. Those that nobody else holds go in front of a list of nodes that are to end; of one that is
  /// an input twice it is the last that does.
  static void move_inputs(GraphNode& node, std::shared_ptr<GraphNode>& list) {
    for (std::shared_ptr<GraphNode>& input : node.inputs) {
      if (input && input.use_count() == 1) {
        input->next_ending_ = std::move(list);
        list = std::move(input);
      } else {
        input.reset();
      }
    }
    node.inputs.clear();
  }

  std::shared_ptr<GraphNode> next_ending_;
};

/// With what is known of the variable's gradient, and how to pass it on.
template <class T, class Device>
struct GradientNode final : GraphNode {
  using Backward = std::function<void(const Tensor<T, Device>& upstream, Gradients& inputs)>;

  Tensor<T, Device> gradient;
  Backward backward;

  void add(Tensor<T, Device> term) {
    ops::require_equal_shapes("gradient", shape, term.shape());
    if (!gradient.defined()) {
      // A leaf's gradient is scaled and clipped in place, so it must be the leaf's own.
      gradient = keeps_gradient && (term.is_shared() || !term.is_contiguous()) ? term.clone() : std::move(term);
    } else if (gradient.is_shared() || !gradient.is_contiguous()) {
      gradient = ops::add(gradient, term);
    } else {
      ops::add_into(gradient, term);
    }
  }

  bool is_leaf() const override { return backward == nullptr; }
  void clear_gradient() override { gradient = {}; }
  void pass_on() override;
  void release() override {
    backward = nullptr;
    inputs.clear();
    released = true;
  }
};

}  // namespace detail

/// Where a closure puts the gradients of its function's inputs.
class Gradients {
 public:
  explicit Gradients(std::span<const std::shared_ptr<detail::GraphNode>> inputs) : inputs_(inputs) {}

  /// Whether anybody wants the gradient of input `i`; work for the others can be left out. Throws IndexError if the
  /// function was recorded with fewer inputs.
  bool needed(std::size_t i) const {
    if (i >= inputs_.size()) throw IndexError(detail::text("Gradients: input ", i, " of ", inputs_.size()));
    return inputs_[i] != nullptr;
  }

  /// Adds to the gradient of input `i`, if wanted. Throws ValueError if that input is of another type.
  template <class T, class Device>
  void add(std::size_t i, Tensor<T, Device> term) {
    if (!needed(i)) return;
    auto* const node = dynamic_cast<detail::GradientNode<T, Device>*>(inputs_[i].get());
    if (node == nullptr) throw ValueError(detail::text("Gradients: input ", i, " holds numbers of another type"));
    node->add(std::move(term));
  }

 private:
  std::span<const std::shared_ptr<detail::GraphNode>> inputs_;
};

template <class T, class Device>
void detail::GradientNode<T, Device>::pass_on() {
  if (!backward || !gradient.defined()) return;
  Gradients to(inputs);
  backward(gradient, to);
}

/// While one lives, functions of variables on this thread record nothing and cost what the plain operation costs.
class NoGradient {
 public:
  NoGradient() : before_(std::exchange(detail::recording(), false)) {}
  NoGradient(const NoGradient&) = delete;
  NoGradient& operator=(const NoGradient&) = delete;
  ~NoGradient() { detail::recording() = before_; }

 private:
  bool before_;
};

/// A handle: copies share value and gradient. A tensor that is assigned to `value()` takes the place of this copy's
/// alone; `value().copy_from` and `value().fill` reach all, optimisers included.
template <class T, class Device = Cpu>
class Variable {
  static_assert(!std::same_as<Device, Cpu> || std::same_as<T, Accumulated<T>>,
                "numbers of 16 bits compute on the GPU alone");

 public:
  using Element = T;
  using Node = detail::GradientNode<T, Device>;

  Variable() = default;

  /// A constant, or a leaf whose gradient is kept.
  Variable(Tensor<T, Device> value, bool requires_gradient = false) : value_(std::move(value)) {
    if (!requires_gradient) return;
    node_ = std::make_shared<Node>();
    node_->shape = value_.shape();
    node_->keeps_gradient = true;
  }

  const Tensor<T, Device>& value() const& { return value_; }
  Tensor<T, Device>& value() & { return value_; }
  /// Of a variable without a name, which is gone before whoever looks at it.
  Tensor<T, Device> value() && { return std::move(value_); }
  const Shape& shape() const { return value_.shape(); }
  Index size(Index axis) const { return value_.size(axis); }
  T item() const { return value_.item(); }

  bool requires_gradient() const { return node_ != nullptr && node_->is_wanted; }

  /// Whether functions that take this leaf from now on lead to it, for its copies too. One that wants no gradient any
  /// more forgets the gradient it has. A constant becomes a leaf, of which earlier copies know nothing. Throws
  /// ValueError for what was computed from other variables.
  void set_requires_gradient(bool wanted) {
    if (node_ == nullptr) {
      if (wanted) *this = Variable(value_, true);
      return;
    }
    if (!node_->is_leaf() || node_->released)
      throw ValueError(detail::text("Variable::set_requires_gradient: variable ", shape(), " is computed from others"));
    node_->is_wanted = wanted;
    if (!wanted) node_->clear_gradient();
  }

  /// The sum of the gradients of all `backward` calls since `zero_gradient`; not `defined()` if there was none.
  const Tensor<T, Device>& gradient() const { return require_node("gradient").gradient; }
  Tensor<T, Device>& gradient() { return require_node("gradient").gradient; }
  void zero_gradient() { require_node("zero_gradient").gradient = Tensor<T, Device>(); }

  /// Keeps the gradient of a variable that is not a leaf, to look at after `backward`; that of the last call.
  void retain_gradient() { require_node("retain_gradient").keeps_gradient = true; }

  /// The same value, cut off from what it was computed from.
  Variable detach() const { return Variable(value_); }

  const std::shared_ptr<Node>& node() const { return node_; }

  /// For functions that record: a value with the node that leads to its inputs.
  Variable(Tensor<T, Device> value, std::shared_ptr<Node> node) : value_(std::move(value)), node_(std::move(node)) {}

 private:
  Node& require_node(const char* member) const {
    if (!node_) throw ValueError(detail::text("Variable::", member, ": variable ", shape(), " wants no gradient"));
    return *node_;
  }

  Tensor<T, Device> value_;
  std::shared_ptr<Node> node_;
};

/// Whether a function of these variables has to record anything: for a gradient, or for someone who listens to every
/// single operation.
template <class... Variables>
bool wants_gradient(const Variables&... variables) {
  return trace::is_listening() || (detail::recording() && (variables.requires_gradient() || ...));
}
template <class T, class Device>
bool wants_gradient(const std::vector<Variable<T, Device>>& variables) {
  for (const auto& variable : variables)
    if (wants_gradient(variable)) return true;
  return false;
}

namespace detail {

/// A variable of any type as a function's input.
struct GraphInput {
  template <class T, class Device>
  GraphInput(const Variable<T, Device>& variable) {
    if (variable.requires_gradient()) node = variable.node();
  }

  std::shared_ptr<GraphNode> node;
};

}  // namespace detail

/// The result of a function, with the closure that turns the gradient of `value` into those of `inputs`, which may be
/// of several types: `backward(const Tensor& upstream, Gradients& inputs)`. `function` is named to a listener.
template <class T, class Device, class Backward>
Variable<T, Device> record(Tensor<T, Device> value, std::span<const detail::GraphInput> inputs, Backward&& backward,
                           const char* function = __builtin_FUNCTION()) {
  if (trace::is_listening()) trace::detail::listener()->recorded(trace::Operation::value_of(value), function);
  bool wanted = false;
  for (const auto& input : inputs) wanted = wanted || input.node != nullptr;
  if (!wanted || !detail::recording()) return Variable<T, Device>(std::move(value));
  auto node = std::make_shared<detail::GradientNode<T, Device>>();
  node->shape = value.shape();
  for (const auto& input : inputs) node->inputs.push_back(input.node);
  node->backward = std::forward<Backward>(backward);
  return Variable<T, Device>(std::move(value), std::move(node));
}
template <class T, class Device, class Backward>
Variable<T, Device> record(Tensor<T, Device> value, std::initializer_list<detail::GraphInput> inputs,
                           Backward&& backward, const char* function = __builtin_FUNCTION()) {
  return record(std::move(value), std::span<const detail::GraphInput>(inputs.begin(), inputs.size()),
                std::forward<Backward>(backward), function);
}

struct BackwardOptions {
  /// Keeps closures and what they hold, so that `backward` can run again from the same variables. Weights that an
  /// optimiser has moved meanwhile count as they are then.
  bool retain_graph = false;
  /// Called with the node of each leaf (`Variable::node`) as soon as its gradient is complete, while those of others
  /// are still to come: in an order that depends on the graph alone.
  std::function<void(const detail::GraphNode& leaf)> leaf_done = {};
};

namespace detail {

/// Nodes that lead to `root`, every node before the nodes it was computed from.
inline std::vector<std::shared_ptr<GraphNode>> order_of_backward(const std::shared_ptr<GraphNode>& root) {
  struct Visit {
    std::shared_ptr<GraphNode> node;
    std::size_t next_input;
  };
  std::vector<std::shared_ptr<GraphNode>> order;
  std::unordered_set<const GraphNode*> seen{root.get()};
  std::vector<Visit> path{{root, 0}};
  while (!path.empty()) {
    Visit& visit = path.back();
    if (visit.next_input == visit.node->inputs.size()) {
      order.push_back(std::move(visit.node));
      path.pop_back();
      continue;
    }
    const auto& input = visit.node->inputs[visit.next_input++];
    if (input && seen.insert(input.get()).second) path.push_back({input, 0});
  }
  return {order.rbegin(), order.rend()};
}

}  // namespace detail

/// Adds d<result, upstream>/dv to the gradient of every leaf v that `result` was computed from. Throws ValueError if
/// there is no such leaf or the graph was released, ShapeError unless `upstream` has the shape of `result`; nothing is
/// changed then.
template <class T, class Device>
void backward(const Variable<T, Device>& result, const Tensor<T, Device>& upstream,
              const BackwardOptions& options = {}) {
  if (!result.requires_gradient())
    throw ValueError(detail::text("backward: variable ", result.shape(), " depends on nothing that wants a gradient"));
  ops::require_equal_shapes("backward: result and upstream gradient", result.shape(), upstream.shape());
  const NoGradient not_recorded;
  const auto order = detail::order_of_backward(result.node());
  for (const auto& node : order)
    if (node->released)
      throw ValueError(detail::text("backward: the graph of ", result.shape(),
                                    " was released by an earlier call; retain_graph keeps it"));
  // What an earlier call left between the leaves must not be passed on again.
  for (const auto& node : order)
    if (!node->is_leaf()) node->clear_gradient();
  result.node()->add(upstream);
  for (const auto& node : order) {
    node->pass_on();
    if (!node->keeps_gradient) node->clear_gradient();
    if (node->is_leaf()) {
      // Whatever leads to a leaf comes before it.
      if (options.leaf_done) options.leaf_done(*node);
    } else if (!options.retain_graph) {
      node->release();
    }
  }
}

/// The same for a loss, which has one element.
template <class T, class Device>
void backward(const Variable<T, Device>& loss, const BackwardOptions& options = {}) {
  if (loss.value().elements() != 1)
    throw ShapeError(detail::text("backward: loss ", loss.shape(),
                                  " does not have exactly one element; give its upstream gradient"));
  backward(loss, Tensor<T, Device>(loss.shape(), T{1}), options);
}

}  // namespace mien
