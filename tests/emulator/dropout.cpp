#include "dropout.cu"

#include "emulator/parity.hpp"
#include "mien/ops/dropout.hpp"

using namespace mien;
using parity::DeviceArray;

TEST_CASE("random numbers of the device are those of the CPU to the bit") {
  Generator generator(1);
  constexpr std::uint64_t most = ~std::uint64_t{0};
  for (int i = 0; i < 1000; ++i) {
    // Counters that go beyond 32 bits, and beyond 64.
    const std::uint64_t counter = i < 10 ? (std::uint64_t{1} << 32) - 5 : i < 20 ? most - 3 : generator.bits();
    const std::uint64_t seed = generator.bits();
    const std::uint64_t stream = i % 2 == 0 ? 0 : generator.bits();
    const uint4 found = kernels::philox({seed, counter, stream}, i);
    const auto expected = detail::philox(seed, counter + static_cast<std::uint64_t>(i), stream);
    CHECK(std::array{found.x, found.y, found.z, found.w} == expected);
  }
}

TEST_CASE("what is dropped is decided as in double") {
  for (const double probability :
       {0.0, 1e-300, 0x1p-24, 0x1.8p-24, 0.1, 1.0 / 3, 0.5, 0x1.fffffep-1, 0x1.fffffffffffffp-1}) {
    CAPTURE(probability);
    const std::uint32_t least = kernels::least_kept(probability);
    for (const std::uint32_t near : {std::uint32_t{0}, least, std::uint32_t{1} << 24})
      for (std::uint32_t number = near < 3 ? 0 : near - 3; number < std::min(near + 3, std::uint32_t{1} << 24);
           ++number)
        CHECK(kernels::is_kept(number << 8 | 255, least) == (detail::unit_interval(number << 8) >= probability));
  }
}

TEST_CASE_TEMPLATE("dropout on a device", T, float, __nv_bfloat16, __half) {
  const Generator::State state{.seed = 0x123456789, .stream = 77, .counter = (std::uint64_t{1} << 32) - 100};
  for (const Index count : {0, 1, 3, 4, 7, 31, 65, 9001})
    for (const double probability : {0.0, 0.3, 0.9})
      for (const Index shift : {0, 1}) {
        CAPTURE(count);
        CAPTURE(probability);
        CAPTURE(shift);
        const auto all = parity::rounded<T>(parity::random({count + shift}, 1));
        const auto x = all.slice(0, shift, count + shift).clone();
        const auto expected = ops::dropout(x, probability, state);
        parity::in_every_order([&] {
          DeviceArray<T> input(all);
          DeviceArray<T> out(count);
          kernels::dropout(input.data() + shift, probability, {state.seed, state.counter, state.stream}, count,
                           out.data(), nullptr);
          const auto found = out.values({count});
          parity::check_close(found, expected, 2e-7 + parity::rounding<T>);
          for (Index i = 0; i < count; ++i)
            if ((found(i) == 0) != (expected(i) == 0)) CHECK(found(i) == expected(i));
          return std::vector{found};
        });
      }
}

TEST_CASE("dropout of floats on a device is that of the CPU to the bit, in place too") {
  const Generator::State state{.seed = 5, .stream = 0, .counter = 3};
  Tensor<float> x({3001});
  Generator(1).fill_uniform(x, -1, 1);
  x(2) = NAN;
  x(5) = INFINITY;
  const auto expected = ops::dropout(x, 0.4, state);
  DeviceArray<float> found(x);
  kernels::dropout(found.data(), 0.4, {state.seed, state.counter, state.stream}, 3001, found.data(), nullptr);
  for (Index i = 0; i < 3001; ++i)
    CHECK((found.data()[i] == expected(i) || (std::isnan(found.data()[i]) && std::isnan(expected(i)))));
}

TEST_CASE("dropout from a state on a device is that of the state") {
  DeviceArray<std::uint64_t> origin(3);
  origin.data()[0] = 0x123456789;
  origin.data()[1] = 77;
  origin.data()[2] = (std::uint64_t{1} << 32) - 100;
  for (const Index shift : {0, 1}) {
    const auto x = parity::rounded<float>(parity::random({shift + 9001}, 1));
    DeviceArray<float> from_memory(x);
    DeviceArray<float> direct(x);
    kernels::dropout(from_memory.data() + shift, 0.4, {1, 5, 2, origin.data()}, 9001, from_memory.data() + shift,
                     nullptr);
    kernels::dropout(direct.data() + shift, 0.4, {0x123456789, (std::uint64_t{1} << 32) - 95, 77}, 9001,
                     direct.data() + shift, nullptr);
    parity::check_close(from_memory.values(x.shape()), direct.values(x.shape()), 0);
  }
}
