#include "mien/backend/cuda/kernels/optimiser_step.hpp"

#include "emulator/parity.hpp"
#include "mien/backend/cpu/optimiser_step.hpp"

#include <array>
#include <memory>

using namespace mien;
using parity::DeviceArray;

namespace {

/// Several parameters of a device and of the CPU, with the same numbers: none at all, one, and more than a block has.
struct Parameters {
  static constexpr Index sizes[] = {7, 0, 1, 1024, 31, 2500, 65, 0};

  explicit Parameters(bool keeps_first = true) {
    std::uint64_t seed = 0;
    for (const Index size : sizes) {
      const auto number = [&](double low, double high) {
        return parity::rounded<float>(parity::random({size}, ++seed, low, high));
      };
      cpu.push_back({number(-1, 1), number(-1, 1), keeps_first ? number(-1, 1) : Tensor<double>(), number(0.1, 1)});
    }
    for (const auto& one : cpu) {
      std::vector<float*> pointers;
      for (const Tensor<double>& numbers : one) {
        arrays.push_back(numbers.defined() ? std::make_unique<DeviceArray<float>>(numbers) : nullptr);
        pointers.push_back(arrays.back() ? arrays.back()->data() : nullptr);
      }
      listed.push_back({pointers[0], pointers[1], pointers[2], pointers[3], one[0].elements()});
    }
  }

  /// As a kernel wants them. The emulator's device reads the host's memory.
  kernels::OptimisedParameters all() {
    first_blocks = kernels::optimiser_blocks(listed);
    return {listed.data(), first_blocks.data(), static_cast<Index>(listed.size()), first_blocks.back()};
  }

  /// Values and what the optimiser keeps, against the CPU's.
  std::vector<Tensor<double>> check() {
    std::vector<Tensor<double>> found;
    for (std::size_t p = 0; p < cpu.size(); ++p)
      for (std::size_t part = 1; part < 4; ++part) {
        if (!cpu[p][part].defined()) continue;
        CAPTURE(p);
        CAPTURE(part);
        found.push_back(arrays[p * 4 + part]->values({sizes[p]}));
        parity::check_close(found.back(), cpu[p][part], 5e-7);
      }
    return found;
  }

  std::vector<std::array<Tensor<double>, 4>> cpu;  ///< gradient, value, first, second
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
  std::vector<kernels::OptimisedParameter> listed;
  std::vector<Index> first_blocks;
};

/// Every parameter has a rate of its own.
double rate_of(std::size_t parameter) { return 0.1 / static_cast<double>(parameter + 1); }

}  // namespace

TEST_CASE("SGD of all parameters at once on a device") {
  for (const double momentum : {0.0, 0.9})
    for (const bool nesterov : {false, true}) {
      if (nesterov && momentum == 0) continue;
      CAPTURE(momentum);
      CAPTURE(nesterov);
      parity::in_every_order([&] {
        Parameters parameters(momentum > 0);
        std::vector<kernels::SgdFactors> factors;
        for (auto& [gradient, value, first, second] : parameters.cpu) {
          const double rate = rate_of(factors.size());
          backend::OptimisedParameter<double> all[] = {{gradient, value, first, {}}};
          backend::sgd_step<double>(all, {rate, momentum, 0.01, nesterov});
          factors.push_back({static_cast<float>(rate), static_cast<float>(momentum), 0.01F, nesterov});
        }
        kernels::sgd_step(parameters.all(), factors.data(), nullptr);
        return parameters.check();
      });
    }
}

TEST_CASE("Adam and AdamW of all parameters at once on a device") {
  for (const double decay : {0.0, 0.02})
    for (const double decoupled : {0.0, 0.05}) {
      CAPTURE(decay);
      CAPTURE(decoupled);
      parity::in_every_order([&] {
        Parameters parameters;
        std::vector<kernels::AdamFactors> factors;
        for (auto& [gradient, value, first, second] : parameters.cpu) {
          const double rate = rate_of(factors.size());
          backend::OptimisedParameter<double> all[] = {{gradient, value, first, second}};
          backend::adam_step<double>(all, {rate, 0.9, 0.99, 1e-8, decay, decoupled, 0.19, 0.0199});
          factors.push_back({.keep = static_cast<float>(1 - rate * decoupled),
                             .decay = static_cast<float>(decay),
                             .beta1 = 0.9F,
                             .beta2 = 0.99F,
                             .share1 = 0.1F,
                             .share2 = 0.01F,
                             .rate = static_cast<float>(rate / 0.19),
                             .root = static_cast<float>(1 / std::sqrt(0.0199)),
                             .epsilon = 1e-8F});
        }
        kernels::adam_step(parameters.all(), factors.data(), nullptr);
        return parameters.check();
      });
    }
}

TEST_CASE("Adamax of all parameters at once on a device") {
  parity::in_every_order([&] {
    Parameters parameters;
    std::vector<kernels::AdamaxFactors> factors;
    for (auto& [gradient, value, first, second] : parameters.cpu) {
      const double rate = rate_of(factors.size());
      backend::OptimisedParameter<double> all[] = {{gradient, value, first, second}};
      backend::adamax_step<double>(all, {rate, 0.9, 0.99, 1e-8, 0.02, 0.19});
      factors.push_back({0.02F, 0.9F, 0.99F, 0.1F, static_cast<float>(rate / 0.19), 1e-8F});
    }
    kernels::adamax_step(parameters.all(), factors.data(), nullptr);
    return parameters.check();
  });
}

TEST_CASE("a network without parameters is no launch") {
  kernels::sgd_step({nullptr, nullptr, 0, 0}, nullptr, nullptr);
  CHECK(kernels::optimiser_blocks({}) == std::vector<Index>{0});
}
