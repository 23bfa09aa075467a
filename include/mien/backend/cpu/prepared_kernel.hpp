#pragma once

/// A convolution's kernel in the forms that the different ways want, each made when it is first wanted and then kept:
/// for networks whose weights do not change any more.

#include <memory>
#include <mutex>
#include <optional>

#include "mien/backend/cpu/bfloat16_convolution.hpp"
#include "mien/backend/cpu/direct_convolution.hpp"
#include "mien/backend/cpu/winograd.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

template <class T, class Device = Cpu>
class PreparedKernel;

/// May be used from many threads at once. Winograd's form takes four times the memory of the weight, a packed one as
/// much as the weight, one of bfloat16 half of that for each part.
template <class T>
class PreparedKernel<T, Cpu> {
 public:
  /// Of a weight [height, width, inputs / groups, outputs] without gaps, which must not change.
  PreparedKernel(const Tensor<T>& weight, const ConvolutionWindow& window, Index inputs)
      : weight_(weight), window_(window), inputs_(inputs) {}

  const Tensor<T>& weight() const { return weight_; }

  const PackedWeights<T>& packed() const {
    return made(packed_, [&] { return PackedWeights<T>(weight_.data(), window_, inputs_, weight_.size(3)); });
  }
  /// Only for 3x3 kernels of float.
  WinogradKernel winograd() const {
    WinogradKernel kernel{weight_.data(), inputs_, weight_.size(3)};
    kernel.transformed = made(winograd_, [&] { return kernel.transform_all(); }).data();
    return kernel;
  }
  /// Only for kernels of float.
  const Bfloat16Kernel& bfloat16(bool split) const {
    return made(split ? split_bfloat16_ : bfloat16_,
                [&] { return Bfloat16Kernel(weight_.data(), window_, inputs_, weight_.size(3), split); });
  }

 private:
  template <class Form, class Make>
  const Form& made(std::optional<Form>& form, const Make& make) const {
    std::lock_guard lock(mutex_);
    if (!form) form.emplace(make());
    return *form;
  }

  Tensor<T> weight_;
  ConvolutionWindow window_;
  Index inputs_;
  mutable std::mutex mutex_;
  mutable std::optional<PackedWeights<T>> packed_;
  mutable std::optional<Tensor<float>> winograd_;
  mutable std::optional<Bfloat16Kernel> bfloat16_;
  mutable std::optional<Bfloat16Kernel> split_bfloat16_;
};

}  // namespace mien::backend
