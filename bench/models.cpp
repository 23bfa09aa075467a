/// Whole models: an inference of the frozen network, and a training step (forward, loss, backward, Adam).

#include <mien/autograd/cross_entropy.hpp>
#include <mien/models/accm.hpp>
#include <mien/models/densenet.hpp>
#include <mien/models/keypoint_mlp.hpp>
#include <mien/models/resnet.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/two_stream_lstm.hpp>
#include <mien/models/vit.hpp>
#include <mien/optim/adam.hpp>

#include <memory>

#include "common.hpp"

namespace {

using namespace mien;

/// `logits(model, input)` in evaluation, or a step of Adam on its cross-entropy.
template <class MakeModel, class Logits>
void add(const std::string& name, const Shape& input, bool training, MakeModel make_model, Logits logits) {
  bench::add({.operation = name + (training ? "/training" : "/inference"),
              .shape = bench::name_of(input),
              .has_precisions = true},
             [=] {
               // Shared, because the optimiser and the model are used by one another's parameters.
               auto model = std::make_shared<decltype(make_model())>(make_model());
               auto adam =
                   std::make_shared<optim::Adam<float>>(model->parameters(), optim::AdamOptions{.learning_rate = 1e-4});
               if (!training) model->freeze();
               const std::vector<Index> labels(static_cast<std::size_t>(input[0]), 1);
               return [=, x = Variable<float>(bench::random(input))] {
                 if (!training) {
                   const NoGradient not_recorded;
                   benchmark::DoNotOptimize(logits(*model, x).value().data());
                   return;
                 }
                 adam->zero_grad();
                 backward(cross_entropy(logits(*model, x), labels));
                 adam->step();
               };
             });
}

const int registered = [] {
  const auto logits_of = [](auto& model, const Variable<float>& x) { return model(x); };
  for (const bool training : {false, true}) {
    for (const Index side : {112, 224}) {
      add(
          "sistcm_resnet18", {2, 8, side, side, 3}, training, [] { return models::SistcmResNet18<float>({}); },
          [](auto& model, const Variable<float>& x) { return model(x).logits; });
      add(
          // As many pictures as the clips above have frames.
          "resnet18", {16, side, side, 3}, training, [] { return models::ResNet18<float>(); }, logits_of);
      add(
          "densenet121", {8, side, side, 3}, training, [] { return models::DenseNet<float>(); }, logits_of);
    }
    add(
        "vit_small", {64, 48, 48, 1}, training, [] { return models::VisionTransformer<float>(models::small_vit()); },
        logits_of);
    add(
        "vit_b_16", {8, 224, 224, 3}, training, [] { return models::VisionTransformer<float>(models::vit_b_16()); },
        logits_of);
    add(
        "keypoint_mlp", {64, 95, 3}, training, [] { return models::KeypointMlp<float>(); }, logits_of);
    add(
        "accm", {32, 64, 64, 25}, training, [] { return models::Accm<float>({.joints = 25, .classes = 7}); },
        logits_of);
    add(
        "two_stream_lstm", {8, 16, 512}, training, [] { return models::TwoStreamLstm<float>(); },
        [emotions = Variable<float>(bench::random({8, 16, 7}))](auto& model, const Variable<float>& x) {
          const auto [e1, e2] = model(x, emotions);
          return e1 + e2;
        });
  }
  return 0;
}();

}  // namespace
