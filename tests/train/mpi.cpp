/// What MPI's communicator does, in as many processes as mpirun starts:
///
///     mpirun -n 4 test_train_mpi 4      sums, broadcasts, and a network whose gradients are added up
///     mpirun -n 2 test_train_mpi lost   the other rank is killed, and this one says so

#include <mien/autograd/activation.hpp>
#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/linear.hpp>
#include <mien/core/random.hpp>
#include <mien/train/gradient_sum.hpp>
#include <mien/train/mpi.hpp>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "train/rank_checks.hpp"

using namespace mien;
using namespace mien::train;

namespace {

Tensor<float> random(const Shape& shape, std::uint64_t seed) {
  Tensor<float> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return out;
}

void check_exchange(Communicator& ranks) {
  Tensor<double> numbers({31}, static_cast<double>(ranks.rank() + 1));
  ranks.sum(numbers);
  check(numbers(30) == static_cast<double>(ranks.size() * (ranks.size() + 1) / 2), "a sum");
  std::array<char, 3> letters{'a', 'b', 'c'};
  if (!ranks.is_first()) letters = {};
  ranks.broadcast(Elements{letters.data(), 3, ElementType::bytes, false}, 0);
  check(letters == std::array<char, 3>{'a', 'b', 'c'}, "a broadcast");
  ranks.barrier();
  check(throws<ValueError>([&] { ranks.broadcast(numbers, ranks.size()); }), "no such root");
  check(throws<ValueError>([&] { ranks.start_sum(Elements{letters.data(), 3, ElementType::bytes, false}); }), "bytes");
  const Elements many{letters.data(), Index{1} << 31, ElementType::float32, false};
  check(throws<ValueError>([&] { ranks.start_sum(many); }), "more than MPI counts to");
  check(throws<ValueError>([&] { ranks.start_sum(Elements{nullptr, 3, ElementType::float32, true}); }), "a GPU");
}

/// All are on this machine.
void check_place(const MpiCommunicator& ranks) {
  check(ranks.local_rank() == ranks.rank(), "the number on this machine");
  check(ranks.local_size() == ranks.size(), "the number of ranks on this machine");
}

/// Each rank has some rows of 13, and all have the gradients of the whole in the end.
void check_gradients(Communicator& ranks) {
  constexpr Index rows = 13;
  const Tensor<float> x = random({rows, 300}, 1);
  const auto gradients_of = [&](Index first, Index last, Communicator* communicator) {
    nn::ParameterList<float> parameters{Variable<float>(random({200, 300}, 2), true),
                                        Variable<float>(random({200}, 3), true),
                                        Variable<float>(random({5, 200}, 4), true)};
    const auto y = linear(relu(linear(Variable<float>(x.slice(0, first, last)), parameters[0], parameters[1])),
                          parameters[2], Variable<float>());
    const auto loss = scale(sum(y * y), 1 / static_cast<float>(rows));
    if (communicator == nullptr) {
      backward(loss);
    } else {
      GradientSum<float> gradients(*communicator, parameters, {.bucket_bytes = 1 << 12});
      backward(loss, gradients.begin());
      gradients.finish();
    }
    return parameters;
  };
  const auto whole = gradients_of(0, rows, nullptr);
  const auto shared =
      gradients_of(ranks.rank() * rows / ranks.size(), (ranks.rank() + 1) * rows / ranks.size(), &ranks);
  for (std::size_t p = 0; p < whole.size(); ++p)
    for (Index i = 0; i < whole[p].value().elements(); ++i) {
      const float expected = whole[p].gradient().data()[i];
      check(std::abs(shared[p].gradient().data()[i] - expected) <= 1e-4F * (1 + std::abs(expected)), "a gradient");
    }
}

/// A sum that nobody waits for any more, as after an exception, keeps its numbers: MPI writes to them.
void check_memory(Communicator& ranks) {
  const auto is_kept = [&](bool waits) {
    auto owner = std::make_shared<std::vector<double>>(1000, 1.0);
    const std::weak_ptr<const void> numbers = owner;
    double* const data = owner->data();
    {
      auto tensor = Tensor<double>::borrow(data, {1000}, {1}, std::move(owner));
      const auto request = ranks.start_sum(tensor);
      if (waits) request->wait();
    }
    return !numbers.expired();
  };
  check(!is_kept(true), "the numbers of a sum that is done");
  check(is_kept(false), "the numbers of a sum on its way");
  ranks.barrier();
}

volatile std::sig_atomic_t told_to_end = 0;

/// Rank 1 is killed. mpirun tells the others to end, and rank 0 says why it cannot go on.
int lose_a_rank() {
  std::signal(SIGTERM, [](int) { told_to_end = 1; });
  MpiCommunicator ranks({.gives_up = [] { return told_to_end != 0; }});
  ranks.barrier();
  if (ranks.rank() == 1) std::raise(SIGKILL);
  try {
    ranks.barrier();
  } catch (const RankLost& lost) {
    std::printf("%s\n", lost.what());
    std::fflush(stdout);
    ranks.abandon(1);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "lost") return lose_a_rank();
  {
    MpiCommunicator ranks;
    check(std::to_string(ranks.size()) == what, "the number of ranks");
    check_place(ranks);
    check_exchange(ranks);
    check_gradients(ranks);
    check_memory(ranks);
    // A second one beside the first, which owns MPI.
    MpiCommunicator second;
    check_exchange(second);
  }
  check(throws<Error>([] { MpiCommunicator(); }), "MPI has ended with the first one");
  return failures == 0 ? 0 : 1;
}
