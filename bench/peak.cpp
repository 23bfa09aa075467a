/// What the machine can do: multiply-adds in registers, and copies of memory that fits no cache. Every other figure is
/// to be read beside those of the same run.

#include <mien/backend/cpu/vector.hpp>

#include <algorithm>
#include <array>

#include "common.hpp"

namespace mien::bench {

struct PeakKernel {
  double flops;  ///< of a call
  void (*run)(float* out);
};

}  // namespace mien::bench

#define MIEN_KERNELS "peak.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace {

using namespace mien;

const int registered = [] {
  const bench::PeakKernel kernel = backend::for_instruction_set(
      backend::portable::peak_kernel, backend::avx2::peak_kernel, backend::avx512::peak_kernel);
  // A task is as large for every number of threads: sixteen parts that the threads share out.
  constexpr Index parts = 16;
  bench::add({"peak_multiply_add", std::string(backend::name_of(backend::instruction_set())), parts * kernel.flops},
             [=] {
               return [=] {
                 parallel_for(0, parts, 1, [&](Index, Index) {
                   std::array<float, 16> out{};
                   kernel.run(out.data());
                   benchmark::DoNotOptimize(out);
                 });
               };
             });
  const Shape large{Index{1} << 26};
  bench::add({"peak_copy", "256MiB", 0, 2.0 * static_cast<double>(large.elements()) * sizeof(float)}, [=] {
    return [from = bench::random(large), to = Tensor<float>::zeros(large)]() mutable {
      parallel_for(0, from.elements(), from.elements() / parts, [&](Index first, Index last) {
        std::copy(from.data() + first, from.data() + last, to.data() + first);
      });
      benchmark::ClobberMemory();
    };
  });
  return 0;
}();

}  // namespace
