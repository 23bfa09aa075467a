/// How long ranks take to add up their gradients, to compare with the model of docs/distributed.md:
///
///     mpirun -n 4 build/release/bench/all_reduce
///
/// Prints, for some sizes, the median time of a sum over all ranks and what the model calls bandwidth: the bytes that
/// each rank sends, 2 (n - 1) / n of the sum's, by the time.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "mien/train/mpi.hpp"

namespace {

double seconds_of_a_sum(mien::train::Communicator& ranks, mien::Tensor<float>& numbers) {
  ranks.barrier();
  const auto begin = std::chrono::steady_clock::now();
  ranks.sum(numbers);
  // The slowest rank's time: gradients are there when all have them.
  ranks.barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main() {
  using namespace mien;
  train::MpiCommunicator ranks;
  const auto n = static_cast<double>(ranks.size());
  if (ranks.is_first()) std::printf("ranks      bytes   median ms   shortest ms   MB/s\n");
  for (const Index bytes : {Index{4}, Index{1} << 16, Index{1} << 20, Index{4} << 20, Index{16} << 20}) {
    Tensor<float> numbers({bytes / 4}, 0.0F);
    std::vector<double> seconds;
    for (int repeat = 0; repeat < 11; ++repeat) seconds.push_back(seconds_of_a_sum(ranks, numbers));
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    if (ranks.is_first())
      std::printf("%5ld %10ld %11.2f %13.2f %6.1f\n", static_cast<long>(ranks.size()), static_cast<long>(bytes),
                  1e3 * median, 1e3 * seconds.front(), 2 * (n - 1) / n * static_cast<double>(bytes) / median / 1e6);
    std::fflush(stdout);
  }
}
