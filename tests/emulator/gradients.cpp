#include "mien/backend/cuda/kernels/gradients.hpp"

#include "emulator/parity.hpp"
#include "mien/backend/cpu/gradients.hpp"

#include <memory>

using namespace mien;
using parity::DeviceArray;

namespace {

/// The gradients of a network, of a device and of the CPU, with the same numbers: none at all, one, part of a block's
/// piece and more than a piece.
struct Gradients {
  static constexpr Index sizes[] = {7, 0, 1, 31, 16384, 16385, 65, 0, 300};

  explicit Gradients(double size = 1) {
    std::uint64_t seed = 0;
    for (const Index elements : sizes) {
      cpu.push_back(parity::rounded<float>(parity::random({elements}, ++seed, -size, size)));
      arrays.push_back(std::make_unique<DeviceArray<float>>(cpu.back()));
    }
  }

  /// As a kernel wants them. The emulator's device reads the host's memory.
  kernels::GradientPieces all() {
    std::vector<kernels::GradientPiece> whole;
    for (std::size_t i = 0; i < arrays.size(); ++i) whole.push_back({arrays[i]->data(), cpu[i].elements()});
    pieces = kernels::gradient_pieces(whole);
    return {pieces.data(), static_cast<Index>(pieces.size())};
  }

  double sum_of_squares() {
    const auto on_device = all();
    DeviceArray<float> workspace(kernels::sum_of_squares_workspace(on_device.count));
    DeviceArray<double> sum(1);
    kernels::sum_of_squares(on_device, workspace.data(), sum.data(), nullptr);
    return *sum.data();
  }

  bool all_finite() {
    DeviceArray<std::int32_t> flag(1);
    kernels::all_finite(all(), flag.data(), nullptr);
    CHECK((*flag.data() == 0 || *flag.data() == 1));
    return *flag.data() == 1;
  }

  std::vector<Tensor<double>> check(double tolerance) {
    std::vector<Tensor<double>> found;
    for (std::size_t i = 0; i < cpu.size(); ++i) {
      CAPTURE(i);
      found.push_back(arrays[i]->values(cpu[i].shape()));
      parity::check_close(found.back(), cpu[i], tolerance);
    }
    return found;
  }

  std::vector<Tensor<double>> cpu;
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
  std::vector<kernels::GradientPiece> pieces;
};

}  // namespace

TEST_CASE("the sum of the squares of all gradients on a device") {
  // Squares of the greatest ones would overflow a float.
  for (const double size : {1e-3, 1.0, 1e30}) {
    CAPTURE(size);
    parity::in_every_order([&] {
      Gradients gradients(size);
      const double sum = gradients.sum_of_squares();
      CHECK(sum == doctest::Approx(backend::sum_of_squares(gradients.cpu)).epsilon(1e-12));
      return std::vector{Tensor<double>({1}, sum)};
    });
  }
}

TEST_CASE("all gradients times a factor on a device") {
  for (const float factor : {0.25F, 0.3F, 1.0F}) {
    CAPTURE(factor);
    parity::in_every_order([&] {
      Gradients gradients;
      DeviceArray<float> by(Tensor<double>({1}, static_cast<double>(factor)));
      kernels::scale_all(gradients.all(), by.data(), nullptr);
      backend::scale_in_place(gradients.cpu, static_cast<double>(factor));
      return gradients.check(parity::rounding<float>);
    });
  }
}

TEST_CASE("the factor that limits a norm on a device") {
  struct Limit {
    double sum, most;
  };
  for (const auto& [sum, most] : {Limit{25, 1}, Limit{25, 5}, Limit{25, 5.1}, Limit{2, 1}, Limit{25, 0}, Limit{0, 1},
                                  Limit{0, 0}, Limit{1e60, 1}, Limit{INFINITY, 1}, Limit{std::nan(""), 1}}) {
    CAPTURE(sum);
    CAPTURE(most);
    DeviceArray<double> of_squares(1);
    DeviceArray<double> norm(1);
    DeviceArray<float> factor(1);
    *of_squares.data() = sum;
    kernels::norm_and_factor(of_squares.data(), most, norm.data(), factor.data(), nullptr);
    const double expected = most / (std::sqrt(sum) + 1e-6);
    CHECK((std::isnan(sum) ? std::isnan(*norm.data()) : *norm.data() == std::sqrt(sum)));
    CHECK(*factor.data() == (std::isfinite(sum) && expected < 1 ? static_cast<float>(expected) : 1));
  }
}

TEST_CASE("all gradients within a limit on a device") {
  parity::in_every_order([&] {
    Gradients gradients;
    kernels::clamp_all(gradients.all(), 0.5F, nullptr);
    backend::clamp_in_place(gradients.cpu, 0.5);
    return gradients.check(0);
  });
  Gradients gradients;
  gradients.arrays[0]->data()[2] = std::nanf("");
  gradients.arrays[0]->data()[3] = -INFINITY;
  kernels::clamp_all(gradients.all(), 0.5F, nullptr);
  CHECK(std::isnan(gradients.arrays[0]->data()[2]));
  CHECK(gradients.arrays[0]->data()[3] == -0.5F);
}

TEST_CASE("gradients that are not finite are noticed on a device") {
  for (const float wrong : {std::nanf(""), INFINITY, -INFINITY})
    for (const std::size_t where : {std::size_t{0}, std::size_t{5}}) {
      parity::in_every_order([&] {
        Gradients gradients(3e38);
        CHECK(gradients.all_finite());
        CHECK(std::isfinite(gradients.sum_of_squares()));
        gradients.arrays[where]->data()[Gradients::sizes[where] - 1] = wrong;
        CHECK_FALSE(gradients.all_finite());
        CHECK_FALSE(std::isfinite(gradients.sum_of_squares()));
        return std::vector<Tensor<double>>();
      });
    }
}

TEST_CASE("a network without gradients on a device") {
  Gradients gradients;
  gradients.cpu.clear();
  gradients.arrays.clear();
  CHECK(gradients.sum_of_squares() == 0);
  CHECK(gradients.all_finite());
  kernels::clamp_all(gradients.all(), 1, nullptr);
}
