#include <mien/train/mpi.hpp>
#include <mien/version.hpp>

#include <array>
#include <cstdio>

#ifndef MIEN_WITH_MPI
#error "mien::mpi does not say that it is there"
#endif

int main() {
  mien::train::MpiCommunicator ranks;
  std::array<double, 2> numbers{1, 0.5};
  ranks.sum(numbers);
  const auto size = static_cast<double>(ranks.size());
  if (numbers[0] != size || numbers[1] != size / 2) return 1;
  if (ranks.is_first()) std::printf("mien %s works here, with ranks: %.0f\n", mien::version(), size);
}
