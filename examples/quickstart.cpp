#include <iostream>

#include <mien/mien.hpp>

int main(int count, char** arguments) {
  using namespace mien;
  set_seed(1);

  // Recordings of body joints, [frames, joints, (x, y, confidence)] each, with a label. A fifth of them is held out.
  const auto gestures = data::gesture_sequences(
      io::read_joint_recordings(count > 1 ? arguments[1] : "examples/data/joints_social"));
  const auto split = data::stratified_folds(gestures.labels(), 5, /*seed=*/1).front();

  // A recording becomes a map [32, 32, joints] of where its joints were; every time varied a little for training.
  const gesture::RepresentationOptions map{.size = 32, .sigma = 1, .square_root = true};
  const gesture::JointAugmentation vary{.rotation = 8, .scale = 0.1, .shear = 0.1, .crop = 0.3};
  const data::Loader train(data::GestureMaps(gestures.subset(split.train), {map, vary}), {.batch = 32, .seed = 1});
  const data::Loader test(data::GestureMaps(gestures.subset(split.test), {map, {}}), {.batch = 32});

  models::Accm<float> model({.joints = 25, .classes = gestures.classes(), .width = 64, .dropout = 0.3});
  optim::AdamW adam(model.parameters(), {.learning_rate = 1e-3});
  for (Index epoch = 0; epoch < 30; ++epoch)
    for (const auto& batch : train.epoch(epoch)) {
      const auto loss = cross_entropy(model(Variable<float>(batch.maps)), batch.labels);
      adam.zero_grad();
      backward(loss);
      adam.step();
    }

  model.evaluate();
  metrics::ConfusionMatrix confusion(gestures.classes());
  for (const auto& batch : test.epoch())
    confusion.add(batch.labels, metrics::predicted_classes(model(Variable<float>(batch.maps)).value()));
  std::cout << "accuracy on held-out recordings: " << confusion.accuracy() << "\n";
  io::save(model, "gesture.safetensors");
}
