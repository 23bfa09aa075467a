/// What NCCL's communicator does with the emulator's GPUs, one a process, where MPI stands for NCCL:
///
///     mpirun -n 2 test_train_mpi_gpus 2   sums, broadcasts, mistakes, and a network that is trained

#include <mien/autograd/cross_entropy.hpp>
#include <mien/backend/cuda/device.hpp>
#include <mien/optim/sgd.hpp>
#include <mien/train/mpi.hpp>
#include <mien/train/nccl.hpp>
#include <mien/train/synchronised_batch_norm.hpp>
#include <mien/train/trainer.hpp>

#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "train/points.hpp"
#include "train/rank_checks.hpp"

using namespace mien;
using namespace mien::train;

namespace {

template <class T, class Device>
void check_exchange(Communicator& ranks) {
  const auto own = static_cast<T>(ranks.rank() + 1);
  Tensor<T, Device> numbers({31}, own);
  ranks.sum(numbers);
  check(numbers.slice(0, 30, 31).template to<Cpu>()(0) == static_cast<T>(ranks.size() * (ranks.size() + 1) / 2),
        "a sum");
  Tensor<T, Device> of_last({7}, own);
  ranks.broadcast(of_last, ranks.size() - 1);
  check(of_last.slice(0, 6, 7).template to<Cpu>()(0) == static_cast<T>(ranks.size()), "a broadcast");
}

void check_mistakes(Communicator& processes, Communicator& ranks) {
  std::array<char, 3> letters{};
  check(throws<ValueError>([&] { ranks.start_sum(Elements{letters.data(), 3, ElementType::bytes, true}); }), "bytes");

  const cudaUUID_t own = emulator::device_uuid();
  emulator::device_uuid() = {};
  try {
    NcclCommunicator shared(processes);
    check(ranks.size() == 1, "a GPU that ranks share is refused");
  } catch (const ValueError& error) {
    check(ranks.size() > 1 && std::string(error.what()).find("ranks 0 and 1 have the same GPU") != std::string::npos,
          error.what());
  }
  emulator::device_uuid() = own;

  Tensor<float, Cuda> numbers({3});
  const auto request = ranks.start_sum(numbers);
  emulator::nccl().asynchronous_error = ncclRemoteError;
  check(throws<RankLost>([&] { request->wait(); }), "an error of NCCL's in the middle of a sum");
  emulator::nccl().asynchronous_error = ncclSuccess;
  request->wait();
}

/// NCCL is ended as usual, which waits for others, only where this rank has done all that it began.
void check_ends(Communicator& processes) {
  const int destroyed = emulator::nccl().destroyed;
  const int aborted = emulator::nccl().aborted;
  { NcclCommunicator gpus(processes); }
  check(emulator::nccl().destroyed == destroyed + 1, "a usual end");
  {
    NcclCommunicator gpus(processes);
    Tensor<float, Cuda> numbers({3});
    gpus.start_sum(numbers);
  }
  check(emulator::nccl().aborted == aborted + 1, "an end while something is on its way");
  check(throws<std::runtime_error>([&] {
          NcclCommunicator gpus(processes);
          throw std::runtime_error("of this rank alone");
        }),
        "an exception");
  check(emulator::nccl().aborted == aborted + 2, "an end by an exception");
}

struct Outcome {
  History history;
  std::vector<float> numbers;
};

/// Three epochs of 31 points in batches of 8, by the part of them that this rank has.
template <class Device>
Outcome train_points(Communicator* ranks) {
  set_seed(7);
  PointNetwork<float, Device> network;
  if (ranks != nullptr) synchronise_batch_norm(network, *ranks);
  // Adam would make steps of what rounding leaves of the gradient of a bias before batch normalisation, which is 0.
  optim::Sgd<float, Device> sgd(network.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
  Trainer<float, Device> trainer(sgd, {.epochs = 3, .communicator = ranks});
  trainer.add_model("model", network);
  const auto loader = [](Index samples, std::uint64_t seed) {
    return point_loader<float>(samples, {.batch = 8, .seed = seed, .workers = 1}, {.noise = 0.3, .label_gap = 5});
  };
  const auto result = trainer.fit(loader(31, 5), loader(21, 6), [&](const PointBatch<float>& batch) {
    const auto logits = network(Variable<float, Device>(batch.points.template to<Device>()));
    return BatchOutput<float, Device>{.loss = cross_entropy(logits, batch.labels, {.ignore_index = -1}),
                                      .logits = logits.value(),
                                      .labels = batch.labels};
  });
  return {result.state.history, numbers_in(network)};
}

void check_training(Communicator& gpus) {
  const Outcome alone = train_points<Cpu>(nullptr);
  const Outcome together = train_points<Cuda>(&gpus);
  const auto is_near = [](double a, double b) { return std::abs(a - b) <= 2e-4 * (1 + std::abs(b)); };
  check(alone.history.size() == 3 && together.history.size() == 3, "three epochs");
  for (Index epoch = 0; epoch < alone.history.size(); ++epoch)
    for (std::size_t column = 0; column < alone.history.row(epoch).size(); ++column)
      check(is_near(together.history.row(epoch)[column], alone.history.row(epoch)[column]), "a number of the history");
  for (std::size_t i = 0; i < alone.numbers.size(); ++i)
    check(is_near(static_cast<double>(together.numbers[i]), static_cast<double>(alone.numbers[i])), "a weight");
}

}  // namespace

int main(int, char** arguments) {
  MpiCommunicator processes;
  cuda::require("cudaSetDevice", cudaSetDevice(0));
  NcclCommunicator gpus(processes);
  check(std::to_string(gpus.size()) == arguments[1], "the number of ranks");
  check_exchange<float, Cuda>(gpus);
  check_exchange<double, Cuda>(gpus);
  check_exchange<double, Cpu>(gpus);
  check_mistakes(processes, gpus);
  check_ends(processes);
  check_training(gpus);
  return failures == 0 ? 0 : 1;
}
