#pragma once

// A small thing to train: points around three centres, and a network that tells which one is theirs.

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/activation.hpp"
#include "mien/data/loader.hpp"
#include "mien/nn/batch_norm.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"
#include "mien/train/checkpoint.hpp"

constexpr mien::Index point_classes = 3;

template <class T>
struct PointBatch {
  mien::Tensor<T> points = {};  ///< [B, 2]
  std::vector<mien::Index> labels = {};
  std::vector<std::string> names = {};
};

struct PointOptions {
  double noise = 0.1;         ///< deviation from the centre
  mien::Index label_gap = 0;  ///< so many points have one without a label among them; 0: all have one
};

/// The centres are (1, 0), (0, 1) and (0, 0), in turn. What moves the points is of the loader's random numbers.
template <class T>
mien::data::Loader<PointBatch<T>> point_loader(mien::Index samples, const mien::data::LoaderOptions& options,
                                               const PointOptions& points = {}) {
  using Sample = std::pair<std::array<T, 2>, mien::Index>;
  return {samples, options,
          [points](mien::Index i, mien::Generator& generator) {
            const mien::Index label = i % point_classes;
            const auto shift = [&] { return static_cast<T>(points.noise * generator.normal()); };
            const T x = static_cast<T>(label == 0) + shift();
            const T y = static_cast<T>(label == 1) + shift();
            const bool has_label = points.label_gap == 0 || i % points.label_gap != points.label_gap - 1;
            return Sample{{x, y}, has_label ? label : -1};
          },
          [](std::vector<Sample> samples_of_batch) {
            PointBatch<T> batch{mien::Tensor<T>({std::ssize(samples_of_batch), 2})};
            for (mien::Index i = 0; i < std::ssize(samples_of_batch); ++i) {
              const auto& [point, label] = samples_of_batch[static_cast<std::size_t>(i)];
              batch.points(i, 0) = point[0];
              batch.points(i, 1) = point[1];
              batch.labels.push_back(label);
              batch.names.push_back("point " + std::to_string(i));
            }
            return batch;
          }};
}

/// Dropout of seven numbers a sample: a part of a batch rarely begins where four random numbers do.
template <class T, class Device = mien::Cpu>
struct PointNetwork : mien::nn::Module<PointNetwork<T, Device>, T, Device> {
  mien::Variable<T, Device> operator()(const mien::Variable<T, Device>& x) {
    const mien::Variable<T, Device> hidden = in(x);
    return out(dropout(mien::relu(normalises ? norm(hidden) : hidden)));
  }
  void visit(auto&& child) {
    child("in", in);
    child("norm", norm);
    child("dropout", dropout);
    child("out", out);
  }
  bool normalises = true;
  mien::nn::Linear<T, Device> in{{.in = 2, .out = 7}};
  mien::nn::BatchNorm<T, Device> norm{7};
  mien::nn::Dropout<T, Device> dropout{0.25};
  mien::nn::Linear<T, Device> out{{.in = 7, .out = point_classes}};
};

/// All weights and buffers.
template <class T, class Device>
std::vector<T> numbers_in(PointNetwork<T, Device>& network) {
  std::vector<T> out;
  for (const auto& [name, tensor] : mien::io::detail::named_tensors(network)) {
    const mien::Tensor<T> tight = tensor.contiguous().template to<mien::Cpu>();
    out.insert(out.end(), tight.span().begin(), tight.span().end());
  }
  return out;
}
