#include "mien/backend/cuda/kernels/copy.hpp"

#include "emulator/parity.hpp"
#include "parts.hpp"

#include <algorithm>
#include <numeric>

using namespace mien;
using kernels::StridedShape;
using parity::DeviceArray;

namespace {

using Byte = unsigned char;

StridedShape shape_of(const std::vector<Index>& extents, const std::vector<Index>& from, const std::vector<Index>& to) {
  StridedShape shape = {};
  shape.rank = static_cast<int>(extents.size());
  std::copy(extents.begin(), extents.end(), shape.extents);
  std::copy(from.begin(), from.end(), shape.from_strides);
  std::copy(to.begin(), to.end(), shape.to_strides);
  return shape;
}

/// The strides of an array without gaps whose axes lie in the given order, the nearest last.
std::vector<Index> tight(const std::vector<Index>& extents, const std::vector<std::size_t>& order) {
  std::vector<Index> strides(extents.size());
  Index stride = 1;
  for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
    strides[*axis] = stride;
    stride *= extents[*axis];
  }
  return strides;
}

/// Calls body(from, to) with the places of all elements.
template <class Body>
void for_each_place(const StridedShape& shape, const Body& body, int axis = 0, Index from = 0, Index to = 0) {
  if (axis == shape.rank) return body(from, to);
  for (Index i = 0; i < shape.extents[axis]; ++i)
    for_each_place(shape, body, axis + 1, from + i * shape.from_strides[axis], to + i * shape.to_strides[axis]);
}

/// What memory there has to be: elements before the first one, and from it on.
struct Room {
  Index before = 0;
  Index after = 0;

  void include(Index place) {
    before = std::max(before, -place);
    after = std::max(after, place + 1);
  }
  std::size_t bytes(int element_bytes) const { return static_cast<std::size_t>((before + after) * element_bytes); }
};

/// `copied`, for elements of that size, and whether everything else is as it was.
std::vector<Tensor<double>> check_copy(const StridedShape& shape, int element_bytes) {
  Room of_from;
  Room of_to;
  for_each_place(shape, [&](Index from, Index to) {
    of_from.include(from);
    of_to.include(to);
  });
  std::vector<Byte> source(of_from.bytes(element_bytes));
  Generator generator(1);
  for (Byte& byte : source) byte = static_cast<Byte>(generator.bits());
  DeviceArray<Byte> from(static_cast<Index>(source.size()));
  DeviceArray<Byte> to(static_cast<Index>(of_to.bytes(element_bytes)));
  std::copy(source.begin(), source.end(), from.data());
  std::vector<Byte> expected(of_to.bytes(element_bytes), Byte{0xff});
  for_each_place(shape, [&](Index source_place, Index place) {
    std::copy_n(source.data() + (source_place + of_from.before) * element_bytes, element_bytes,
                expected.data() + (place + of_to.before) * element_bytes);
  });
  kernels::copy_strided(from.data() + of_from.before * element_bytes, to.data() + of_to.before * element_bytes, shape,
                        element_bytes, nullptr);
  CHECK(std::equal(expected.begin(), expected.end(), to.data()));
  Tensor<double> found({static_cast<Index>(expected.size())});
  std::copy_n(to.data(), expected.size(), found.data());
  return {found};
}

/// Every way to copy, and shapes that fit none of them well.
std::vector<StridedShape> all_shapes() {
  std::vector<StridedShape> shapes = {
      shape_of({}, {}, {}),
      shape_of({0, 5}, {5, 1}, {5, 1}),
      shape_of({7}, {1}, {1}),
      shape_of({31}, {2}, {1}),
      shape_of({65}, {1}, {3}),
      shape_of({65}, {-1}, {1}),
      shape_of({3000}, {5}, {1}),
      shape_of({5, 12}, {16, 1}, {12, 1}),                     // as fewer and larger elements
      shape_of({3, 65}, {70, 1}, {67, 1}),                     // not so
      shape_of({5, 64}, {0, 1}, {64, 1}),                      // one row, again and again
      shape_of({64, 65}, {1, 0}, {65, 1}),                     // each number of it
      shape_of({100, 4, 4}, {16, 1, 4}, {16, 4, 1}),           // small transposes
      shape_of({1, 33, 1, 40}, {9, 1, 9, 33}, {9, 40, 9, 1}),  // axes of one element
      shape_of({33, 40}, {1, -33}, {-40, 1}),                  // backwards
      shape_of({40, 33, 4}, {4, 160, 1}, {132, 4, 1}),         // a transpose of larger elements
      shape_of({3, 40, 50}, {4500, 2, 90}, {2600, 51, 1}),     // with gaps
  };
  const auto permuted = [&](const std::vector<Index>& extents, const std::vector<std::size_t>& order) {
    std::vector<std::size_t> plain(extents.size());
    std::iota(plain.begin(), plain.end(), std::size_t{0});
    shapes.push_back(shape_of(extents, tight(extents, order), tight(extents, plain)));
    shapes.push_back(shape_of(extents, tight(extents, plain), tight(extents, order)));
  };
  permuted({2, 3, 4}, {0, 1, 2});
  permuted({65, 65}, {1, 0});
  permuted({2, 33, 5, 7}, {0, 2, 3, 1});
  permuted({2, 700, 3}, {0, 2, 1});
  permuted({1, 2, 1500}, {2, 1, 0});
  permuted({3, 4, 5, 6, 7}, {4, 3, 2, 1, 0});
  permuted({2, 2, 3, 2, 2, 2, 3, 2}, {3, 1, 7, 0, 2, 6, 4, 5});
  return shapes;
}

}  // namespace

TEST_CASE("copies between arrays of any strides on a device") {
  std::size_t which = 0;
  for (const StridedShape& shape : all_shapes()) {
    CAPTURE(which++);
    for (const int element_bytes : {1, 2, 4, 8}) {
      CAPTURE(element_bytes);
      parity::in_every_order([&] { return check_copy(shape, element_bytes); });
    }
  }
  DeviceArray<Byte> bytes(3);
  CHECK_THROWS_AS(kernels::copy_strided(bytes.data(), bytes.data(), shape_of({1}, {1}, {1}), 3, nullptr), Error);
}

TEST_CASE("a copy that begins anywhere on a device") {
  for (const Index shift : {1, 2, 3}) {
    DeviceArray<float> from(parity::random({64 + shift}, 1));
    DeviceArray<float> to(64);
    kernels::copy_strided(from.data() + shift, to.data(), shape_of({4, 8}, {16, 1}, {8, 1}), 4, nullptr);
    for (Index row = 0; row < 4; ++row)
      for (Index i = 0; i < 8; ++i) CHECK(to.data()[row * 8 + i] == from.data()[shift + row * 16 + i]);
  }
}

TEST_CASE("large copies are copied in parts that hold every element once") {
  const StridedShape shape = shape_of({3, 100, 7}, {900, 9, -1}, {7, 21, 1});
  std::vector<std::pair<Index, Index>> expected;
  for_each_place(shape, [&](Index from, Index to) { expected.emplace_back(from, to); });
  for (const Index most : {1, 10, 1000, 5000}) {
    CAPTURE(most);
    std::vector<std::pair<Index, Index>> found;
    kernels::in_parts(shape, most, {0, 0}, [&](const StridedShape& part, const kernels::Offsets& first) {
      CHECK(kernels::elements(part) <= most);
      for_each_place(part, [&](Index from, Index to) { found.emplace_back(first.from + from, first.to + to); });
    });
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    CHECK(found == expected);
  }
}

TEST_CASE("one element repeated on a device") {
  const std::uint64_t value = 0x0123456789abcdef;
  for (const int element_bytes : {1, 2, 4, 8})
    for (const Index count : {0, 1, 7, 31, 65, 9001})
      for (const Index shift : {0, 1}) {
        CAPTURE(element_bytes);
        CAPTURE(count);
        CAPTURE(shift);
        std::vector<Byte> expected(static_cast<std::size_t>((count + shift) * element_bytes), Byte{0xff});
        for (Index i = shift; i < count + shift; ++i)
          std::memcpy(expected.data() + i * element_bytes, &value, static_cast<std::size_t>(element_bytes));
        DeviceArray<Byte> to(static_cast<Index>(expected.size()));
        kernels::fill(&value, to.data() + shift * element_bytes, count, element_bytes, nullptr);
        CHECK(std::equal(expected.begin(), expected.end(), to.data()));
      }
}

TEST_CASE("one element repeated with any strides on a device") {
  const std::uint64_t value = 0x0123456789abcdef;
  for (const auto& shape :
       {shape_of({}, {}, {}), shape_of({0, 3}, {}, {3, 1}), shape_of({31, 65}, {}, {65, 1}),
        shape_of({7, 8}, {}, {16, 1}), shape_of({65, 31}, {}, {3, 200}), shape_of({2, 3, 700}, {}, {4300, 1, 5})})
    for (const int element_bytes : {1, 2, 4, 8}) {
      CAPTURE(shape.extents[0]);
      CAPTURE(element_bytes);
      Room room;
      for_each_place(shape, [&](Index, Index to) { room.include(to); });
      std::vector<Byte> expected(room.bytes(element_bytes), Byte{0xff});
      for_each_place(shape, [&](Index, Index to) {
        std::memcpy(expected.data() + to * element_bytes, &value, static_cast<std::size_t>(element_bytes));
      });
      DeviceArray<Byte> found(static_cast<Index>(expected.size()));
      kernels::fill_strided(&value, found.data(), shape, element_bytes, nullptr);
      CHECK(std::equal(expected.begin(), expected.end(), found.data()));
    }
}

namespace {

template <class From, class To>
void check_cast(const Tensor<double>& values, Index shift) {
  const Index count = values.elements() - shift;
  DeviceArray<From> from(values);
  DeviceArray<To> to(count);
  kernels::cast(from.data() + shift, count, to.data(), nullptr);
  const auto expected = parity::rounded<To>(parity::rounded<From>(values));
  const auto found = to.values({count});
  for (Index i = 0; i < count; ++i) {
    const double wanted = expected(i + shift);
    if (found(i) == wanted || (std::isnan(found(i)) && std::isnan(wanted))) continue;
    CAPTURE(i);
    CHECK(found(i) == wanted);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("numbers as another type on a device", T, float, __nv_bfloat16, __half) {
  for (const Index count : {1, 8, 32, 66, 9001}) {
    auto values = parity::random({count}, 1, -1e5, 1e5);
    if (count > 8) {
      values(2) = std::nan("");
      values(3) = INFINITY;
      values(4) = -1e-7;
      values(5) = 1e-40;
    }
    for (const Index shift : {0, 1}) {
      CAPTURE(count);
      CAPTURE(shift);
      check_cast<T, float>(values, shift);
      check_cast<T, __nv_bfloat16>(values, shift);
      check_cast<T, __half>(values, shift);
    }
  }
  DeviceArray<std::uint8_t> bytes(256);
  for (Index i = 0; i < 256; ++i) bytes.data()[i] = static_cast<std::uint8_t>(i);
  DeviceArray<T> numbers(256);
  for (const Index shift : {0, 3}) {
    kernels::cast(bytes.data() + shift, 256 - shift, numbers.data(), nullptr);
    for (Index i = 0; i < 256 - shift; ++i)
      CHECK(kernels::to_float(numbers.data()[i]) == static_cast<float>(i + shift));
  }
}
