#include <mien/autograd/activation.hpp>
#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/linear.hpp>
#include <mien/train/gradient_sum.hpp>
#include <mien/train/thread_communicator.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "io/message.hpp"
#include "unprivileged.hpp"

using namespace mien;
using namespace mien::train;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return out;
}

/// Two layers and a parameter that nothing uses.
struct Parameters {
  Variable<double> first{random({5, 3}, 1), true};
  Variable<double> bias{random({5}, 2), true};
  Variable<double> unused{random({7}, 3), true};
  Variable<double> second{random({2, 5}, 4), true};

  nn::ParameterList<double> list() const { return {first, bias, unused, second}; }

  /// The mean over the rows of x.
  Variable<double> loss(const Tensor<double>& x) const {
    const auto y = linear(relu(linear(Variable<double>(x), first, bias)), second, Variable<double>());
    return scale(sum(y * y), 1.0 / static_cast<double>(x.size(0)));
  }
};

std::vector<double> numbers_of(const Tensor<double>& tensor) {
  return {tensor.data(), tensor.data() + tensor.elements()};
}

}  // namespace

TEST_CASE("a sum is the same on every rank, and a broadcast comes from its root") {
  for (const Index ranks : {1, 2, 5}) {
    std::atomic<Index> done = 0;
    run_ranks(ranks, [&](Communicator& communicator) {
      CHECK(communicator.size() == ranks);
      CHECK(communicator.is_first() == (communicator.rank() == 0));
      Tensor<float> numbers({31});
      for (Index i = 0; i < 31; ++i) numbers(i) = static_cast<float>(i + 100 * communicator.rank());
      communicator.sum(numbers);
      for (Index i = 0; i < 31; ++i) CHECK(numbers(i) == static_cast<float>(i * ranks + 100 * ranks * (ranks - 1) / 2));
      Tensor<double> root({2}, static_cast<double>(communicator.rank()));
      communicator.broadcast(root, ranks - 1);
      CHECK(root(1) == static_cast<double>(ranks - 1));
      const double own = static_cast<double>(communicator.rank());
      const std::vector<double> gathered = communicator.gather(std::vector{0.1, own});
      REQUIRE(std::ssize(gathered) == 2 * ranks);
      for (std::size_t i = 0; i < gathered.size(); ++i)
        CHECK(gathered[i] == (i % 2 == 0 ? 0.1 : static_cast<double>(i / 2)));
      communicator.barrier();
      ++done;
    });
    CHECK(done == ranks);
  }
}

TEST_CASE("several sums are on their way at once") {
  run_ranks(3, [](Communicator& communicator) {
    std::vector<Tensor<double>> numbers;
    std::vector<std::unique_ptr<Request>> requests;
    for (Index i = 0; i < 7; ++i) {
      numbers.emplace_back(Shape{i + 1}, static_cast<double>(i + communicator.rank()));
      requests.push_back(communicator.start_sum(numbers.back()));
    }
    for (Index i = 6; i >= 0; --i) {
      requests[static_cast<std::size_t>(i)]->wait();
      CHECK(requests[static_cast<std::size_t>(i)]->test());
      CHECK(numbers[static_cast<std::size_t>(i)](i) == static_cast<double>(3 * i + 3));
    }
  });
}

TEST_CASE("a rank that is gone is told to those that wait for it, and its own reason is what comes out") {
  std::atomic<Index> told = 0;
  const std::string message = message_of<ValueError>([&] {
    run_ranks(3, [&](Communicator& communicator) {
      communicator.barrier();
      if (communicator.rank() == 1) throw ValueError("the disk is full");
      try {
        communicator.barrier();
      } catch (const RankLost& lost) {
        CHECK(contains(lost.what(), "rank 1 of 3 is gone"));
        ++told;
        throw;
      }
    });
  });
  CHECK(message == "the disk is full");
  CHECK(told == 2);
  // One that returns too early is missed as well.
  CHECK_THROWS_AS(run_ranks(2,
                            [](Communicator& communicator) {
                              if (communicator.rank() == 0) communicator.barrier();
                            }),
                  RankLost);
}

TEST_CASE("calls that do not fit together are refused") {
  const std::string message = message_of<ValueError>([] {
    run_ranks(2, [](Communicator& communicator) {
      Tensor<float> numbers({3 + communicator.rank()}, 1.0F);
      communicator.sum(numbers);
    });
  });
  CAPTURE(message);
  CHECK(contains(message, "a sum of 3 float32"));
  CHECK(contains(message, "a sum of 4 float32"));
  const std::string other_call = message_of<ValueError>([] {
    run_ranks(2, [](Communicator& communicator) {
      Tensor<float> numbers({3}, 1.0F);
      communicator.is_first() ? communicator.sum(numbers) : communicator.broadcast(numbers, 1);
    });
  });
  CAPTURE(other_call);
  CHECK(contains(other_call, "a sum of 3 float32"));
  CHECK(contains(other_call, "a broadcast of 3 float32 from rank 1"));
  run_ranks(1, [](Communicator& communicator) {
    Tensor<float> numbers({4, 3}, 1.0F);
    Tensor<float> column = numbers.slice(1, 0, 2);
    CHECK_THROWS_AS(communicator.sum(column), ShapeError);
    CHECK_THROWS_AS(communicator.broadcast(numbers, 1), ValueError);
    char letter = 'a';
    CHECK_THROWS_AS(communicator.start_sum(Elements{&letter, 1, ElementType::bytes, false}), ValueError);
    CHECK_THROWS_AS(communicator.broadcast(Elements{nullptr, 1, ElementType::float32, true}, 0), ValueError);
  });
  CHECK_THROWS_AS(run_ranks(0, [](Communicator&) {}), ValueError);
}

TEST_CASE("ranks for which there are no threads are told, and do not wait for ever") {
  const std::string answer = without_privileges([] {
    const struct rlimit few { 3, 3 };
    ::setrlimit(RLIMIT_NPROC, &few);
    return message_of<Error>([] { run_ranks(7, [](Communicator& communicator) { communicator.barrier(); }); });
  });
  CAPTURE(answer);
  CHECK(contains(answer, "run_ranks: no thread for rank "));
  CHECK(contains(answer, " of 7: "));
}

TEST_CASE("numbers of a rank that is told of another one's end are not written to any more") {
  // As a caller's own, on a stack that is gone by then.
  CHECK_THROWS_AS(run_ranks(2,
                            [](Communicator& communicator) {
                              if (!communicator.is_first()) return;
                              std::array<double, 2> numbers{1, 2};
                              try {
                                communicator.sum(numbers);
                              } catch (const RankLost&) {
                                CHECK(numbers == std::array<double, 2>{1, 2});
                                throw;
                              }
                            }),
                  RankLost);
  run_ranks(3, [](Communicator& communicator) {
    std::array<double, 2> numbers{1, static_cast<double>(communicator.rank())};
    communicator.sum(numbers);
    CHECK(numbers == std::array<double, 2>{3, 3});
    numbers[0] = static_cast<double>(communicator.rank());
    communicator.broadcast(numbers, 2);
    CHECK(numbers == std::array<double, 2>{2, 3});
    communicator.sum(std::span<double>());
  });
}

TEST_CASE("whoever waits gives up when told to, or when patience is over, and not before") {
  const auto asked = [](const WaitOptions& options, int answers) {
    return message_of<RankLost>([&] { train::detail::RankWait(options, 1, 4).until([&] { return --answers < 0; }); });
  };
  CHECK(asked({}, 0) == "nothing thrown");
  CHECK(contains(asked({.patience = std::chrono::seconds(0)}, 1), "rank 1 of 4 waited 0 s"));
  CHECK(contains(asked({.gives_up = [] { return true; }}, 1), "rank 1 of 4 was told to end"));
  // A wait for ever.
  CHECK(asked({.patience = std::chrono::seconds::max()}, 100) == "nothing thrown");
}

TEST_CASE("backward tells which leaf is complete, each once, and not before all that leads to it") {
  const Parameters parameters;
  std::vector<const void*> order;
  const auto loss = parameters.loss(random({4, 3}, 9)) + sum(parameters.bias);
  backward(loss, {.leaf_done = [&](const auto& leaf) {
             order.push_back(&leaf);
             // The bias is used twice: its gradient has both terms by now.
             if (&leaf == parameters.bias.node().get()) CHECK(parameters.bias.gradient().defined());
           }});
  CHECK(order.size() == 3);
  CHECK(order.front() == parameters.second.node().get());
  const auto complete = numbers_of(parameters.bias.gradient());
  Parameters again;
  std::vector<double> at_call;
  backward(again.loss(random({4, 3}, 9)) + sum(again.bias), {.leaf_done = [&](const auto& leaf) {
             if (&leaf == again.bias.node().get()) at_call = numbers_of(again.bias.gradient());
           }});
  CHECK(at_call == complete);
}

TEST_CASE("gradients of unequal parts of a batch add up to those of the whole, whatever the buckets") {
  const Tensor<double> x = random({11, 3}, 9);
  const Parameters whole;
  backward(whole.loss(x));
  for (const Index ranks : {1, 2, 4})
    for (const Index bucket_bytes : {1, 64, 1 << 20}) {
      CAPTURE(ranks);
      CAPTURE(bucket_bytes);
      run_ranks(ranks, [&](Communicator& communicator) {
        const Parameters parameters;
        GradientSum<double> gradients(communicator, parameters.list(), {.bucket_bytes = bucket_bytes});
        CHECK(gradients.buckets() == (bucket_bytes == 1 ? 4U : bucket_bytes == 64 ? 4U : 1U));
        const Index first = communicator.rank() * 11 / ranks;
        const Index last = (communicator.rank() + 1) * 11 / ranks;
        for (int repeat = 0; repeat < 2; ++repeat) {
          for (auto parameter : parameters.list()) parameter.zero_gradient();
          const auto loss = parameters.loss(x.slice(0, first, last).contiguous());
          backward(scale(loss, static_cast<double>(last - first) / 11), gradients.begin());
          gradients.finish();
        }
        CHECK(!parameters.unused.gradient().defined());
        for (const auto& [own, all] : {std::pair(parameters.first, whole.first), std::pair(parameters.bias, whole.bias),
                                       std::pair(parameters.second, whole.second)})
          for (Index i = 0; i < own.value().elements(); ++i)
            CHECK(own.gradient().data()[i] == doctest::Approx(all.gradient().data()[i]).epsilon(1e-12));
      });
    }
}

TEST_CASE("a gradient that one rank alone has reaches the others, and what is not trained is not waited for") {
  run_ranks(2, [](Communicator& communicator) {
    Parameters parameters;
    parameters.first.set_requires_gradient(false);
    GradientSum<double> gradients(communicator, parameters.list(), {.bucket_bytes = 1});
    auto loss = parameters.loss(random({4, 3}, 9));
    if (communicator.rank() == 1) loss = loss + sum(parameters.unused);
    backward(loss, gradients.begin());
    gradients.finish();
    CHECK(parameters.unused.gradient()(6) == 1);
    CHECK(parameters.bias.gradient().defined());
    CHECK(!parameters.first.gradient().defined());
  });
}

TEST_CASE("a gradient sum is for one backward, and does not begin before the last one has ended") {
  run_ranks(1, [](Communicator& communicator) {
    const Parameters parameters;
    GradientSum<double> gradients(communicator, parameters.list(), {.bucket_bytes = 1});
    const BackwardOptions options = gradients.begin();
    backward(parameters.loss(random({4, 3}, 9)), options);
    CHECK_THROWS_AS(backward(parameters.loss(random({4, 3}, 9)), options), ValueError);
    CHECK_THROWS_AS(gradients.begin(), ValueError);
    gradients.finish();
    CHECK_NOTHROW(gradients.begin());
    CHECK_NOTHROW(gradients.finish());
    CHECK_THROWS_AS(GradientSum<double>(communicator, parameters.list(), {.bucket_bytes = 0}), ValueError);
    GradientSum<double> of_nothing(communicator, {});
    backward(parameters.loss(random({4, 3}, 9)), of_nothing.begin());
    CHECK_NOTHROW(of_nothing.finish());
  });
}
