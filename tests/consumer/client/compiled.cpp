// Two files of a program, one that compiles what it uses and one that has it from mien::compiled.
#ifdef CLIENT_IS_OF_ANOTHER_VERSION
#include <mien/version.hpp>
#undef MIEN_VERSION_MAJOR
#define MIEN_VERSION_MAJOR 99
#endif
#include <mien/core/random.hpp>
#include <mien/ops/linear.hpp>

#include <cstdio>
#include <cstring>

mien::Tensor<float> product_of_the_other_file(const mien::Tensor<float>& x, const mien::Tensor<float>& weight);

#ifdef MIEN_COMPILED

mien::Tensor<float> product_of_the_other_file(const mien::Tensor<float>& x, const mien::Tensor<float>& weight) {
  return mien::ops::linear(x, weight);
}

#else

int main() {
  mien::Tensor<float> x({31, 65});
  mien::Tensor<float> weight({7, 65});
  mien::Generator generator(1);
  generator.fill_normal(x, 0, 1);
  generator.fill_normal(weight, 0, 1);
  const auto here = mien::ops::linear(x, weight);
  const auto there = product_of_the_other_file(x, weight);
  if (std::memcmp(here.data(), there.data(), sizeof(float) * 31 * 7) != 0) return 1;
  std::printf("mien %s works here\n", mien::version());
}

#endif
