#include "parity/operations.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#if defined(MIEN_EMULATED_GPU)
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "emulator/emulator.hpp"
#endif

using namespace parity;

namespace {

const List& cases() {
  static const List list = all_cases();
  return list;
}

void check_close(const Case& one, const Numbers& found, const Numbers& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    REQUIRE(found[i].shape() == expected[i].shape());
    double scale = one.scale;
    for (const double value : expected[i].span()) scale = std::max(scale, std::abs(value));
    double worst = 0;
    for (Index k = 0; k < found[i].elements(); ++k) {
      const double error = std::abs(found[i].data()[k] - expected[i].data()[k]);
      if (!(error <= worst)) worst = error;
    }
    CHECK(worst <= one.tolerance * scale);
  }
}

#if defined(MIEN_WITH_CUDA)
bool same_bits(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].shape() != b[i].shape() ||
        std::memcmp(a[i].data(), b[i].data(), static_cast<std::size_t>(a[i].elements()) * sizeof(double)) != 0)
      return false;
  return true;
}
#endif

#if defined(MIEN_EMULATED_GPU)
/// Once all cases have run.
void check_every_kernel_has_a_case() {
  // Functions of include/mien/backend/cuda/kernels that no differentiable operation calls, and the test that does.
  const std::map<std::string, std::string> elsewhere{
      {"adam_step", "parity/training_graphs.cpp"},
      {"adamax_step", "parity/training_graphs.cpp"},
      {"all_finite", "emulator/gradients.cpp"},
      {"cast", "parity/device.cpp"},
      {"clamp", "emulator/elementwise.cpp"},
      {"clamp_all", "parity/models.cpp"},
      {"count_wrong_labels", "emulator/cross_entropy.cpp"},
      {"fill_strided", "parity/device.cpp"},
      {"from_super_image", "parity/super_images.cpp"},
      {"fuse_decisions", "parity/fusion.cpp"},
      {"lstm_step", "emulator/lstm.cpp"},
      {"lstm_step_gradient", "emulator/lstm.cpp"},
      {"norm_and_factor", "parity/training_graphs.cpp"},
      {"prepare_clips", "parity/preparation.cpp"},
      {"represent", "parity/preparation.cpp"},
      {"scale_all", "parity/models.cpp"},
      {"scale_by", "emulator/elementwise.cpp"},
      {"sgd_step", "parity/training_graphs.cpp"},
      {"sum_of_squares", "parity/models.cpp"},
      {"to_super_image", "parity/super_images.cpp"},
      {"update_running_moments", "parity/models.cpp"},
  };
  const auto& launched = emulator::launched_names();
  const std::regex function("^void (\\w+)\\(");
  int functions = 0;
  for (const auto& header : std::filesystem::directory_iterator(MIEN_SOURCE_DIR "/include/mien/backend/cuda/kernels")) {
    std::ifstream text(header.path());
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, function)) continue;
      ++functions;
      const std::string name = match[1];
      CAPTURE(name);
      CHECK((launched.contains(name) || elsewhere.contains(name)));
    }
  }
  CHECK(functions > 50);
}
#endif

}  // namespace

TEST_CASE("parity: gradients of every operation are those of its results") {
  for (const Case& one : cases().cases()) {
    if (!one.gradient_check) continue;
    CAPTURE(one.name);
    const auto result = one.gradient_check();
    CAPTURE(result.where);
    CHECK(result.passed);
  }
}

TEST_CASE("parity: float computes what double does on the CPU, from memory with gaps too") {
  for (const Case& one : cases().cases()) {
    CAPTURE(one.name);
    const Numbers expected = one.reference(InputForm::contiguous);
    check_close(one, one.single(InputForm::contiguous), expected);
    check_close(one, one.single(InputForm::strided), expected);
  }
}

#if defined(MIEN_WITH_CUDA)
TEST_CASE("parity: the GPU computes what double does on the CPU, the same bits each time") {
  for (const Case& one : cases().cases()) {
    CAPTURE(one.name);
    const Numbers expected = one.reference(InputForm::contiguous);
    const Numbers found = one.device(InputForm::contiguous);
    check_close(one, found, expected);
#if defined(MIEN_EMULATED_GPU)
    emulator::settings().order = emulator::Order::shuffled;
#endif
    CHECK(same_bits(one.device(InputForm::contiguous), found));
#if defined(MIEN_EMULATED_GPU)
    emulator::settings() = {};
#endif
  }
}

#if defined(MIEN_WITH_CUDNN) && defined(MIEN_WITH_CUBLAS)
TEST_CASE("parity: NVIDIA's libraries compute what double does on the CPU") {
  mien::cuda::set_convolution_library(mien::cuda::ConvolutionLibrary::cudnn);
  mien::cuda::set_product_library(mien::cuda::ProductLibrary::cublas);
  for (const Case& one : cases().cases()) {
    if (one.name.find("convolution") == std::string::npos && one.name.find("linear") == std::string::npos) continue;
    CAPTURE(one.name);
    check_close(one, one.device(InputForm::contiguous), one.reference(InputForm::contiguous));
  }
  mien::cuda::set_convolution_library(mien::cuda::ConvolutionLibrary::own);
  mien::cuda::set_product_library(mien::cuda::ProductLibrary::own);
}
#endif

TEST_CASE("parity: the GPU computes what double does from memory with gaps too, by every kernel") {
  for (const Case& one : cases().cases()) {
    CAPTURE(one.name);
    check_close(one, one.device(InputForm::strided), one.reference(InputForm::contiguous));
  }
#if defined(MIEN_EMULATED_GPU)
  check_every_kernel_has_a_case();
#endif
}
#endif
