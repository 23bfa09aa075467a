/// NCCL's communicator with the GPU that is there: a rank that is alone. In builds with MIEN_NCCL.

#if defined(MIEN_WITH_NCCL)

#include "mien/train/nccl.hpp"

#include <doctest/doctest.h>

#include "mien/ops/arithmetic.hpp"
#include "mien/train/thread_communicator.hpp"

using namespace mien;

TEST_CASE("NCCL adds up what the current stream has computed, and what comes after a sum sees it") {
  train::run_ranks(1, [](train::Communicator& process) {
    train::NcclCommunicator gpus(process);
    CHECK(gpus.rank() == 0);
    CHECK(gpus.size() == 1);
    for (const Index elements : {1, 31, 1 << 22}) {
      Tensor<float, Cuda> numbers({elements}, 1.0F);
      for (int i = 0; i < 5; ++i) numbers = ops::scale(numbers, 2.0F);
      gpus.sum(numbers);
      gpus.broadcast(numbers);
      const Tensor<float> after = ops::scale(numbers, 0.5F).to<Cpu>();
      CHECK(after(0) == 16.0F);
      CHECK(after(elements - 1) == 16.0F);
    }
    Tensor<double, Cuda> doubles({7}, 3.0);
    gpus.sum(doubles);
    CHECK(doubles.to<Cpu>()(6) == 3.0);
  });
}

#endif
