#pragma once

/// Convolutions by NVIDIA's cuDNN 9, instead of those of kernels/convolution.cu. Link cudnn.
///
/// The same convolution gives the same bits every time: of cuDNN's algorithms each pass has one, and cuDNN's header
/// marks others as non-deterministic, not these. Maps are NHWC, as everywhere; filters have to be KRSC, so weights are
/// transposed before a convolution and their gradients after it, which is little beside it.
///
/// These are cuDNN's calls for single operations, which version 9 keeps but recommends no more. They multiply maps of
/// float as they are or as tf32, not as bfloat16: where that is allowed, they take tf32. Gradients for the weights of
/// maps of 16 bits are rounded to 16 bits once, which those of the library's own kernels are not. And they cannot
/// finish results as `kernels::ConvolutionFinish` says: there is no scale for outputs, and no promise that a relu keeps
/// a NaN. That is done afterwards, by at most three more passes over the map.

#include <cudnn.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>

#include "mien/backend/cuda/kernels/channels.hpp"
#include "mien/backend/cuda/kernels/convolution.hpp"
#include "mien/backend/cuda/kernels/copy.hpp"
#include "mien/backend/cuda/kernels/elementwise.hpp"
#include "mien/backend/cuda/number.hpp"

static_assert(CUDNN_MAJOR >= 9, "mien needs cuDNN 9 or newer");

namespace mien {

/// A call of cuDNN failed. The program can go on after it.
class CudnnError : public Error {
 public:
  CudnnError(const char* call, cudnnStatus_t code, const char* file, int line)
      : Error(detail::text(call, " failed: ", cudnnGetErrorString(code), " (", last_message(), "), at ", file, ":",
                           line)),
        code_(code) {}

  cudnnStatus_t code() const { return code_; }

 private:
  /// What cuDNN says of the last error of this thread.
  static std::string last_message() {
    char message[512] = {};
    cudnnGetLastErrorString(message, sizeof message - 1);
    return message;
  }

  cudnnStatus_t code_;
};

namespace cudnn {

/// Throws CudnnError, with the caller's file and line, unless the call went well. What CUDA remembers of it is cleared.
inline void require(const char* call, cudnnStatus_t code, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (code == CUDNN_STATUS_SUCCESS) return;
  cudaGetLastError();
  throw CudnnError(call, code, file, line);
}

/// What a convolution is computed for.
enum class Pass { map, input_gradient, weight_gradient };

namespace detail {

inline constexpr cudnnConvolutionFwdAlgo_t map_algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
inline constexpr cudnnConvolutionBwdDataAlgo_t input_gradient_algorithm = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
inline constexpr cudnnConvolutionBwdFilterAlgo_t weight_gradient_algorithm = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

/// Results are written, not added to what is there.
inline constexpr float one = 1;
inline constexpr float zero = 0;

/// Something that cuDNN makes by one call and ends by another.
template <class Handle, auto create, auto destroy>
class Owned {
 public:
  explicit Owned(const char* call) { require(call, create(&handle_)); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { destroy(handle_); }

  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

/// All that describes a pass. cuDNN counts in int.
struct Problem {
  Pass pass;
  int images, height, width, channels;
  int output_height, output_width, outputs;
  int groups;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;
  cudnnMathType_t math;
  cudnnDataType_t type;  ///< of maps and weights; sums are float

  auto operator<=>(const Problem&) const = default;
};

template <cuda::MapNumber T>
constexpr cudnnDataType_t data_type() {
  if constexpr (std::same_as<T, bfloat16>) return CUDNN_DATA_BFLOAT16;
  if constexpr (std::same_as<T, float16>) return CUDNN_DATA_HALF;
  return CUDNN_DATA_FLOAT;
}

/// TENSOR_OP_MATH allows tf32 for maps of float; the ALLOW_CONVERSION beside it would allow half too.
template <cuda::MapNumber T>
cudnnMathType_t math_type(kernels::ProductPrecision precision) {
  const bool exact = std::same_as<T, float> && precision == kernels::ProductPrecision::float32;
  return exact ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH;
}

template <cuda::MapNumber T>
Problem problem(const kernels::Convolution& shape, Pass pass) {
  const kernels::SlidingWindow& window = shape.window;
  return {pass,
          static_cast<int>(window.images),
          static_cast<int>(window.height),
          static_cast<int>(window.width),
          static_cast<int>(window.channels),
          static_cast<int>(window.output_height),
          static_cast<int>(window.output_width),
          static_cast<int>(shape.outputs),
          static_cast<int>(shape.groups),
          window.kernel_height,
          window.kernel_width,
          window.stride_height,
          window.stride_width,
          window.padding_height,
          window.padding_width,
          math_type<T>(shape.precision),
          data_type<T>()};
}

/// A problem in cuDNN's words, and the memory that it needs for it.
class Plan {
 public:
  Plan(cudnnHandle_t handle, const Problem& problem) {
    describe_map(input_, problem.type, problem.images, problem.height, problem.width, problem.channels);
    describe_map(output_, problem.type, problem.images, problem.output_height, problem.output_width, problem.outputs);
    require("cudnnSetFilter4dDescriptor",
            cudnnSetFilter4dDescriptor(weight(), problem.type, CUDNN_TENSOR_NHWC, problem.outputs,
                                       problem.channels / problem.groups, problem.kernel_height, problem.kernel_width));
    require(
        "cudnnSetConvolution2dDescriptor",
        cudnnSetConvolution2dDescriptor(window(), problem.padding_height, problem.padding_width, problem.stride_height,
                                        problem.stride_width, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    require("cudnnSetConvolutionGroupCount", cudnnSetConvolutionGroupCount(window(), problem.groups));
    require("cudnnSetConvolutionMathType", cudnnSetConvolutionMathType(window(), problem.math));
    find_workspace(handle, problem.pass);
  }

  bool is_supported() const { return is_supported_; }
  cudnnTensorDescriptor_t input() const { return input_.get(); }
  cudnnTensorDescriptor_t output() const { return output_.get(); }
  cudnnFilterDescriptor_t weight() const { return weight_.get(); }
  cudnnConvolutionDescriptor_t window() const { return window_.get(); }
  std::size_t workspace_bytes() const { return workspace_bytes_; }
  Tensor<float, Cuda> workspace() const {
    return cuda::workspace(static_cast<std::int64_t>((workspace_bytes_ + sizeof(float) - 1) / sizeof(float)));
  }

 private:
  using Map = Owned<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;

  static void describe_map(const Map& map, cudnnDataType_t type, int images, int height, int width, int channels) {
    require("cudnnSetTensor4dDescriptor",
            cudnnSetTensor4dDescriptor(map.get(), CUDNN_TENSOR_NHWC, type, images, channels, height, width));
  }

  void find_workspace(cudnnHandle_t handle, Pass pass) {
    switch (pass) {
      case Pass::map:
        return accept("cudnnGetConvolutionForwardWorkspaceSize",
                      cudnnGetConvolutionForwardWorkspaceSize(handle, input(), weight(), window(), output(),
                                                              map_algorithm, &workspace_bytes_));
      case Pass::input_gradient:
        return accept("cudnnGetConvolutionBackwardDataWorkspaceSize",
                      cudnnGetConvolutionBackwardDataWorkspaceSize(handle, weight(), output(), window(), input(),
                                                                   input_gradient_algorithm, &workspace_bytes_));
      case Pass::weight_gradient:
        return accept("cudnnGetConvolutionBackwardFilterWorkspaceSize",
                      cudnnGetConvolutionBackwardFilterWorkspaceSize(handle, input(), output(), window(), weight(),
                                                                     weight_gradient_algorithm, &workspace_bytes_));
    }
  }
  /// That there is no algorithm for a problem is an answer, not an error.
  void accept(const char* call, cudnnStatus_t status) {
    is_supported_ = CUDNN_STATUS_CATEGORY(status) != CUDNN_STATUS_NOT_SUPPORTED;
    if (is_supported_) require(call, status);
  }

  Map input_{"cudnnCreateTensorDescriptor"};
  Map output_{"cudnnCreateTensorDescriptor"};
  Owned<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor> weight_{
      "cudnnCreateFilterDescriptor"};
  Owned<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor> window_{
      "cudnnCreateConvolutionDescriptor"};
  bool is_supported_ = false;
  std::size_t workspace_bytes_ = 0;
};

/// What a thread keeps for a GPU.
class Context {
 public:
  /// For work in the current stream.
  cudnnHandle_t handle() const {
    require("cudnnSetStream", cudnnSetStream(handle_.get(), cuda::current_stream().get()));
    return handle_.get();
  }
  const Plan& plan(const Problem& problem) { return plans_.try_emplace(problem, handle_.get(), problem).first->second; }

 private:
  Owned<cudnnHandle_t, cudnnCreate, cudnnDestroy> handle_{"cudnnCreate"};
  std::map<Problem, Plan> plans_;
};

/// This thread's, for the GPU that is current.
inline Context& context() {
  thread_local std::map<int, Context> contexts;
  int device = 0;
  cuda::require("cudaGetDevice", cudaGetDevice(&device));
  return contexts[device];
}

/// Whether neighbours along an axis of a PixelGrid are all `stride` elements apart.
inline bool has_stride(std::int64_t extent, std::int64_t period, std::int64_t outer, std::int64_t inner,
                       std::int64_t stride) {
  if (extent == 1) return true;
  if (period == 1) return outer == stride;
  return inner == stride && (extent <= period || outer == period * stride);
}

/// Whether pixels lie as those of a map of its own do: with filters in KRSC cuDNN wants maps without gaps, and what
/// finishes results goes over them so. Of super images only those of a single frame are such.
inline bool is_map(const kernels::PixelGrid& grid, std::int64_t images, std::int64_t height, std::int64_t width,
                   std::int64_t channels) {
  return has_stride(width, grid.column_period, grid.column_outer, grid.column_inner, channels) &&
         has_stride(height, grid.row_period, grid.row_outer, grid.row_inner, width * channels) &&
         (images == 1 || grid.image_stride == height * width * channels);
}

/// Of a weight as a matrix [rows, outputs].
inline std::int64_t weight_rows(const kernels::Convolution& shape) {
  return shape.window.kernel_height * shape.window.kernel_width * shape.window.channels / shape.groups;
}

/// Whether `Problem` can tell it: cuDNN takes no empty maps, and none of 2^31 numbers or more.
inline bool is_countable(const kernels::Convolution& shape) {
  const kernels::SlidingWindow& window = shape.window;
  const auto counts = {window.images * window.height * window.width * window.channels,
                       window.images * window.output_height * window.output_width * shape.outputs,
                       weight_rows(shape) * shape.outputs};
  return std::ranges::all_of(counts,
                             [](std::int64_t count) { return count > 0 && count <= std::numeric_limits<int>::max(); });
}

/// Null where cuDNN does not do this pass.
template <cuda::MapNumber T>
const Plan* find_plan(const kernels::Convolution& shape, Pass pass) {
  const kernels::SlidingWindow& window = shape.window;
  if (!is_countable(shape) || !is_map(shape.input, window.images, window.height, window.width, window.channels) ||
      !is_map(shape.output, window.images, window.output_height, window.output_width, shape.outputs))
    return nullptr;
  const Plan& plan = context().plan(problem<T>(shape, pass));
  return plan.is_supported() ? &plan : nullptr;
}

template <cuda::MapNumber T>
const Plan& plan(const kernels::Convolution& shape, Pass pass) {
  const Plan* found = find_plan<T>(shape, pass);
  if (found == nullptr) throw ValueError("cudnn: a convolution that cuDNN does not do; ask cudnn::supports first");
  return *found;
}

/// A matrix [rows, columns] as [columns, rows].
template <class T>
void transpose(const T* from, std::int64_t rows, std::int64_t columns, T* to) {
  kernels::copy_strided(from, to, {2, {columns, rows}, {1, columns}, {rows, 1}}, sizeof(T),
                        cuda::current_stream().get());
}

/// Weights [kernel height, kernel width, C / groups, O] as filters [O, kernel height, kernel width, C / groups].
template <class T>
Tensor<T, Cuda> filters(const T* weight, const kernels::Convolution& shape) {
  Tensor<T, Cuda> out({weight_rows(shape) * shape.outputs});
  transpose(weight, weight_rows(shape), shape.outputs, out.data());
  return out;
}

/// y = relu(sums scale + bias + residual), each part where it is asked for; where there is no residual, the sums are in
/// y already.
template <class Number>
void finish_map(const kernels::ConvolutionFinish<Number>& finish, std::int64_t pixels, std::int64_t outputs,
                Number* sums, Number* y) {
  const cudaStream_t stream = cuda::current_stream().get();
  if (finish.scale != nullptr && finish.bias != nullptr) {
    kernels::scale_shift(sums, finish.scale, finish.bias, pixels, outputs, sums, stream);
  } else if (finish.scale != nullptr) {
    kernels::scale_channels(sums, finish.scale, 1, pixels, outputs, sums, stream);
  } else if (finish.bias != nullptr) {
    kernels::add_bias(sums, finish.bias, pixels, outputs, sums, stream);
  }
  if (finish.residual != nullptr) kernels::add(sums, finish.residual, pixels * outputs, y, stream);
  if (finish.relu) kernels::relu(y, pixels * outputs, y, stream);
}

}  // namespace detail

/// Whether cuDNN does this pass of such a convolution: on maps without gaps that it has an algorithm for.
template <cuda::MapNumber T>
bool supports(const kernels::Convolution& shape, Pass pass) {
  return detail::find_plan<T>(shape, pass) != nullptr;
}

/// What `kernels::convolution` computes, in the current stream. Throws ValueError unless `supports(shape, Pass::map)`.
template <cuda::MapNumber T>
void convolution(const T* x, const T* weight, const kernels::Convolution& shape,
                 const kernels::ConvolutionFinish<cuda::KernelNumber<T>>& finish, T* y) {
  const detail::Plan& plan = detail::plan<T>(shape, Pass::map);
  const std::int64_t pixels = shape.window.images * shape.window.output_height * shape.window.output_width;
  const auto filters = detail::filters(weight, shape);
  auto workspace = plan.workspace();
  // Sums must not be written over a residual that is still to be read.
  const bool is_added_in_place = finish.residual == cuda::kernel_numbers(y);
  auto beside = is_added_in_place ? Tensor<T, Cuda>({pixels * shape.outputs}) : Tensor<T, Cuda>();
  T* const sums = is_added_in_place ? beside.data() : y;
  require("cudnnConvolutionForward",
          cudnnConvolutionForward(detail::context().handle(), &detail::one, plan.input(), x, plan.weight(),
                                  filters.data(), plan.window(), detail::map_algorithm, workspace.data(),
                                  plan.workspace_bytes(), &detail::zero, plan.output(), sums));
  detail::finish_map(finish, pixels, shape.outputs, cuda::kernel_numbers(sums), cuda::kernel_numbers(y));
}

/// What `kernels::convolution_input_gradient` computes, in the current stream. Throws ValueError unless
/// `supports(shape, Pass::input_gradient)`.
template <cuda::MapNumber T>
void convolution_input_gradient(const T* upstream, const T* weight, const kernels::Convolution& shape, T* gradient) {
  const detail::Plan& plan = detail::plan<T>(shape, Pass::input_gradient);
  const auto filters = detail::filters(weight, shape);
  auto workspace = plan.workspace();
  require(
      "cudnnConvolutionBackwardData",
      cudnnConvolutionBackwardData(detail::context().handle(), &detail::one, plan.weight(), filters.data(),
                                   plan.output(), upstream, plan.window(), detail::input_gradient_algorithm,
                                   workspace.data(), plan.workspace_bytes(), &detail::zero, plan.input(), gradient));
}

/// What `kernels::convolution_weight_gradient` computes, in the current stream and with memory of its own. Throws
/// ValueError unless `supports(shape, Pass::weight_gradient)`.
template <cuda::MapNumber T>
void convolution_weight_gradient(const T* x, const T* upstream, const kernels::Convolution& shape, float* gradient) {
  const detail::Plan& plan = detail::plan<T>(shape, Pass::weight_gradient);
  Tensor<T, Cuda> filters({detail::weight_rows(shape) * shape.outputs});
  auto workspace = plan.workspace();
  require("cudnnConvolutionBackwardFilter",
          cudnnConvolutionBackwardFilter(detail::context().handle(), &detail::one, plan.input(), x, plan.output(),
                                         upstream, plan.window(), detail::weight_gradient_algorithm, workspace.data(),
                                         plan.workspace_bytes(), &detail::zero, plan.weight(), filters.data()));
  const auto store = [&](const Tensor<float, Cuda>& sums) {
    detail::transpose(sums.data(), shape.outputs, detail::weight_rows(shape), gradient);
  };
  if constexpr (std::same_as<T, float>) {
    store(filters);
  } else {
    store(filters.template cast<float>());
  }
}

}  // namespace cudnn
}  // namespace mien
