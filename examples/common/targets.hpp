#pragma once

/// What networks for classes, for valence and arousal, or for both are trained towards, whatever they look at.

#include <optional>
#include <vector>

#include "experiment.hpp"
#include "mien/autograd/affect_loss.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/data/annotations.hpp"
#include "mien/data/mixup.hpp"
#include "mien/models/valence_arousal.hpp"
#include "mien/train/trainer.hpp"

namespace mien::examples {

struct TargetOptions {
  bool soft_labels = false;  ///< shares of votes where a sample has them
  double mixup = 0;          ///< alpha; 0 for none
  double focal_gamma = 0;
  double mse_weight = 1;  ///< of the losses of valence and arousal
  double ccc_weight = 1;
  double class_weight = 1;  ///< of classes beside valence and arousal
};

void add_class_target_options(CLI::App& app, TargetOptions& options);
void add_affect_target_options(CLI::App& app, TargetOptions& options);
void add_mixup_option(CLI::App& app, TargetOptions& options);

/// What a network makes of a batch.
template <class Device>
struct Output {
  std::optional<Variable<float, Device>> logits;  ///< [N, classes]
  std::optional<Variable<float, Device>> affect;  ///< [N, 2], in (-1, 1)
};

/// The first `classes` outputs are logits, the two that follow, if any do, valence and arousal.
template <class Device>
Output<Device> parted(const Variable<float, Device>& outputs, Index classes) {
  Output<Device> out;
  if (classes > 0) out.logits = classes == outputs.size(-1) ? outputs : slice(outputs, -1, 0, classes);
  if (classes < outputs.size(-1)) out.affect = models::valence_arousal(slice(outputs, -1, classes, outputs.size(-1)));
  return out;
}

/// What chooses the best epoch: with valence and arousal their concordance, also beside classes.
inline train::Criterion criterion_for(bool affect) {
  return affect ? train::Criterion::concordance : train::Criterion::mean_recall;
}

/// The tensors of a batch that a network is trained with: what it sees, and its targets.
struct TrainingTargets {
  Tensor<float> inputs;
  Tensor<float> classes = {};  ///< [N, classes]; undefined without classes
  Tensor<float> affect = {};
  Tensor<std::uint8_t> affect_mask = {};
};

/// The inputs and targets of a batch, mixed by default_generator() if `mixes`.
template <class Batch>
TrainingTargets targets_of(const Batch& batch, const Tensor<float>& inputs, Index classes, const TargetOptions& options,
                           bool mixes) {
  TrainingTargets out{inputs, {}, batch.affect, batch.affect_mask};
  if (classes > 0)
    out.classes =
        options.soft_labels && batch.votes.defined() ? batch.votes : data::class_targets(batch.labels, classes);
  if (!mixes || options.mixup == 0) return out;
  const data::Mixup mixup = data::draw_mixup(inputs.size(0), options.mixup, default_generator());
  out.inputs = data::mix(inputs, mixup);
  if (classes > 0) out.classes = data::mix(out.classes, mixup);
  if (out.affect.defined()) {
    out.affect = data::mix(out.affect, mixup);
    out.affect_mask = data::mix_masks(out.affect_mask, mixup);
  }
  return out;
}

/// The loss of what a network made of the targets' inputs, and what a trainer wants to know besides.
template <class Device>
train::BatchOutput<float, Device> batch_output(const Output<Device>& output, const TrainingTargets& targets,
                                               const std::vector<Index>& labels, const CrossEntropyOptions& of_classes,
                                               const TargetOptions& options) {
  train::BatchOutput<float, Device> out;
  if (output.logits) {
    out.logits = output.logits->value();
    out.labels = labels;
  }
  if (!output.affect) {
    out.loss = soft_cross_entropy(*output.logits, targets.classes.to<Device>(), of_classes);
    out.weight = ops::cross_entropy_weight(targets.classes, of_classes);
    return out;
  }
  out.affect = output.affect->value();
  out.affect_target = targets.affect;
  out.affect_mask = targets.affect_mask;
  const Variable<float, Device> wanted(targets.affect.to<Device>());
  const Tensor<std::uint8_t, Device> mask = targets.affect_mask.to<Device>();
  // No mean over samples, and not all of them have every term.
  out.whole_batch = true;
  const AffectLossOptions terms{.mse = options.mse_weight, .ccc = options.ccc_weight, .whole_batch = true};
  out.loss = output.logits ? multi_task_loss(*output.logits, targets.classes.to<Device>(), *output.affect, wanted, mask,
                                             {.classes = options.class_weight,
                                              .cross_entropy = of_classes,
                                              .affect_terms = terms,
                                              .whole_batch = true})
                           : affect_loss(*output.affect, wanted, mask, terms);
  return out;
}

/// What the programs tell of an output: probabilities where there are classes, and valence and arousal.
template <class Device>
Answer answer_of(const Output<Device>& output) {
  Answer out;
  if (output.logits) out.probabilities = softmax(*output.logits).value().contiguous().template to<Cpu>();
  if (output.affect) out.affect = output.affect->value().contiguous().template to<Cpu>();
  return out;
}

}  // namespace mien::examples
