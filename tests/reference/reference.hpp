#pragma once

/// Reference vectors for tests: inputs, outputs and gradients that another program computed, one case a file.
///
///     const reference::Case expected("sistcm_block_stacked_s1");
///     nn::SistcmBlock<double> block({...});
///     reference::hashed_parameters(block);
///     Variable<double> x(expected.map<double>("x"), true);
///     reference::check_close(block(x).value(), expected.map<double>("y"), "y");
///
/// The files lie in the folder that the environment variable MIEN_REFERENCE_DIR names, else in tests/data/reference.
/// They keep PyTorch's axis order; `map` and `convolution_weight` turn it into the library's. Tests take every shape
/// from the file, so that they also run on vectors of other seeds and sizes.

#include <mien/io/safetensors.hpp>
#include <mien/nn/module.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reference {

using mien::Index;
using mien::Shape;
using mien::Tensor;
using mien::Variable;

// --- axes ----------------------------------------------------------------------------------------------------------

/// [B, C, ...] -> [B, ..., C], for maps of any number of axes.
template <class T>
Tensor<T> channels_last(const Tensor<T>& map) {
  std::vector<Index> order{0};
  for (Index axis = 2; axis < map.rank(); ++axis) order.push_back(axis);
  order.push_back(1);
  return map.permute(order).contiguous();
}

/// [B, ..., C] -> [B, C, ...].
template <class T>
Tensor<T> channels_first(const Tensor<T>& map) {
  std::vector<Index> order{0, map.rank() - 1};
  for (Index axis = 1; axis + 1 < map.rank(); ++axis) order.push_back(axis);
  return map.permute(order).contiguous();
}

/// A convolution's weight, file's order [O, C / groups, kh, kw] -> memory's order [kh, kw, C / groups, O].
template <class T>
Tensor<T> convolution_weight_from_file(const Tensor<T>& weight) {
  return weight.permute({2, 3, 1, 0}).contiguous();
}

/// Any parameter from the file's axis order to the order in memory.
template <class T>
Tensor<T> parameter_from_file(const Tensor<T>& values, mien::nn::ParameterLayout layout) {
  return layout == mien::nn::ParameterLayout::convolution ? convolution_weight_from_file(values) : values;
}

// --- files ---------------------------------------------------------------------------------------------------------

inline std::filesystem::path folder() {
  const char* named = std::getenv("MIEN_REFERENCE_DIR");
  return named != nullptr && *named != '\0' ? std::filesystem::path(named)
                                            : std::filesystem::path(MIEN_TEST_DATA_DIR) / "reference";
}

/// The cases whose names begin with `prefix`, sorted. There must be one, else a loop over them would test nothing.
inline std::vector<std::string> case_names(std::string_view prefix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".safetensors" && name.starts_with(prefix)) names.push_back(name);
  }
  if (names.empty())
    throw mien::FileError(folder().string(), "", "no file", mien::detail::text(prefix, "*.safetensors"));
  std::sort(names.begin(), names.end());
  return names;
}

/// One file.
class Case {
 public:
  explicit Case(const std::string& name)
      : name_(name), file_(mien::io::read_safetensors(folder() / (name + ".safetensors"))) {}

  const std::string& name() const { return name_; }
  bool contains(const std::string& tensor) const { return file_.contains(tensor); }
  std::vector<std::string> tensor_names() const { return file_.names(); }

  /// The extents in the file's axis order.
  Shape shape(const std::string& tensor) const { return file_.shape(tensor); }

  /// In the file's axis order.
  template <class T>
  Tensor<T> tensor(const std::string& tensor) const {
    return file_.tensor<T>(tensor);
  }

  /// A map [B, C, ...] of the file as [B, ..., C].
  template <class T>
  Tensor<T> map(const std::string& name) const {
    return channels_last(tensor<T>(name));
  }

  /// A weight [O, C / groups, kh, kw] of the file as [kh, kw, C / groups, O].
  template <class T>
  Tensor<T> convolution_weight(const std::string& name) const {
    return convolution_weight_from_file(tensor<T>(name));
  }

  /// A tensor with one element.
  double scalar(const std::string& name) const { return tensor<double>(name).item(); }

  std::vector<Index> labels(const std::string& name = "labels") const {
    const Tensor<std::int64_t> values = tensor<std::int64_t>(name);
    return {values.data(), values.data() + values.elements()};
  }

  std::string text(const std::string& key) const {
    const auto& metadata = file_.metadata();
    const auto found = metadata.find(key);
    if (found == metadata.end()) throw mien::FileError(name_, "metadata", "no entry " + key, "");
    return found->second;
  }
  double number(const std::string& key) const { return std::stod(text(key)); }

  /// The names of all parameters and buffers of a hashed model.
  std::vector<std::string> hashed_names() const {
    std::vector<std::string> out;
    std::istringstream lines(text("names"));
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    return out;
  }

 private:
  std::string name_;
  mien::io::Safetensors file_;
};

// --- numbers made from names ---------------------------------------------------------------------------------------

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
inline std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001B3;
  return hash;
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): output for one state.
inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// u in [0, 1): element i, in row-major order, comes from the name and i alone.
inline Tensor<double> hashed_uniform(std::string_view name, const Shape& shape) {
  Tensor<double> out(shape);
  const std::uint64_t start = fnv1a64(name);
  for (Index i = 0; i < out.elements(); ++i)
    out.data()[i] = static_cast<double>(splitmix64(start + static_cast<std::uint64_t>(i)) >> 40) * 0x1p-24;
  return out;
}

/// 2u - 1: how inputs of whole models are made, in the file's axis order.
inline Tensor<double> hashed_input(const Shape& shape) {
  Tensor<double> out = hashed_uniform("input", shape);
  for (double& value : out.span()) value = 2 * value - 1;
  return out;
}

/// A parameter or buffer of a hashed model, `shape` in the file's axis order. The rule goes by the name's end and the
/// rank: a one-dimensional "weight" can only be that of a normalisation.
inline Tensor<double> hashed_values(std::string_view name, const Shape& shape) {
  Tensor<double> out = hashed_uniform(name, shape);
  double offset = 0;
  double factor = 0;
  if (name.ends_with("running_var")) {
    for (double& value : out.span()) value = 1 + 0.5 * value;
    return out;
  }
  if (name.ends_with("running_mean")) {
    factor = 0.1;
  } else if (shape.rank() <= 1 && name.ends_with(".weight")) {
    offset = 1;
    factor = 0.1;
  } else if (shape.rank() <= 1) {
    factor = 0.05;
  } else {
    factor = std::sqrt(3.0 * static_cast<double>(shape[0]) / static_cast<double>(std::max<Index>(1, shape.elements())));
  }
  for (double& value : out.span()) value = offset + factor * (2 * value - 1);
  return out;
}

/// Fills every parameter and buffer of a module from its name. `prefix` comes before the module's own names, for a
/// module that is a part of the one the file was made with.
template <class Module>
void hashed_parameters(Module& module, const std::string& prefix = "") {
  using T = typename Module::Element;
  for (auto& [name, variable, layout] : module.named_parameters()) {
    Shape shape = variable.shape();
    if (layout == mien::nn::ParameterLayout::convolution) shape = Shape{shape[3], shape[2], shape[0], shape[1]};
    variable.value().copy_from(parameter_from_file(hashed_values(prefix + name, shape).template cast<T>(), layout));
  }
  for (auto& [name, tensor] : module.named_buffers())
    tensor.copy_from(hashed_values(prefix + name, tensor.shape()).template cast<T>());
}

// --- comparison ----------------------------------------------------------------------------------------------------

struct Tolerance {
  double relative = 0;  ///< 0 takes the type's own: 1e-6 in double, which is the files' precision, 2e-4 in float
  /// The magnitude that `relative` is of, if larger than any expected value. For results that are zero but for
  /// rounding.
  double scale = 1e-6;
};

/// Empty if the largest difference is within the tolerance times the largest expected magnitude, else what is wrong.
/// The expected tensor may lack the axes of a single number.
template <class T>
std::string difference(const Tensor<T>& actual, const Tensor<T>& expected, const Tolerance& tolerance = {}) {
  const bool both_single = expected.rank() == 0 && actual.elements() == 1;
  if (actual.shape() != expected.shape() && !both_single)
    return mien::detail::text("shape ", actual.shape(), ", expected ", expected.shape());
  const Tensor<T> found = actual.contiguous();
  const Tensor<T> wanted = expected.contiguous();
  double scale = tolerance.scale;
  double largest = 0;
  Index worst = -1;
  for (Index i = 0; i < wanted.elements(); ++i) {
    const double error = std::abs(static_cast<double>(found.data()[i]) - static_cast<double>(wanted.data()[i]));
    scale = std::max(scale, std::abs(static_cast<double>(wanted.data()[i])));
    if (!(error <= largest)) {
      worst = i;
      largest = error;
      if (std::isnan(error)) break;
    }
  }
  const double relative = tolerance.relative > 0 ? tolerance.relative : sizeof(T) < sizeof(double) ? 2e-4 : 1e-6;
  if (largest <= relative * scale) return "";
  std::string place = "[";
  Index rest = worst;
  const auto strides = mien::contiguous_strides(wanted.shape());
  for (Index axis = 0; axis < wanted.rank(); ++axis) {
    const Index stride = strides[static_cast<std::size_t>(axis)];
    place += mien::detail::text(axis > 0 ? ", " : "", rest / stride);
    rest %= stride;
  }
  std::ostringstream numbers;
  numbers.precision(10);
  numbers << "at " << place << "] of " << wanted.shape().to_string() << ": " << found.data()[worst] << ", expected "
          << wanted.data()[worst] << "; " << largest / scale << " of the largest magnitude " << scale << ", allowed "
          << relative;
  return numbers.str();
}

/// Fails the running test, naming `what`, unless both are equal within the tolerance.
template <class T>
void check_close(const Tensor<T>& actual, const Tensor<T>& expected, const std::string& what,
                 const Tolerance& tolerance = {}) {
  const std::string wrong = difference(actual, expected, tolerance);
  CHECK_MESSAGE(wrong.empty(), what, ": ", wrong);
}

inline void check_close(double actual, double expected, const std::string& what, const Tolerance& tolerance = {}) {
  check_close(Tensor<double>({1}, actual), Tensor<double>({1}, expected), what, tolerance);
}

/// Compares the gradients of all parameters of a module with the file's "grad.<name>".
template <class Module>
void check_gradients(Module& module, const Case& expected, const Tolerance& tolerance = {}) {
  using T = typename Module::Element;
  for (const auto& [name, variable, layout] : module.named_parameters()) {
    const std::string what = expected.name() + ": gradient of " + name;
    if (!variable.gradient().defined()) {
      FAIL_CHECK(what << " is missing");
      continue;
    }
    check_close(variable.gradient(), parameter_from_file(expected.tensor<T>("grad." + name), layout), what, tolerance);
  }
}

/// Fails the running test unless the module's parameters and buffers have the names that the file's model had.
template <class Module>
void check_names(Module& module, const Case& expected) {
  std::vector<std::string> names;
  for (const auto& parameter : module.named_parameters()) names.push_back(parameter.name);
  for (const auto& buffer : module.named_buffers()) names.push_back(buffer.name);
  std::vector<std::string> wanted = expected.hashed_names();
  std::sort(names.begin(), names.end());
  std::sort(wanted.begin(), wanted.end());
  std::vector<std::string> odd;
  std::set_symmetric_difference(names.begin(), names.end(), wanted.begin(), wanted.end(), std::back_inserter(odd));
  std::string list;
  for (const auto& name : odd) list += " " + name;
  CHECK_MESSAGE(odd.empty(), expected.name(), ": names only on one side:", list);
}

}  // namespace reference
