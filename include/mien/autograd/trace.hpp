#pragma once

/// What happens between a network's inputs and outputs, told to whoever listens: the way by which other formats learn
/// what a network computes, without a second description of it.
///
/// Functions of variables note what they do:
///
///     trace::note("relu", [&](trace::Operation& operation) { operation.reads(x.value()).makes(y); });
///
/// While nobody listens on this thread, that is one comparison. Tensors are known by where their elements lie, so that
/// a listener has to hold on to all that it was told of.

#include <concepts>
#include <map>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::trace {

/// What is traced lies on the CPU. Nothing, for what was left out.
using Value = std::variant<std::monostate, Tensor<float>, Tensor<double>>;

/// One step: its name is that of the function, its shapes are as everywhere in the library, channels last.
struct Operation {
  std::string_view name = {};
  std::vector<Value> inputs = {};
  std::vector<Value> outputs = {};
  std::map<std::string_view, std::vector<double>> attributes = {};

  template <class T, class Device>
  Operation& reads(const Tensor<T, Device>& tensor) {
    inputs.push_back(value_of(tensor));
    return *this;
  }
  template <class T, class Device>
  Operation& makes(const Tensor<T, Device>& tensor) {
    outputs.push_back(value_of(tensor));
    return *this;
  }
  template <class... Numbers>
  Operation& with(std::string_view attribute, Numbers... numbers) {
    attributes[attribute] = {static_cast<double>(numbers)...};
    return *this;
  }

  /// Throws ValueError for tensors elsewhere or of 16 bits.
  template <class T, class Device>
  static Value value_of(const Tensor<T, Device>& tensor) {
    if constexpr (std::same_as<Device, Cpu> && (std::same_as<T, float> || std::same_as<T, double>)) {
      if (!tensor.defined()) return {};
      return tensor;
    } else {
      throw ValueError("only what is computed on the CPU, in float or double, can be traced");
    }
  }
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void heard(const Operation& operation) = 0;
  /// A function of variables, by its name, has made `result`, and may have noted how.
  virtual void recorded(const Value& result, const char* function) = 0;
};

namespace detail {

inline Listener*& listener() {
  thread_local Listener* current = nullptr;
  return current;
}

}  // namespace detail

inline bool is_listening() { return detail::listener() != nullptr; }

/// While one lives, `listener` hears what this thread does.
class Listening {
 public:
  explicit Listening(Listener& listener) : before_(std::exchange(detail::listener(), &listener)) {}
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() { detail::listener() = before_; }

 private:
  Listener* before_;
};

/// `describe(operation)` says what was read and made; it is only called if somebody listens.
template <class Describe>
void note(std::string_view name, const Describe& describe) {
  if (!is_listening()) return;
  Operation operation{.name = name};
  describe(operation);
  detail::listener()->heard(operation);
}

}  // namespace mien::trace
