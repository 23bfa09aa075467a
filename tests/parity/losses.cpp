#include "parity/operations.hpp"

namespace parity {

using namespace mien;

namespace {

std::vector<Index> labels_for(Index rows, Index classes) {
  std::vector<Index> labels;
  for (Index row = 0; row < rows; ++row) labels.push_back((row * 5 + 2) % classes);
  return labels;
}

std::vector<double> weights_for(Index classes) {
  std::vector<double> weights;
  for (Index c = 0; c < classes; ++c) weights.push_back(0.25 + static_cast<double>(c % 3));
  return weights;
}

/// Shares of votes; every fifth row has none.
template <class T, class Device>
Tensor<T, Device> votes_for(const Variable<T, Device>& logits) {
  const Index classes = logits.size(-1);
  Tensor<float> votes(logits.shape());
  Generator(17).fill_uniform(votes, 0, 1);
  for (Index i = 0; i < votes.elements(); ++i)
    if (i / classes % 5 == 3 || i % 4 == 1) votes.data()[i] = 0;
  return votes.cast<T>().template to<Device>();
}

}  // namespace

void add_losses(List& list) {
  for (const Shape& logits : {Shape{1, 1}, Shape{7, 7}, Shape{65, 3}, Shape{31, 65}, Shape{1500, 8}}) {
    const auto labels = labels_for(logits[0], logits[1]);
    list.add("cross_entropy", {logits}, [labels](auto& in) { return std::vector{cross_entropy(in[0], labels)}; });
    list.add("cross_entropy with weights, smoothing and ignored labels", {logits},
             [labels, weights = weights_for(logits[1])](auto& in) {
               return std::vector{
                   cross_entropy(in[0], labels, {.class_weights = weights, .label_smoothing = 0.1, .ignore_index = 2})};
             });
    list.add("cross_entropy with the focal factor", {logits}, [labels, weights = weights_for(logits[1])](auto& in) {
      return std::vector{cross_entropy(
          in[0], labels, {.class_weights = weights, .label_smoothing = 0.1, .ignore_index = 2, .focal_gamma = 1.5})};
    });
    list.add("soft_cross_entropy", {logits},
             [](auto& in) { return std::vector{soft_cross_entropy(in[0], votes_for(in[0]))}; });
    list.add("soft_cross_entropy with weights, smoothing and the focal factor", {logits},
             [weights = weights_for(logits[1])](auto& in) {
               return std::vector{soft_cross_entropy(
                   in[0], votes_for(in[0]), {.class_weights = weights, .label_smoothing = 0.1, .focal_gamma = 2})};
             });
  }
  list.add("multi_stage_loss", {{3, 4, 7}, {3, 7}, {3, 7}}, [](auto& in) {
    return std::vector{
        multi_stage_loss(in[0], in[1], in[2], {1, 6, 3}, {.lambda = 0.5, .mu = 2, .lengths = {4, 1, 2}})};
  });
  for (const Shape& shape : {Shape{1, 1}, Shape{7, 2}, Shape{65, 31}, Shape{5, 300, 2}}) {
    list.add("mse_loss", {shape, shape}, [](auto& in) { return std::vector{mse_loss(in[0], in[1])}; });
    if (shape.elements() > shape[-1])
      list.add("ccc_loss", {shape, shape}, [](auto& in) { return std::vector{ccc_loss(in[0], in[1])}; });
  }
}

}  // namespace parity
