#include <mien/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

using namespace mien;

namespace {

using Four = std::array<std::uint32_t, 4>;

std::vector<float> uniform_values(Index count, std::uint64_t seed) {
  Tensor<float> out({count});
  Generator(seed).fill_uniform(out, 0, 1);
  return {out.span().begin(), out.span().end()};
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of its authors") {
  CHECK(detail::philox(0, 0) == Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(detail::philox(~0ULL, ~0ULL, ~0ULL) == Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(detail::philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e) ==
        Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a seed fixes the numbers, another seed or stream gives others") {
  Generator a(7);
  Generator b(7);
  for (int i = 0; i < 5; ++i) CHECK(a.bits() == b.bits());
  CHECK(Generator(7).bits() != Generator(8).bits());
  CHECK(Generator(7).bits() != Generator(7, 1).bits());
}

TEST_CASE("a saved state goes on with the same numbers") {
  Generator generator(3);
  generator.bits();
  const Generator::State state = generator.state();
  const double next = generator.uniform();
  Generator other;
  other.set_state(state);
  CHECK(other.uniform() == next);
  CHECK(other.state() == generator.state());
}

TEST_CASE("filled tensors are the same for any number of threads") {
  const int before = thread_count();
  for (const Index count : {0, 1, 3, 5, 65, 100003}) {
    std::vector<std::vector<float>> uniform;
    std::vector<std::vector<double>> normal;
    for (const int threads : {1, 2, 5}) {
      set_thread_count(threads);
      uniform.push_back(uniform_values(count, 1));
      Tensor<double> values({count});
      Generator(2).fill_normal(values, 1, 3);
      normal.emplace_back(values.span().begin(), values.span().end());
    }
    CHECK(uniform[0] == uniform[1]);
    CHECK(uniform[0] == uniform[2]);
    CHECK(normal[0] == normal[1]);
    CHECK(normal[0] == normal[2]);
  }
  set_thread_count(before);
}

TEST_CASE("a shorter tensor gets the beginning of a longer one, in float and double alike") {
  const auto some = uniform_values(13, 5);
  const auto more = uniform_values(1000, 5);
  CHECK(std::equal(some.begin(), some.end(), more.begin()));
  Tensor<double> doubles({13});
  Generator(5).fill_uniform(doubles, 0, 1);
  for (std::size_t i = 0; i < some.size(); ++i) CHECK(doubles(static_cast<Index>(i)) == static_cast<double>(some[i]));
}

TEST_CASE("two tensors filled one after the other differ") {
  Generator generator(1);
  Tensor<float> a({5});
  Tensor<float> b({5});
  generator.fill_uniform(a, 0, 1);
  generator.fill_uniform(b, 0, 1);
  std::set<float> all(a.span().begin(), a.span().end());
  all.insert(b.span().begin(), b.span().end());
  CHECK(all.size() == 10);
}

TEST_CASE("uniform numbers: range, mean and variance") {
  Tensor<double> values({100000});
  Generator(1).fill_uniform(values, -2, 4);
  const auto span = values.span();
  CHECK(*std::min_element(span.begin(), span.end()) >= -2);
  CHECK(*std::max_element(span.begin(), span.end()) < 4);
  const double mean = std::accumulate(span.begin(), span.end(), 0.0) / 100000;
  double variance = 0;
  for (const double value : span) variance += (value - mean) * (value - mean) / 100000;
  CHECK(std::abs(mean - 1) < 0.02);
  CHECK(std::abs(variance - 3) < 0.03);
  Generator generator(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) sum += generator.uniform(-2, 4);
  CHECK(std::abs(sum / 100000 - 1) < 0.02);
}

TEST_CASE("normal numbers: mean, variance, kurtosis, and neighbours that know nothing of each other") {
  Tensor<double> values({100000});
  Generator(1).fill_normal(values, 2, 3);
  double mean = 0;
  double variance = 0;
  double fourth = 0;
  double neighbours = 0;
  for (const double value : values.span()) mean += value / 100000;
  for (Index i = 0; i < 100000; ++i) {
    const double off = values(i) - mean;
    variance += off * off / 100000;
    fourth += off * off * off * off / 100000;
    neighbours += off * (values((i + 1) % 100000) - mean) / 100000;
  }
  CHECK(std::abs(mean - 2) < 0.05);
  CHECK(std::abs(variance - 9) < 0.2);
  CHECK(std::abs(fourth / (variance * variance) - 3) < 0.1);
  CHECK(std::abs(neighbours / variance) < 0.02);
  Generator generator(2);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 100000; ++i) {
    const double value = generator.normal();
    sum += value;
    squares += value * value;
  }
  CHECK(std::abs(sum / 100000) < 0.02);
  CHECK(std::abs(squares / 100000 - 1) < 0.03);
}

TEST_CASE("whole numbers below a bound are equally frequent") {
  Generator generator(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(static_cast<std::size_t>(generator.below(7)));
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);
  CHECK(generator.below(1) == 0);
  CHECK_THROWS_AS(generator.below(0), ValueError);
  CHECK_THROWS_WITH(generator.below(-3), "Generator::below: count -3 is not positive");
}

TEST_CASE("a shuffle keeps every element, and every place is as likely") {
  Generator generator(1);
  std::array<int, 5> first_place{};
  for (int i = 0; i < 5000; ++i) {
    std::vector<int> order{0, 1, 2, 3, 4};
    generator.shuffle(order);
    ++first_place.at(static_cast<std::size_t>(order[0]));
    std::sort(order.begin(), order.end());
    REQUIRE(order == std::vector<int>{0, 1, 2, 3, 4});
  }
  for (const int count : first_place) CHECK(std::abs(count - 1000) < 150);
  std::vector<int> none;
  generator.shuffle(none);
  CHECK(none.empty());
}

TEST_CASE("split streams differ from each other and from their parent, whatever it has drawn") {
  const Generator parent(1);
  Generator used(1);
  for (int i = 0; i < 9; ++i) used.bits();
  std::set<std::uint64_t> firsts{Generator(1).bits()};
  for (std::uint64_t index = 0; index < 100; ++index) {
    firsts.insert(parent.split(index).bits());
    CHECK(parent.split(index).bits() == used.split(index).bits());
  }
  CHECK(firsts.size() == 101);
  CHECK(parent.split(1).split(2).bits() != parent.split(2).split(1).bits());
}

TEST_CASE("set_seed starts the default stream anew") {
  set_seed(5);
  const auto first = default_generator().bits();
  default_generator().bits();
  set_seed(5);
  CHECK(default_generator().bits() == first);
  set_seed(6);
  CHECK(default_generator().bits() != first);
}

TEST_CASE("a tensor with gaps cannot be filled unnoticed") {
  Tensor<float> values({3, 2});
  auto across = values.permute({1, 0});
  CHECK_THROWS_AS(Generator(1).fill_uniform(across, 0, 1), ShapeError);
}
