#include "mien/backend/cuda/kernels/matrix_product.hpp"

#include "emulator/product_rounding.hpp"
#include "mien/backend/cpu/matrix_product.hpp"

#include <type_traits>

using namespace mien;
using kernels::ProductPrecision;
using parity::DeviceArray;

namespace {

/// `gap` numbers before each line of every matrix.
struct Sizes {
  Index rows, columns, depth, gap;
};

/// Nothing, one number, odd sizes, more than a tile, a depth that blocks share; with lines that are runs and that are
/// not, as they have a multiple of eight numbers, or only begin at such.
constexpr Sizes all_sizes[] = {
    {0, 3, 5, 0},     {3, 0, 5, 1},    {4, 65, 0, 0},    {1, 1, 1, 0},    {7, 31, 65, 0},   {130, 70, 33, 3},
    {136, 72, 40, 8}, {65, 64, 24, 1}, {16, 8, 1030, 0}, {3, 24, 520, 8}, {9, 16, 1048, 0},
};

enum class Start { zeros, bias, matrix, result };

/// A matrix as it lies in memory.
template <class T>
struct Stored {
  Stored(Index rows, Index columns, Index gap_before, std::uint64_t seed)
      : gap(gap_before), values(parity::rounded<T>(parity::random({rows, columns + gap}, seed))) {}

  Index stride() const { return values.size(1); }

  Index gap;
  Tensor<double> values;
};

struct Case {
  Sizes sizes;
  bool left_transposed, right_transposed;
  Start start;
};

std::string text(const Case& one) {
  return mien::detail::text(one.sizes.rows, " x ", one.sizes.depth, " x ", one.sizes.columns, ", gap ", one.sizes.gap,
                            one.left_transposed ? ", left transposed" : "",
                            one.right_transposed ? ", right transposed" : "", ", start ", static_cast<int>(one.start));
}

/// The product on a device and in double, of the same factors as `rounding` makes them, written as Out.
template <class T, class Out = T>
void compare(const Case& one, ProductPrecision precision) {
  CAPTURE(text(one));
  const auto [rows, columns, depth, gap] = one.sizes;
  const Stored<T> left(one.left_transposed ? depth : rows, one.left_transposed ? rows : depth, gap, 1);
  const Stored<T> right(one.right_transposed ? columns : depth, one.right_transposed ? depth : columns, gap, 2);
  const Stored<float> start(one.start == Start::bias ? 1 : rows, columns, gap, 3);
  const Index start_stride = one.start == Start::bias ? 0 : start.stride();
  const bool in_place = one.start == Start::result;

  const Tensor<double> of_left = parity::rounded_factors<T>(left.values, precision);
  const Tensor<double> of_right = parity::rounded_factors<T>(right.values, precision);
  Tensor<double> expected = in_place ? start.values.clone() : Tensor<double>({rows, columns + gap}, 1.0);
  const double* const first = in_place ? expected.data() : start.values.data();
  backend::matrix_product<double>(
      rows, columns, depth, {of_left.data() + gap, left.stride(), one.left_transposed},
      {of_right.data() + gap, right.stride(), one.right_transposed},
      {one.start == Start::zeros ? nullptr : first + gap, start_stride, expected.data() + gap, columns + gap});
  parity::in_every_order([&] {
    DeviceArray<T> on_left(left.values);
    DeviceArray<T> on_right(right.values);
    DeviceArray<float> on_start(start.values);
    DeviceArray<Out> out(in_place ? start.values : Tensor<double>({rows, columns + gap}, 1.0));
    DeviceArray<float> workspace(kernels::matrix_product_workspace(rows, columns, depth));
    const float* from = on_start.data();
    if constexpr (std::is_same_v<Out, float>) from = in_place ? out.data() : from;
    kernels::matrix_product<T, Out>(
        rows, columns, depth, {on_left.data() + gap, left.stride(), one.left_transposed},
        {on_right.data() + gap, right.stride(), one.right_transposed},
        {one.start == Start::zeros ? nullptr : from + gap, start_stride, out.data() + gap, columns + gap}, precision,
        workspace.data(), nullptr);
    const auto found = out.values({rows, columns + gap});
    parity::check_close(found, expected, 2e-6 + parity::rounding<Out>);
    return std::vector{found};
  });
}

}  // namespace

TEST_CASE_TEMPLATE("products of matrices on a device", T, float, __nv_bfloat16, __half) {
  for (const Sizes& sizes : all_sizes)
    for (const bool left_transposed : {false, true})
      for (const bool right_transposed : {false, true})
        compare<T>({sizes, left_transposed, right_transposed, Start::zeros}, ProductPrecision::float32);
  for (const Start start : {Start::bias, Start::matrix, Start::result}) {
    if (start == Start::result && !std::is_same_v<T, float>) continue;
    for (const Sizes& sizes : {all_sizes[2], all_sizes[5], all_sizes[8]})
      compare<T>({sizes, false, true, start}, ProductPrecision::float32);
  }
}

TEST_CASE_TEMPLATE("products of matrices of 16 bits as floats on a device", T, __nv_bfloat16, __half) {
  for (const Sizes& sizes : {all_sizes[1], all_sizes[2], all_sizes[3], all_sizes[5], all_sizes[8], all_sizes[10]}) {
    for (const bool transposed : {false, true})
      compare<T, float>({sizes, transposed, !transposed, Start::zeros}, ProductPrecision::float32);
    compare<T, float>({sizes, true, false, Start::result}, ProductPrecision::float32);
  }
}

TEST_CASE("products of rounded matrices on a device") {
  for (const ProductPrecision precision : {ProductPrecision::tf32, ProductPrecision::bfloat16})
    for (const Sizes& sizes : all_sizes)
      for (const bool left_transposed : {false, true})
        for (const bool right_transposed : {false, true})
          compare<float>({sizes, left_transposed, right_transposed, Start::zeros}, precision);
}

TEST_CASE("matrices of too many numbers are an error") {
  const Index rows = Index{1} << 31;
  CHECK_THROWS_AS(kernels::matrix_product<float>(rows, 1, 1, {nullptr, 1}, {nullptr, 1}, {nullptr, 0, nullptr, 1},
                                                 ProductPrecision::float32, nullptr, nullptr),
                  Error);
}
