#pragma once

#include <vector>

#include "mien/backend/cuda/kernels/gradients.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

/// The table of all gradients, as one launch wants it.
class GradientTable {
 public:
  explicit GradientTable(const std::vector<Tensor<float, Cuda>>& gradients) {
    std::vector<kernels::GradientPiece> whole;
    for (Tensor<float, Cuda> gradient : gradients) whole.push_back({gradient.data(), gradient.elements()});
    const std::vector<kernels::GradientPiece> pieces = kernels::gradient_pieces(whole);
    pieces_ = Tensor<kernels::GradientPiece, Cuda>::from({static_cast<Index>(pieces.size())}, pieces);
  }
  kernels::GradientPieces get() const { return {pieces_.data(), pieces_.elements()}; }

 private:
  Tensor<kernels::GradientPiece, Cuda> pieces_;
};

/// [1], on the device.
inline Tensor<double, Cuda> sum_of_squares(const GradientTable& table) {
  auto workspace = cuda::workspace(kernels::sum_of_squares_workspace(table.get().count));
  Tensor<double, Cuda> sum({1});
  kernels::sum_of_squares(table.get(), workspace.data(), sum.data(), cuda::current_stream().get());
  return sum;
}
inline double sum_of_squares(const std::vector<Tensor<float, Cuda>>& gradients) {
  return sum_of_squares(GradientTable(gradients)).item();
}

inline void scale_in_place(std::vector<Tensor<float, Cuda>>& gradients, float factor) {
  const Tensor<float, Cuda> by({1}, factor);
  kernels::scale_all(GradientTable(gradients).get(), by.data(), cuda::current_stream().get());
}

inline Tensor<double, Cuda> limit_norm(std::vector<Tensor<float, Cuda>>& gradients, double max_norm) {
  const GradientTable table(gradients);
  const Tensor<double, Cuda> sum = sum_of_squares(table);
  Tensor<double, Cuda> norm({1});
  Tensor<float, Cuda> factor({1});
  const cudaStream_t stream = cuda::current_stream().get();
  kernels::norm_and_factor(sum.data(), max_norm, norm.data(), factor.data(), stream);
  kernels::scale_all(table.get(), factor.data(), stream);
  return norm;
}

inline void require_not_recording(Cuda, const char* what, const char* why) { cuda::require_not_recording(what, why); }

inline void clamp_in_place(std::vector<Tensor<float, Cuda>>& gradients, float limit) {
  kernels::clamp_all(GradientTable(gradients).get(), limit, cuda::current_stream().get());
}

}  // namespace mien::backend
