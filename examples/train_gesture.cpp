/// Trains ACCM on body joints, and says how well it recognises recordings that it has not seen.
///
///     train_gesture --recordings data/joints_social --folds 5 --baseline
///     train_gesture --openpose recordings --by label --dry-run
///     train_gesture --table joints.csv --split-column split --seeds 3 --json
///
/// The work folder gets, for each fold and seed, model.safetensors (which `recognise` reads), history.csv,
/// predictions.csv and the checkpoints that --resume needs; and result.json and report.html over all of them.

#include "common/gesture.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains ACCM, the gesture model, on joint recordings.", "work/gesture");
  program.allow_ranks();
  examples::GestureDataOptions data_options;
  examples::SplitOptions split;
  examples::GestureModelOptions form;
  gesture::JointAugmentation augmentation = examples::usual_joint_augmentation();
  examples::TrainingOptions training;
  bool baseline = false;
  Index neighbours = 1;

  CLI::App& app = program.app();
  examples::add_gesture_data_options(app, data_options);
  examples::add_split_options(app, split);
  examples::add_gesture_model_options(app, form);
  examples::add_joint_augmentation_options(app, augmentation);
  examples::add_training_options(app, training);
  app.add_flag("--baseline", baseline,
               "prints what nearest neighbours make of the joints' plain coordinates: each recording in 16 frames, "
               "relative to the middle of its square box and in sides of it");
  app.add_option("--neighbours", neighbours, "for the baseline")->check(examples::positive);

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    const auto data = examples::read_gesture_data(examples::joints_to_read(data_options, training), split.split_column,
                                                  split.subject_column(data_options.subject_column));
    const auto fitted = examples::fitted(form, data);
    const examples::Json facts = {{"model", "accm"},
                                  {"layout", data_options.layout},
                                  {"joints", fitted.representation.joints},
                                  {"neighbours", neighbours}};
    examples::run_experiment(program, examples::SampleFacts(data), split, training, facts,
                             [&](const examples::Parts& parts, const examples::RunPlace& place) {
                               auto trained = examples::train_gesture<Device>(data, parts, place, form, augmentation,
                                                                              training, program);
                               examples::save_gesture_model(trained.model, place.folder / "model.safetensors");
                               std::vector<double> attention;
                               const auto test = examples::predict_gesture(
                                   trained.model, data, parts.test, augmentation, training, place.seed, &attention);
                               examples::FoldResult result{.parts = parts,
                                                           .history = std::move(trained.history),
                                                           .test = test,
                                                           .confusion = test.confusion(data.classes()),
                                                           .attention = std::move(attention)};
                               if (baseline) {
                                 auto known = parts.train;
                                 known.insert(known.end(), parts.validation.begin(), parts.validation.end());
                                 result.baseline = examples::nearest_neighbours(data, known, parts.test, neighbours);
                               }
                               return result;
                             });
  });
}
