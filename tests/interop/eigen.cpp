#include <mien/interop/eigen.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <utility>

using namespace mien;

namespace {

template <class Any>
concept HasMap = requires {
  interop::as_matrix(std::declval<Any>());
};

}  // namespace

TEST_CASE("a tensor and its map share elements, rows with gaps between them included") {
  Tensor<double> tensor({3, 4});
  std::iota(tensor.span().begin(), tensor.span().end(), 0.0);
  auto part = tensor.slice(1, 1, 3);
  auto matrix = interop::as_matrix(part);
  CHECK(matrix.rows() == 3);
  CHECK(matrix.cols() == 2);
  CHECK(matrix(2, 1) == 10);
  matrix.row(0).setConstant(-1);
  CHECK(tensor(0, 2) == -1);
  CHECK(tensor(0, 3) == 3);
  const Tensor<double>& constant = tensor;
  CHECK(interop::as_matrix(constant).sum() == tensor.span()[0] - 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11);
}

TEST_CASE("only matrices of rows without gaps have a map") {
  Tensor<float> cube({2, 3, 4}, 0);
  CHECK_THROWS_AS(interop::as_matrix(cube), ShapeError);
  auto turned = cube.select(0, 0).permute({1, 0});
  CHECK_THROWS_WITH_AS(interop::as_matrix(turned), doctest::Contains("contiguous()"), ShapeError);
  // One without a name would be gone before its map.
  static_assert(!HasMap<Tensor<float>> && HasMap<Tensor<float>&>);
}

TEST_CASE("matrices of either order are tensors without a copy") {
  Eigen::MatrixXf columns(2, 3);
  columns << 1, 2, 3, 4, 5, 6;
  auto tensor = interop::as_tensor(columns);
  CHECK(tensor.shape() == Shape{2, 3});
  CHECK(tensor(1, 0) == 4);
  tensor(0, 2) = 9;
  CHECK(columns(0, 2) == 9);
  CHECK(tensor.contiguous()(0, 1) == 2);

  auto rows = std::make_shared<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(2, 2);
  *rows << 1, 2, 3, 4;
  auto kept = interop::as_tensor(*rows, rows);
  rows.reset();
  CHECK(kept(1, 1) == 4);
}
