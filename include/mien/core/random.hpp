#pragma once

/// Counter-based random numbers: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011).
/// Number i of a stream is a function of the seed and i alone, so results do not depend on the number of threads, and
/// a stream's whole state is two integers that a checkpoint can hold.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>

#include "mien/core/tensor.hpp"

namespace mien {
namespace detail {

/// Four 32-bit numbers for one counter.
inline std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t counter, std::uint64_t stream = 0) {
  std::array<std::uint32_t, 4> x{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                                 static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * x[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x[1] ^ key0, static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x[3] ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

/// [0, 1) with 24 bits, exact in float and double alike.
inline double unit_interval(std::uint32_t bits) { return static_cast<double>(bits >> 8) * 0x1p-24; }

}  // namespace detail

/// One stream of random numbers. Not for use by several threads at once; `split` makes independent streams instead.
class Generator {
 public:
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;
    std::uint64_t counter = 0;
    bool operator==(const State&) const = default;
  };

  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) : state_{seed, stream, 0} {}

  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

  /// A stream of its own for each `index` (a sample, an epoch), whatever this generator has drawn so far.
  Generator split(std::uint64_t index) const {
    const auto key = detail::philox(state_.seed, index, ~state_.stream);
    return Generator(state_.seed, (std::uint64_t{key[0]} << 32) | key[1]);
  }

  /// 64 random bits.
  std::uint64_t bits() {
    const auto x = detail::philox(state_.seed, state_.counter++, state_.stream);
    return (std::uint64_t{x[0]} << 32) | x[1];
  }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in [0, count), without bias.
  Index below(Index count) {
    if (count < 1) throw ValueError(detail::text("Generator::below: count ", count, " is not positive"));
    const auto n = static_cast<std::uint64_t>(count);
    const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % n;
    std::uint64_t drawn = bits();
    while (drawn >= limit) drawn = bits();
    return static_cast<Index>(drawn % n);
  }

  /// Standard normal (Box and Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  /// Fisher and Yates's shuffle.
  template <class Sequence>
  void shuffle(Sequence& sequence) {
    for (auto i = static_cast<Index>(sequence.size()) - 1; i > 0; --i)
      std::swap(sequence[static_cast<std::size_t>(i)], sequence[static_cast<std::size_t>(below(i + 1))]);
  }

  /// Uniform in [low, high) in steps of (high - low) / 2^24; rounding to T may reach `high`. `out` must be contiguous.
  template <class T>
  void fill_uniform(Tensor<T>& out, double low, double high) {
    fill(out, [=](const std::array<std::uint32_t, 4>& x, T* four, Index count) {
      for (Index i = 0; i < count; ++i)
        four[i] = static_cast<T>(low + (high - low) * detail::unit_interval(x[static_cast<std::size_t>(i)]));
    });
  }

  /// Normal; no value lies further than six deviations from the mean. `out` must be contiguous.
  template <class T>
  void fill_normal(Tensor<T>& out, double mean, double deviation) {
    fill(out, [=](const std::array<std::uint32_t, 4>& x, T* four, Index count) {
      for (Index i = 0; i < count; ++i) {
        const auto pair = static_cast<std::size_t>(i / 2) * 2;
        const double radius = std::sqrt(-2 * std::log(1 - detail::unit_interval(x[pair])));
        const double angle = 2 * std::numbers::pi * detail::unit_interval(x[pair + 1]);
        four[i] = static_cast<T>(mean + deviation * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle)));
      }
    });
  }

 private:
  /// Element 4i + j comes from counter i, on whichever thread.
  template <class T, class Fill>
  void fill(Tensor<T>& out, Fill&& fill_four) {
    const auto values = out.span();
    const auto count = static_cast<Index>(values.size());
    const State start = state_;
    parallel_for(0, (count + 3) / 4, 4096, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i)
        fill_four(detail::philox(start.seed, start.counter + static_cast<std::uint64_t>(i), start.stream),
                  values.data() + 4 * i, std::min<Index>(4, count - 4 * i));
    });
    state_.counter += static_cast<std::uint64_t>((count + 3) / 4);
  }

  State state_;
};

namespace detail {

/// What this thread draws from instead of the program's generator.
inline Generator*& own_generator() {
  thread_local Generator* generator = nullptr;
  return generator;
}

}  // namespace detail

/// The stream that initialisers and dropout draw from when they are given none. Belongs to the thread that trains;
/// several that train at once have a `GeneratorScope` each.
inline Generator& default_generator() {
  static Generator generator;
  Generator* const own = detail::own_generator();
  return own != nullptr ? *own : generator;
}

/// While one lives, `default_generator` of this thread is another one.
class GeneratorScope {
 public:
  explicit GeneratorScope(Generator& generator) : before_(std::exchange(detail::own_generator(), &generator)) {}
  GeneratorScope(const GeneratorScope&) = delete;
  GeneratorScope& operator=(const GeneratorScope&) = delete;
  ~GeneratorScope() { detail::own_generator() = before_; }

 private:
  Generator* before_;
};

/// Starts `default_generator` anew.
inline void set_seed(std::uint64_t seed) { default_generator() = Generator(seed); }

}  // namespace mien
