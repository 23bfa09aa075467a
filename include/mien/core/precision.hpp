#pragma once

/// How exact products of `float` tensors have to be. A setting is a bound, not an order: the fastest algorithm within it
/// is chosen, by shape and by processor, and where nothing is gained by less everything stays as exact as `highest`.
///
///     set_precision(Precision::high);                     // for the whole program
///     {
///       const PrecisionScope scope(Precision::medium);    // for this thread, until the scope ends
///       backward(loss(model(x)));
///     }
///
/// The names are those of PyTorch's `set_float32_matmul_precision`. Tensors, sums, gradients and parameters are float in
/// every setting, and `double` is always computed in double.

#include <atomic>
#include <optional>
#include <string_view>
#include <utility>

#include "mien/core/error.hpp"

namespace mien {

/// The bounds are on the error of a result's root mean square, relative to that of the result.
enum class Precision {
  highest,  ///< products in float: below 5e-6
  high,     ///< factors may be split into two bfloat16 numbers each (16 bits of mantissa together): below 1e-5
  medium    ///< factors may be rounded to bfloat16 (8 bits of mantissa): below 1e-2
};

inline std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::highest:
      return "highest";
    case Precision::high:
      return "high";
    case Precision::medium:
      break;
  }
  return "medium";
}

/// The setting of that name. Throws ValueError if there is none.
inline Precision precision_of_name(std::string_view name) {
  for (const auto precision : {Precision::highest, Precision::high, Precision::medium})
    if (name_of(precision) == name) return precision;
  throw ValueError(detail::text("precision \"", name, "\": expected highest, high or medium"));
}

namespace detail {

inline std::atomic<Precision>& program_precision() {
  static std::atomic<Precision> precision{Precision::highest};
  return precision;
}

inline std::optional<Precision>& thread_precision() {
  thread_local std::optional<Precision> precision;
  return precision;
}

}  // namespace detail

/// The setting in force on this thread: that of the innermost scope, or else that of the program.
inline Precision precision() { return detail::thread_precision().value_or(detail::program_precision()); }

/// For all threads that are in no scope. The program starts with `highest`.
inline void set_precision(Precision precision) { detail::program_precision() = precision; }

/// While one lives, operations that this thread calls have its setting; those of `backward` are called by `backward`.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision precision) : before_(std::exchange(detail::thread_precision(), precision)) {}
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;
  ~PrecisionScope() { detail::thread_precision() = before_; }

 private:
  std::optional<Precision> before_;
};

}  // namespace mien
