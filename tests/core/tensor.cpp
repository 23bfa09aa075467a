#include <mien/core/tensor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

using namespace mien;

namespace {

/// 0, 1, 2, ...
Tensor<int> counted(const Shape& shape) {
  Tensor<int> out(shape);
  std::iota(out.span().begin(), out.span().end(), 0);
  return out;
}

std::vector<int> values(const Tensor<int>& tensor) {
  const auto tight = tensor.contiguous();
  return {tight.span().begin(), tight.span().end()};
}

template <class T>
concept GivesSpan = requires(T&& tensor) {
  std::forward<T>(tensor).span();
};

}  // namespace

TEST_CASE("elements are looked at in tensors that have a name") {
  CHECK(GivesSpan<Tensor<float>&>);
  CHECK(GivesSpan<const Tensor<float>&>);
  CHECK_FALSE(GivesSpan<Tensor<float>>);
  CHECK_FALSE(GivesSpan<const Tensor<float>>);
}

TEST_CASE("made of one value, of given values, of nothing") {
  CHECK(values(Tensor<int>({2, 2}, 7)) == std::vector<int>{7, 7, 7, 7});
  CHECK(values(Tensor<int>::zeros({3})) == std::vector<int>{0, 0, 0});
  const auto given = Tensor<int>::from({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(given(1, 0) == 4);
  CHECK(given.size(-1) == 3);
  const Tensor<int> nothing;
  CHECK_FALSE(nothing.defined());
  CHECK(nothing.empty());
  CHECK(nothing.shape() == Shape{0});
  const Tensor<int> no_rows({0, 3});
  CHECK(no_rows.defined());
  CHECK(no_rows.empty());
  CHECK(Tensor<int>(Shape{}, 5).item() == 5);
}

TEST_CASE("memory is aligned for vector instructions") {
  for (const Index size : {1, 7, 31, 65}) {
    const Tensor<float> tensor({size});
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64 == 0);
  }
}

TEST_CASE("a copy of a handle sees the same elements, a clone has its own") {
  auto tensor = counted({2, 3});
  auto handle = tensor;
  const auto clone = tensor.clone();
  CHECK(tensor.is_shared());
  CHECK_FALSE(clone.is_shared());
  handle(1, 2) = 99;
  CHECK(tensor(1, 2) == 99);
  CHECK(clone(1, 2) == 5);
}

TEST_CASE("memory lives as long as its last view") {
  Tensor<int> row;
  {
    const auto tensor = counted({4, 5});
    row = tensor.select(0, 3);
  }
  CHECK(values(row) == std::vector<int>{15, 16, 17, 18, 19});
}

TEST_CASE("views, slices, selections and permutations copy nothing") {
  auto tensor = counted({2, 3, 5});
  CHECK(tensor.view({6, 5}).data() == tensor.data());
  CHECK(tensor.view({-1, 5}).shape() == Shape{6, 5});
  CHECK(tensor.view({30}).shape() == Shape{30});
  CHECK(tensor.slice(1, 1, 3).data() == tensor.data() + 5);
  CHECK(tensor.select(0, 1).data() == tensor.data() + 15);
  CHECK(tensor.permute({2, 0, 1}).data() == tensor.data());
  tensor.slice(1, 1, 2).fill(-1);
  CHECK(tensor(0, 1, 0) == -1);
  CHECK(tensor(1, 1, 4) == -1);
  CHECK(tensor(0, 0, 4) == 4);
  CHECK(tensor(0, 2, 0) == 10);
}

TEST_CASE("slices of every axis, with steps") {
  const auto tensor = counted({3, 4});
  CHECK(values(tensor.slice(0, 1, 3)) == std::vector<int>{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(values(tensor.slice(-1, 1, 3)) == std::vector<int>{1, 2, 5, 6, 9, 10});
  CHECK(values(tensor.slice(1, 0, 4, 2)) == std::vector<int>{0, 2, 4, 6, 8, 10});
  CHECK(values(tensor.slice(1, 0, 4, 3)) == std::vector<int>{0, 3, 4, 7, 8, 11});
  CHECK(values(tensor.slice(1, 1, 4, 3)) == std::vector<int>{1, 5, 9});
  CHECK(values(tensor.slice(0, 0, 3, 2).slice(1, 1, 4, 2)) == std::vector<int>{1, 3, 9, 11});
  CHECK(tensor.slice(0, 2, 2).shape() == Shape{0, 4});
  CHECK(tensor.slice(0, 3, 3).empty());
  CHECK(values(tensor.slice(0, 1, 3, std::numeric_limits<Index>::max())) == std::vector<int>{4, 5, 6, 7});
}

TEST_CASE("selections take an axis away") {
  const auto tensor = counted({2, 3, 4});
  const auto middle = tensor.select(1, 2);
  CHECK(middle.shape() == Shape{2, 4});
  CHECK(values(middle) == std::vector<int>{8, 9, 10, 11, 20, 21, 22, 23});
  CHECK(middle.select(0, 1).select(0, 3).item() == 23);
  CHECK(tensor.select(-1, 0).stride(1) == 4);
}

TEST_CASE("permutations turn indices about") {
  const auto tensor = counted({2, 3, 5});
  const auto turned = tensor.permute({2, 0, 1});
  CHECK(turned.shape() == Shape{5, 2, 3});
  bool same = true;
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 5; ++k) same = same && turned(k, i, j) == tensor(i, j, k);
  CHECK(same);
  CHECK(values(tensor.permute({0, -1, 1}).permute({0, 2, 1})) == values(tensor));
  CHECK(turned.contiguous()(4, 1, 2) == tensor(1, 2, 4));
}

TEST_CASE("what has no gaps is known, and made so only where needed") {
  const auto tensor = counted({3, 4});
  CHECK(tensor.is_contiguous());
  CHECK(tensor.slice(0, 1, 3).is_contiguous());
  CHECK_FALSE(tensor.slice(1, 0, 3).is_contiguous());
  CHECK_FALSE(tensor.permute({1, 0}).is_contiguous());
  CHECK(counted({3, 1}).permute({1, 0}).is_contiguous());
  CHECK(tensor.slice(1, 0, 0).is_contiguous());
  CHECK(tensor.contiguous().data() == tensor.data());
  CHECK(tensor.permute({1, 0}).contiguous().data() != tensor.data());
  CHECK(values(tensor.permute({1, 0})) == std::vector<int>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
}

TEST_CASE("copies between tensors with and without gaps") {
  auto target = Tensor<int>::zeros({4, 3});
  target.permute({1, 0}).copy_from(counted({3, 4}));
  CHECK(target(3, 2) == 11);
  CHECK(target(1, 0) == 1);
  target.slice(0, 0, 2).copy_from(counted({3, 2}).permute({1, 0}));
  CHECK(values(target.slice(0, 0, 2)) == std::vector<int>{0, 2, 4, 1, 3, 5});
  CHECK(target(3, 2) == 11);
  Tensor<int>({0, 3}).copy_from(Tensor<int>({0, 3}));
}

TEST_CASE("the same numbers as another type, gaps or not") {
  const auto cast = counted({2, 3}).permute({1, 0}).cast<double>();
  CHECK(cast.shape() == Shape{3, 2});
  CHECK(cast(2, 1) == 5.0);
  CHECK(Tensor<float>({2}, 2.75F).cast<int>()(1) == 2);
}

TEST_CASE("borrowed memory is looked at in place, and its owner kept alive") {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::weak_ptr<std::vector<float>> watched = owner;
  {
    auto tensor = Tensor<float>::borrow(owner->data(), {2, 2}, {3, 1}, owner);
    owner.reset();
    CHECK_FALSE(watched.expired());
    CHECK(tensor(1, 0) == 4);
    tensor(1, 1) = 50;
    CHECK((*watched.lock())[4] == 50);
  }
  CHECK(watched.expired());
}

TEST_CASE("memory is shared if another handle or a lender without an owner may see it") {
  float lent[4] = {1, 2, 3, 4};
  CHECK(Tensor<float>::borrow(lent, {2, 2}, {2, 1}, nullptr).is_shared());
  CHECK_FALSE(Tensor<float>().is_shared());
  const Tensor<float> own({3}, 1.0F);
  CHECK_FALSE(own.is_shared());
  const auto view = own.slice(0, 1, 2);
  CHECK(own.is_shared());
}

TEST_CASE("what does not fit is refused, and the message shows the shapes") {
  auto tensor = counted({2, 3});
  CHECK_THROWS_WITH_AS(tensor(2, 0), "index 2 of axis 0 of shape [2, 3]", IndexError);
  CHECK_THROWS_AS(tensor(0, -1), IndexError);
  CHECK_THROWS_WITH_AS(tensor(1), "1 indices for shape [2, 3]", IndexError);
  CHECK_THROWS_WITH_AS(tensor.item(), "Tensor::item: shape [2, 3] does not have exactly one element", ShapeError);
  CHECK_THROWS_AS(Tensor<int>().item(), ShapeError);
  CHECK_THROWS_WITH_AS(tensor.copy_from(counted({3, 2})), "Tensor::copy_from: [3, 2] into [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({4, 2}), "Tensor::view: [2, 3] cannot be seen as [4, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({-1, 4}), "Tensor::view: [2, 3] cannot be seen as [-1, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({-1, -1}), "Tensor::view: [2, 3] cannot be seen as [-1, -1]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({-2, -3}), "Tensor::view: [2, 3] cannot be seen as [-2, -3]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({-2, 3}), "Tensor::view: [2, 3] cannot be seen as [-2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(tensor.view({-1, 0}), "Tensor::view: [2, 3] cannot be seen as [-1, 0]", ShapeError);
  CHECK_THROWS_AS(tensor.view({-1, Index{1} << 62, 4}), ShapeError);
  CHECK_THROWS_AS(tensor.permute({1, 0}).view({6}), ShapeError);
  const auto turned = tensor.permute({1, 0});
  CHECK_THROWS_AS(turned.span(), ShapeError);
  CHECK_THROWS_WITH_AS(tensor.permute({1, 1}), "Tensor::permute: axis 1 of shape [2, 3] is named twice", IndexError);
  CHECK_THROWS_AS(tensor.permute({0}), IndexError);
  CHECK_THROWS_AS(tensor.permute({0, 2}), IndexError);
  CHECK_THROWS_WITH_AS(tensor.slice(1, 1, 4), "Tensor::slice: [1, 4) by 1 of axis 1 of shape [2, 3]", IndexError);
  CHECK_THROWS_AS(tensor.slice(1, 2, 1), IndexError);
  CHECK_THROWS_AS(tensor.slice(1, -1, 1), IndexError);
  CHECK_THROWS_AS(tensor.slice(1, 0, 1, 0), IndexError);
  CHECK_THROWS_AS(tensor.slice(2, 0, 1), IndexError);
  CHECK_THROWS_AS(tensor.select(0, 2), IndexError);
  CHECK_THROWS_AS(tensor.select(0, -1), IndexError);
  CHECK_THROWS_WITH_AS(Tensor<int>::from({2, 2}, {1, 2, 3}), "Tensor::from: 3 values for shape [2, 2]", ShapeError);
}
