/// Trains SISTCM-ResNet18, alone or under the two-stream LSTM, on videos that lie in folders as frames, and says how
/// well it recognises those that it has not seen.
///
///     train_face --videos root --clips 3 --frames 8 --lstm
///     train_face --subjects ck48 --folds 10 --small --channels 1 --frames 3
///     train_face --sheet faces/dataset_sheet.csv --path-column subDirectory_filePath --label-column expression
///                --path-components 2 --extension .jpg --class-names neutral,happy,sad,surprise,fear,disgust,anger
///                --drift 0.1
///
/// The work folder gets, for each fold and seed, model.safetensors (which `recognise` reads), history.csv,
/// predictions.csv and the checkpoints that --resume needs; and result.json and report.html over all of them.

#include <iostream>

#include "common/face.hpp"
#include "mien/data/face_clips.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains SISTCM-ResNet18, the face model, on frames.", "work/face");
  program.allow_ranks();
  examples::FaceDataOptions data_options;
  examples::SplitOptions split;
  examples::FaceFormOptions form;
  data::ClipAugmentation augmentation = examples::usual_clip_augmentation();
  examples::TrainingOptions training{.batch = 16, .learning_rate = 1e-3};
  std::string weights;
  bool check_frames = false;

  CLI::App& app = program.app();
  examples::add_face_data_options(app, data_options);
  examples::add_split_options(app, split);
  examples::add_face_model_options(app, form);
  examples::add_clip_augmentation_options(app, augmentation);
  examples::add_training_options(app, training);
  app.add_option("--weights", weights, ".safetensors to start from: ours, or a ResNet-18's with torchvision's names");
  app.add_flag("--check-frames", check_frames,
               "reads every frame before anything else, and names all that are damaged");

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    const auto data =
        examples::read_face_data(data_options, split.split_column, split.subject_column(data_options.subject_column));
    if (check_frames || program.common().dry_run) {
      const auto problems = data::unreadable_frames(data);
      for (const std::string& problem : problems) std::cerr << problem << "\n";
      if (!problems.empty()) throw FileError(mien::detail::text(problems.size(), " frames cannot be read"));
    }
    const auto fitted = examples::fitted(form, data.classes());
    const examples::Json facts = {{"model", "sistcm_resnet18"}};
    const auto train_and_test = [&](const examples::Parts& parts, const examples::RunPlace& place) {
      auto trained = examples::train_face<Device>(data, parts, place, fitted, augmentation, training, weights, program);
      examples::save_face_model(trained.model, place.folder / "model.safetensors");
      std::vector<double> alpha;
      const auto test =
          examples::predict_face(trained.model, data, parts.test, augmentation, training, place.seed, &alpha);
      return examples::FoldResult{.parts = parts,
                                  .history = std::move(trained.history),
                                  .test = test,
                                  .confusion = test.confusion(data.classes()),
                                  .attention = std::move(alpha)};
    };
    examples::run_experiment(program, examples::SampleFacts(data), split, training, facts, train_and_test);
  });
}
