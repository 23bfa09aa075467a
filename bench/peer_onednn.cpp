/// A convolution by oneDNN, for compare.py: its own blocked layouts, into which nothing is reordered while the time is
/// taken. Prints one line of JSON.
///
///     OMP_NUM_THREADS=2 peer_onednn 16x28x28x64 3x3x64x64 --stride 1 --padding 1 --step training --precision highest
///         --algorithm winograd --seconds 0.5
///
/// Input N x H x W x C and kernel KH x KW x C x O. A step is `forward` (of inference), `input_gradient`,
/// `weight_gradient` or `training`, which is all three; a precision `highest` (float) or `medium` (bfloat16). Ends with
/// 1 where oneDNN has no such way for this processor, with 2 where the arguments make no sense.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

#include "resident_memory.hpp"

namespace {

using dnnl::memory;
using Dims = memory::dims;

struct Options {
  Dims input;   ///< N H W C
  Dims kernel;  ///< KH KW C O
  std::map<std::string, std::string> named{{"--stride", "1"},          {"--padding", "1"},        {"--step", "forward"},
                                           {"--precision", "highest"}, {"--algorithm", "direct"}, {"--seconds", "0.5"}};

  const std::string& operator[](const std::string& name) const { return named.at(name); }
};

struct WrongUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// "16x28x28x64"
Dims sizes_of(const std::string& text) {
  Dims out;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, 'x');) {
    out.push_back(std::stoll(part));
    if (out.back() < 1) throw WrongUsage("a size in " + text + " is not positive");
  }
  if (out.size() != 4) throw WrongUsage(text + " has to be four sizes");
  return out;
}

Options read_options(int count, char** arguments) {
  if (count < 3 || count % 2 == 0) throw WrongUsage("usage: peer_onednn INPUT KERNEL [--option value]...");
  Options out;
  out.input = sizes_of(arguments[1]);
  out.kernel = sizes_of(arguments[2]);
  for (int i = 3; i < count; i += 2) {
    const auto found = out.named.find(arguments[i]);
    if (found == out.named.end()) throw WrongUsage(std::string("unknown option ") + arguments[i]);
    found->second = arguments[i + 1];
  }
  return out;
}

/// Primitives of a step, and the memory that they use.
class Work {
 public:
  explicit Work(const Options& options) {
    const Dims& x = options.input;
    const Dims& k = options.kernel;
    const auto stride = std::stoll(options["--stride"]);
    const auto padding = std::stoll(options["--padding"]);
    if (x[3] != k[2] || stride < 1 || padding < 0) throw WrongUsage("input, kernel, stride and padding do not fit");
    const auto size = [&](std::size_t axis) { return (x[axis + 1] + 2 * padding - k[axis]) / stride + 1; };
    x_ = {x[0], x[3], x[1], x[2]};
    w_ = {k[3], k[2], k[0], k[1]};
    y_ = {x[0], k[3], size(0), size(1)};
    strides_ = {stride, stride};
    padding_ = {padding, padding};
    type_ = options["--precision"] == "medium" ? memory::data_type::bf16 : memory::data_type::f32;
    algorithm_ = options["--algorithm"] == "winograd" ? dnnl::algorithm::convolution_winograd
                                                      : dnnl::algorithm::convolution_direct;
    add(options["--step"]);
  }

  void run() {
    for (auto& [primitive, arguments] : calls_) primitive.execute(stream_, arguments);
    stream_.wait();
  }

  const std::string& implementation() const { return implementation_; }

 private:
  struct Argument {
    int name;
    const Dims& sizes;
    memory::desc layout;
  };

  void add(const std::string& step) {
    const bool training = step == "training";
    if (!training && step != "forward" && step != "input_gradient" && step != "weight_gradient")
      throw WrongUsage("unknown step " + step);
    const auto forward = description<dnnl::convolution_forward>(
        step == "forward" ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training, algorithm_, any(x_),
        any(w_), any(y_), strides_, padding_, padding_);
    if (training || step == "forward")
      call(dnnl::convolution_forward(forward), forward.impl_info_str(),
           {{DNNL_ARG_SRC, x_, forward.src_desc()},
            {DNNL_ARG_WEIGHTS, w_, forward.weights_desc()},
            {DNNL_ARG_DST, y_, forward.dst_desc()}});
    if (training || step == "input_gradient") {
      const auto backward = description<dnnl::convolution_backward_data>(algorithm_, any(x_), any(w_), any(y_),
                                                                         strides_, padding_, padding_, forward);
      call(dnnl::convolution_backward_data(backward), backward.impl_info_str(),
           {{DNNL_ARG_DIFF_SRC, x_, backward.diff_src_desc()},
            {DNNL_ARG_WEIGHTS, w_, backward.weights_desc()},
            {DNNL_ARG_DIFF_DST, y_, backward.diff_dst_desc()}});
    }
    if (training || step == "weight_gradient") {
      // Summed in float, as whoever trains wants it.
      const memory::desc gradient(w_, memory::data_type::f32, memory::format_tag::any);
      const auto backward = description<dnnl::convolution_backward_weights>(algorithm_, any(x_), gradient, any(y_),
                                                                            strides_, padding_, padding_, forward);
      call(dnnl::convolution_backward_weights(backward), backward.impl_info_str(),
           {{DNNL_ARG_SRC, x_, backward.src_desc()},
            {DNNL_ARG_DIFF_WEIGHTS, w_, backward.diff_weights_desc()},
            {DNNL_ARG_DIFF_DST, y_, backward.diff_dst_desc()}});
    }
  }

  memory::desc any(const Dims& sizes) const { return {sizes, type_, memory::format_tag::any}; }

  /// oneDNN 2 describes an operation before it looks for a primitive, oneDNN 3 does both in one.
  template <class Primitive, class... Arguments>
  typename Primitive::primitive_desc description(const Arguments&... arguments) const {
    if constexpr (requires { typename Primitive::desc; }) {
      return described<Primitive>(arguments...);
    } else {
      return typename Primitive::primitive_desc(engine_, arguments...);
    }
  }
  template <class Primitive, class... Arguments>
  typename Primitive::primitive_desc described(dnnl::prop_kind kind, const Arguments&... arguments) const {
    return typename Primitive::primitive_desc(typename Primitive::desc(kind, arguments...), engine_);
  }
  template <class Primitive, class Hint>
  typename Primitive::primitive_desc described(dnnl::algorithm algorithm, const memory::desc& first,
                                               const memory::desc& second, const memory::desc& third,
                                               const Dims& strides, const Dims& left, const Dims& right,
                                               const Hint& hint) const {
    return typename Primitive::primitive_desc(
        typename Primitive::desc(algorithm, first, second, third, strides, left, right), engine_, hint);
  }

  void call(const dnnl::primitive& primitive, const std::string& implementation,
            const std::vector<Argument>& inputs_and_outputs) {
    implementation_ += (implementation_.empty() ? "" : " ") + implementation;
    std::unordered_map<int, memory> arguments;
    for (const auto& [name, sizes, layout] : inputs_and_outputs) arguments.emplace(name, random(sizes, layout));
    calls_.emplace_back(primitive, std::move(arguments));
  }

  /// Standard normal numbers in that layout.
  memory random(const Dims& sizes, const memory::desc& wanted) {
    std::size_t elements = 1;
    for (const auto size : sizes) elements *= static_cast<std::size_t>(size);
    std::vector<float> numbers(elements);
    std::normal_distribution<float> normal;
    for (float& number : numbers) number = normal(engine_of_numbers_);
    memory from({sizes, memory::data_type::f32, memory::format_tag::nchw}, engine_, numbers.data());
    memory out(wanted, engine_);
    dnnl::reorder(from, out).execute(stream_, from, out);
    stream_.wait();
    return out;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::mt19937 engine_of_numbers_{1};
  Dims x_, w_, y_, strides_, padding_;
  memory::data_type type_{};
  dnnl::algorithm algorithm_{};
  std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> calls_;
  std::string implementation_;
};

double median_milliseconds(Work& work, double seconds) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 3; ++i) work.run();
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (times.size() < 3 || Clock::now() < end) {
    const auto begin = Clock::now();
    work.run();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Options options = read_options(count, arguments);
    Work work(options);
    const double milliseconds = median_milliseconds(work, std::stod(options["--seconds"]));
    std::printf("{\"ms\": %.6f, \"peak_mib\": %.1f, \"implementation\": \"%s\"}\n", milliseconds,
                mien::bench::peak_resident_mib(), work.implementation().c_str());
  } catch (const dnnl::error& error) {
    std::cerr << "peer_onednn: " << error.what() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "peer_onednn: " << error.what() << '\n';
    return 2;
  }
}
