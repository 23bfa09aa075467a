#include <mien/interop/dlpack.hpp>

#include <doctest/doctest.h>

#include <numeric>

using namespace mien;
using namespace mien::interop;

namespace {

Tensor<float> counting(const Shape& shape) {
  Tensor<float> out(shape);
  std::iota(out.span().begin(), out.span().end(), 0.0F);
  return out;
}

/// A tensor of somebody else, who counts how often it is given back.
struct Foreign {
  double numbers[6] = {0, 1, 2, 3, 4, 5};
  std::int64_t shape[2] = {2, 3};
  int released = 0;
  DLManagedTensor managed{{numbers, {dlpack_cpu, 0}, 2, dlpack_type<double>(), shape, nullptr, 0},
                          this,
                          [](DLManagedTensor* self) { ++static_cast<Foreign*>(self->manager_ctx)->released; }};
};

}  // namespace

TEST_CASE("an exported view is seen with its shape and strides, and lives until it is given back") {
  DLManagedTensor* managed = nullptr;
  {
    const auto view = counting({4, 6}).slice(0, 0, 4, 2).slice(1, 1, 4);
    managed = to_dlpack(view);
  }
  const DLTensor& seen = managed->dl_tensor;
  CHECK(seen.ndim == 2);
  CHECK(seen.shape[0] == 2);
  CHECK(seen.shape[1] == 3);
  CHECK(seen.strides[0] == 12);
  CHECK(seen.strides[1] == 1);
  CHECK(seen.dtype == DLDataType{2, 32, 1});
  CHECK(static_cast<float*>(seen.data)[12 + 2] == 15);
  managed->deleter(managed);
}

TEST_CASE("there and back, without a copy") {
  auto tensor = counting({2, 3, 5});
  auto back = from_dlpack<float>(to_dlpack(tensor));
  CHECK(back.shape() == tensor.shape());
  back(1, 2, 4) = -1;
  CHECK(tensor(1, 2, 4) == -1);
  const auto versioned = from_dlpack<float>(to_versioned_dlpack(tensor));
  CHECK(versioned(1, 2, 4) == -1);
}

TEST_CASE("a foreign tensor is given back when its last look is gone") {
  Foreign foreign;
  {
    const auto tensor = from_dlpack<double>(&foreign.managed);
    const auto part = tensor.select(0, 1);
    CHECK(part(2) == 5);
    CHECK(foreign.released == 0);
  }
  CHECK(foreign.released == 1);
}

TEST_CASE("what cannot be taken is refused, and given back all the same") {
  Foreign foreign;
  CHECK_THROWS_AS(from_dlpack<float>(&foreign.managed), ValueError);
  CHECK(foreign.released == 1);
  foreign.managed.dl_tensor.device.device_type = 2;
  CHECK_THROWS_AS(from_dlpack<double>(&foreign.managed), ValueError);
  CHECK(foreign.released == 2);
  foreign.managed.dl_tensor.device.device_type = dlpack_cpu;
  foreign.managed.dl_tensor.ndim = 9;
  CHECK_THROWS_AS(from_dlpack<double>(&foreign.managed), ShapeError);
  CHECK(foreign.released == 3);
  foreign.managed.dl_tensor.ndim = 2;
  foreign.managed.dl_tensor.shape = nullptr;
  CHECK_THROWS_AS(from_dlpack<double>(&foreign.managed), ShapeError);
  CHECK(foreign.released == 4);
  foreign.managed.dl_tensor.shape = foreign.shape;
  foreign.managed.dl_tensor.data = nullptr;
  CHECK_THROWS_WITH_AS(from_dlpack<double>(&foreign.managed), "from_dlpack: shape [2, 3] without elements", ValueError);
  CHECK(foreign.released == 5);
  foreign.managed.dl_tensor.data = foreign.numbers;
  foreign.managed.dl_tensor.byte_offset = 1;
  CHECK_THROWS_WITH_AS(from_dlpack<double>(&foreign.managed), doctest::Contains("multiple of 8 bytes"), ValueError);
  CHECK_THROWS_AS(from_dlpack<double>(static_cast<DLManagedTensor*>(nullptr)), ValueError);
}

TEST_CASE("another major version is refused, and given back all the same") {
  const auto tensor = counting({3});
  auto* managed = to_versioned_dlpack(tensor);
  managed->version.major = 2;
  CHECK_THROWS_WITH_AS(from_dlpack<float>(managed), "from_dlpack: DLPack version 2, expected 1", ValueError);
  CHECK_FALSE(tensor.is_shared());
}

TEST_CASE("truth values are told apart from numbers") {
  Tensor<bool> answers({2}, true);
  auto* managed = to_dlpack(answers);
  CHECK(managed->dl_tensor.dtype == DLDataType{6, 8, 1});
  CHECK_THROWS_AS(from_dlpack<std::uint8_t>(managed), ValueError);
}

TEST_CASE("what may only be read is copied") {
  auto tensor = counting({3});
  auto* managed = to_versioned_dlpack(tensor);
  managed->flags |= dlpack_read_only;
  auto copy = from_dlpack<float>(managed);
  copy(0) = 7;
  CHECK(tensor(0) == 0);
}
