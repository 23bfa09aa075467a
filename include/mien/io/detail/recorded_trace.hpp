#pragma once

/// A network's operations from one run, with every value numbered.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "mien/autograd/trace.hpp"

namespace mien::io::detail {

/// A value is the result of a step, or comes from outside: an input, a parameter, a constant.
struct TracedValue {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  trace::Value tensor = {};
  std::size_t step = none;    ///< that made it
  std::string untraced = {};  ///< the function that made it without saying how

  Shape shape() const {
    if (const auto* const single = std::get_if<Tensor<float>>(&tensor)) return single->shape();
    if (const auto* const wide = std::get_if<Tensor<double>>(&tensor)) return wide->shape();
    return {};
  }

  /// Its numbers, row-major.
  std::vector<float> numbers() const {
    std::vector<float> out;
    if (const auto* const single = std::get_if<Tensor<float>>(&tensor)) {
      const Tensor<float> tight = single->contiguous();
      out.assign(tight.span().begin(), tight.span().end());
    } else if (const auto* const wide = std::get_if<Tensor<double>>(&tensor)) {
      const Tensor<double> tight = wide->contiguous();
      for (const double value : tight.span()) out.push_back(static_cast<float>(value));
    }
    return out;
  }
};

struct TracedStep {
  std::string_view name;
  std::vector<std::size_t> inputs;  ///< `TracedValue::none` for what was left out
  std::vector<std::size_t> outputs;
  std::map<std::string_view, std::vector<double>> attributes;

  double number(std::string_view attribute, std::size_t i = 0) const { return attributes.at(attribute).at(i); }
  Index index(std::string_view attribute, std::size_t i = 0) const { return static_cast<Index>(number(attribute, i)); }
  bool truth(std::string_view attribute) const { return number(attribute) != 0; }
};

/// Holds all tensors that it hears of, so that no two of them can lie in the same place.
class RecordedTrace final : public trace::Listener {
 public:
  void heard(const trace::Operation& operation) override {
    TracedStep step{operation.name, {}, {}, operation.attributes};
    for (const trace::Value& input : operation.inputs) step.inputs.push_back(number_of(input));
    for (const trace::Value& output : operation.outputs) {
      const std::size_t made = values.size();
      values.push_back({output, steps.size(), {}});
      numbers_[key(output)] = made;
      step.outputs.push_back(made);
    }
    steps.push_back(std::move(step));
  }

  void recorded(const trace::Value& result, const char* function) override {
    if (numbers_.contains(key(result))) return;
    numbers_[key(result)] = values.size();
    // Some compilers say for which types.
    const std::string_view name(function);
    values.push_back({result, TracedValue::none, std::string(name.substr(0, name.find('<')))});
  }

  /// The number of a value; of one that nobody has spoken of yet, a new one.
  std::size_t number_of(const trace::Value& value) {
    if (std::holds_alternative<std::monostate>(value)) return TracedValue::none;
    const auto [entry, is_new] = numbers_.try_emplace(key(value), values.size());
    if (is_new) values.push_back({value, TracedValue::none, {}});
    return entry->second;
  }

  std::vector<TracedValue> values;
  std::vector<TracedStep> steps;

 private:
  using Key = std::tuple<const void*, std::vector<Index>, std::vector<Index>>;

  /// Two tensors over the same elements in the same order are the same value. Axes of one element have no stride.
  static Key key(const trace::Value& value) {
    Key out{};
    const auto fill = [&](const auto& tensor) {
      std::get<0>(out) = tensor.data();
      for (Index axis = 0; axis < tensor.rank(); ++axis) {
        std::get<1>(out).push_back(tensor.size(axis));
        std::get<2>(out).push_back(tensor.size(axis) > 1 ? tensor.stride(axis) : 0);
      }
    };
    if (const auto* const single = std::get_if<Tensor<float>>(&value)) fill(*single);
    if (const auto* const wide = std::get_if<Tensor<double>>(&value)) fill(*wide);
    return out;
  }

  std::map<Key, std::size_t> numbers_;
};

}  // namespace mien::io::detail
