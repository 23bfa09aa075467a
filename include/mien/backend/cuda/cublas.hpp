#pragma once

/// Matrix products by NVIDIA's cuBLASLt, instead of those of kernels/matrix_product.cu. Link cublasLt.
///
/// The same product gives the same bits every time. cuBLASLt chooses the algorithm for a problem once, by its sizes,
/// strides and alignments, and the choice is kept. Algorithms that share a long depth may add up the parts in a step of
/// its own, but not in place, which would be in the order in which they happen to arrive. Another GPU, or another
/// version of cuBLASLt, may sum in another order.

#include <cublasLt.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>

#include "mien/backend/cuda/kernels/matrix_product.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien {

/// A call of cuBLASLt failed. The program can go on after it.
class CublasError : public Error {
 public:
  CublasError(const char* call, cublasStatus_t code, const char* file, int line)
      : Error(detail::text(call, " failed: ", cublasLtGetStatusName(code), " (", cublasLtGetStatusString(code),
                           "), at ", file, ":", line)),
        code_(code) {}

  cublasStatus_t code() const { return code_; }

 private:
  cublasStatus_t code_;
};

namespace cublas {

/// Throws CublasError, with the caller's file and line, unless the call went well. What CUDA remembers of it is
/// cleared.
inline void require(const char* call, cublasStatus_t code, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (code == CUBLAS_STATUS_SUCCESS) return;
  cudaGetLastError();
  throw CublasError(call, code, file, line);
}

namespace detail {

/// Rows of a row-major matrix as they lie in memory. cuBLASLt counts along columns: to it this is a matrix of `length`
/// rows and `lines` columns.
struct Layout {
  std::int64_t lines, length, stride;
  std::uint32_t alignment;  ///< of the data, in bytes

  auto operator<=>(const Layout&) const = default;
};

/// The largest power of two that divides an address, up to the 256 bytes that algorithms ask for at most.
inline std::uint32_t alignment_of(const float* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | 256;
  return static_cast<std::uint32_t>(address & (~address + 1));
}

/// A single line has no stride, but cuBLASLt wants one that fits.
inline Layout layout(const float* data, std::int64_t lines, std::int64_t length, std::int64_t stride) {
  return {lines, length, lines == 1 ? length : stride, alignment_of(data)};
}
inline Layout layout(const kernels::MatrixFactor<float>& factor, std::int64_t rows, std::int64_t columns) {
  if (factor.transposed) return layout(factor.data, columns, rows, factor.stride);
  return layout(factor.data, rows, columns, factor.stride);
}

/// What sums begin with. A bias is one row for all of them.
enum class Start { none, bias, matrix };

/// All that an algorithm is chosen by.
struct Problem {
  Layout left, right, start, out;
  bool left_transposed, right_transposed;
  Start start_kind;
  kernels::ProductPrecision precision;

  auto operator<=>(const Problem&) const = default;
};

inline Problem problem(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                       const kernels::MatrixFactor<float>& left, const kernels::MatrixFactor<float>& right,
                       const kernels::ProductResult<float>& result, kernels::ProductPrecision precision) {
  Problem out{layout(left, rows, depth),
              layout(right, depth, columns),
              layout(result.out, rows, columns, result.stride),
              layout(result.out, rows, columns, result.stride),
              left.transposed,
              right.transposed,
              Start::none,
              precision};
  if (result.start == nullptr) return out;
  // One row may be where the results go, which a bias must not be.
  out.start_kind = result.start_stride == 0 && rows > 1 ? Start::bias : Start::matrix;
  out.start = layout(result.start, out.start_kind == Start::bias ? 1 : rows, columns, result.start_stride);
  return out;
}

/// Floats in all precisions, rounded before they are multiplied, as in `kernels::ProductPrecision`.
inline cublasComputeType_t compute_type(kernels::ProductPrecision precision) {
  switch (precision) {
    case kernels::ProductPrecision::float32:
      return CUBLAS_COMPUTE_32F;
    case kernels::ProductPrecision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case kernels::ProductPrecision::bfloat16:
      break;
  }
  return CUBLAS_COMPUTE_32F_FAST_16BF;
}

/// A problem in cuBLASLt's words, and the algorithm that it has chosen. Transposed, as it sees all matrices, the
/// product is out^T = right^T left^T: what cuBLASLt calls A is the right factor.
class Plan {
 public:
  Plan(cublasLtHandle_t handle, const Problem& problem, const float* start)
      : has_bias_(problem.start_kind == Start::bias), adds_matrix_(problem.start_kind == Start::matrix) {
    require("cublasLtMatmulDescInit", cublasLtMatmulDescInit(&product_, compute_type(problem.precision), CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, problem.right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, problem.left_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (has_bias_) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      // The choice of the algorithm goes by its alignment.
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, start);
    }
    const Layout& added = has_bias_ ? problem.out : problem.start;
    describe(problem.right, right_);
    describe(problem.left, left_);
    describe(added, start_);
    describe(problem.out, out_);
    choose_algorithm(handle, {problem.right.alignment, problem.left.alignment, added.alignment, problem.out.alignment});
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// Whether cuBLASLt has an algorithm for it.
  bool is_supported() const { return is_supported_; }

  void multiply(cublasLtHandle_t handle, const float* left, const float* right,
                const kernels::ProductResult<float>& result) {
    if (has_bias_) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, result.start);
    const float one = 1;
    const float part_of_start = adds_matrix_ ? 1 : 0;
    auto workspace = cuda::workspace(static_cast<std::int64_t>((workspace_bytes_ + sizeof(float) - 1) / sizeof(float)));
    require("cublasLtMatmul",
            cublasLtMatmul(handle, &product_, &one, right, &right_, left, &left_, &part_of_start,
                           adds_matrix_ ? result.start : result.out, &start_, result.out, &out_, &algorithm_,
                           workspace.data(), workspace_bytes_, cuda::current_stream().get()));
  }

 private:
  struct Alignments {
    std::uint32_t right, left, start, out;
  };

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    require("cublasLtMatmulDescSetAttribute",
            cublasLtMatmulDescSetAttribute(&product_, attribute, &value, sizeof value));
  }
  template <class Value>
  static void set(cublasLtMatmulPreferenceOpaque_t& preference, cublasLtMatmulPreferenceAttributes_t attribute,
                  const Value& value) {
    require("cublasLtMatmulPreferenceSetAttribute",
            cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value));
  }
  static void describe(const Layout& layout, cublasLtMatrixLayoutOpaque_t& out) {
    require("cublasLtMatrixLayoutInit",
            cublasLtMatrixLayoutInit(&out, CUDA_R_32F, static_cast<std::uint64_t>(layout.length),
                                     static_cast<std::uint64_t>(layout.lines), layout.stride));
  }

  void choose_algorithm(cublasLtHandle_t handle, const Alignments& alignments) {
    // What NVIDIA recommends for the GPU that needs most.
    constexpr std::uint64_t most_workspace_bytes = std::uint64_t{32} << 20;
    constexpr std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK & ~CUBLASLT_REDUCTION_SCHEME_INPLACE;
    cublasLtMatmulPreferenceOpaque_t preference{};
    require("cublasLtMatmulPreferenceInit", cublasLtMatmulPreferenceInit(&preference));
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace_bytes);
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.right);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.left);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.start);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.out);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, &product_, &right_, &left_, &start_, &out_,
                                                                 &preference, 1, &best, &found);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) require("cublasLtMatmulAlgoGetHeuristic", status);
    if (found == 0 || best.state == CUBLAS_STATUS_NOT_SUPPORTED) return;
    require("cublasLtMatmulAlgoGetHeuristic", best.state);
    is_supported_ = true;
    algorithm_ = best.algo;
    workspace_bytes_ = best.workspaceSize;
  }

  bool has_bias_, adds_matrix_;
  cublasLtMatmulDescOpaque_t product_{};
  cublasLtMatrixLayoutOpaque_t right_{}, left_{}, start_{}, out_{};
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_bytes_ = 0;
  bool is_supported_ = false;
};

/// What a thread keeps for a GPU.
class Context {
 public:
  Context() { require("cublasLtCreate", cublasLtCreate(&handle_)); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { cublasLtDestroy(handle_); }

  cublasLtHandle_t handle() const { return handle_; }
  Plan& plan(const Problem& problem, const float* start) {
    return plans_.try_emplace(problem, handle_, problem, start).first->second;
  }

 private:
  cublasLtHandle_t handle_ = nullptr;
  std::map<Problem, Plan> plans_;
};

/// This thread's, for the GPU that is current.
inline Context& context() {
  thread_local std::map<int, Context> contexts;
  int device = 0;
  cuda::require("cudaGetDevice", cudaGetDevice(&device));
  return contexts[device];
}

}  // namespace detail

/// Whether cuBLASLt does such a product: it takes no empty matrices, none whose rows overlap, and has no algorithm for
/// some of the others.
inline bool supports(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                     const kernels::MatrixFactor<float>& left, const kernels::MatrixFactor<float>& right,
                     const kernels::ProductResult<float>& result, kernels::ProductPrecision precision) {
  if (rows == 0 || columns == 0 || depth == 0) return false;
  const detail::Problem problem = detail::problem(rows, columns, depth, left, right, result, precision);
  const auto layouts = {problem.left, problem.right, problem.start, problem.out};
  return std::ranges::all_of(layouts, [](const detail::Layout& layout) { return layout.stride >= layout.length; }) &&
         detail::context().plan(problem, result.start).is_supported();
}

/// What `kernels::matrix_product` computes, in the current stream and with memory of its own. Throws CublasError if
/// cuBLASLt cannot.
inline void matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                           const kernels::MatrixFactor<float>& left, const kernels::MatrixFactor<float>& right,
                           const kernels::ProductResult<float>& result, kernels::ProductPrecision precision) {
  detail::Context& context = detail::context();
  context.plan(detail::problem(rows, columns, depth, left, right, result, precision), result.start)
      .multiply(context.handle(), left.data, right.data, result);
}

}  // namespace cublas
}  // namespace mien
