#pragma once

// A page with every kind of section, from made-up data.

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/report/html.hpp"
#include "mien/report/pictures.hpp"

namespace testing {

inline std::vector<std::string> sample_classes() { return mien::data::emotion_class_names(); }

/// A face of a few discs, whose mouth bends upwards or downwards.
inline mien::io::Image sample_face(double mood) {
  constexpr mien::Index side = 96;
  mien::io::Image image(side, side, 3, 40);
  for (mien::Index y = 0; y < side; ++y)
    for (mien::Index x = 0; x < side; ++x) {
      const double u = static_cast<double>(x) / 48 - 1;
      const double v = static_cast<double>(y) / 48 - 1;
      const bool face = u * u + v * v < 0.75;
      const bool eye = std::hypot(std::abs(u) - 0.3, v + 0.2) < 0.09;
      const bool mouth = std::abs(u) < 0.4 && std::abs(v - 0.35 + mood * (u * u - 0.08)) < 0.05;
      if (!face) continue;
      const int light = static_cast<int>(150 + 60 * (1 - u * u - v * v));
      for (int c = 0; c < 3; ++c) image.at(x, y)[c] = static_cast<std::uint8_t>(eye || mouth ? 30 : light - 30 * c);
    }
  return image;
}

inline mien::train::History sample_history() {
  mien::train::History history;
  for (int epoch = 1; epoch <= 24; ++epoch) {
    const double t = epoch / 24.0;
    history.add(epoch, {{"learning_rate", 2e-3 * std::sin(3 * t)},
                        {"train_loss", 1.9 * std::exp(-2 * t)},
                        {"train_accuracy", 1 - 0.85 * std::exp(-2.5 * t)},
                        {"validation_loss", 1.8 * std::exp(-1.5 * t) + 0.15 * t + 0.05 * std::sin(epoch)},
                        {"validation_accuracy", 0.8 - 0.65 * std::exp(-3 * t) + 0.02 * std::sin(epoch)},
                        {"validation_mean_recall", 0.77 - 0.62 * std::exp(-3 * t)},
                        {"validation_macro_f1", 0.75 - 0.6 * std::exp(-2.6 * t)},
                        {"gradient_norm", 3 * std::exp(-t)}});
  }
  return history;
}

inline mien::metrics::ConfusionMatrix sample_confusion() {
  const auto classes = static_cast<mien::Index>(sample_classes().size());
  mien::metrics::ConfusionMatrix out(classes);
  mien::Generator generator(4);
  for (int i = 0; i < 700; ++i) {
    const auto label = static_cast<mien::Index>(generator.below(static_cast<std::uint64_t>(classes)));
    const auto other = static_cast<mien::Index>(generator.below(static_cast<std::uint64_t>(classes)));
    out.add(label, generator.uniform() < 0.75 ? label : other);
  }
  return out;
}

inline mien::metrics::Calibration sample_calibration() {
  mien::metrics::Calibration out(10);
  mien::Generator generator(5);
  for (int i = 0; i < 600; ++i) {
    const double confidence = 0.25 + 0.75 * std::sqrt(static_cast<double>(generator.uniform()));
    out.add(confidence, static_cast<double>(generator.uniform()) < confidence - 0.1);
  }
  return out;
}

/// A film of so many moments that goes from sadness to happiness.
inline mien::report::Timeline sample_timeline(int moments) {
  mien::report::Timeline out{.classes = sample_classes(), .frame_aspect = 1};
  for (int i = 0; i < moments; ++i) {
    const double t = static_cast<double>(i) / std::max(1, moments - 1);
    out.times.push_back(20 * t);
    const double joy = 1 / (1 + std::exp(-12 * (t - 0.6)));
    const double surprise = 0.6 * std::exp(-200 * (t - 0.55) * (t - 0.55));
    std::vector<double> row(out.classes.size(), 0.01);
    row[0] += joy * (1 - surprise);
    row[1] += (1 - joy) * (1 - surprise);
    row[4] += surprise;
    out.probabilities.push_back(row);
    out.affect.push_back({.valence = 1.5 * joy - 0.75, .arousal = 0.9 * surprise - 0.1 + 0.3 * joy * std::sin(9 * t)});
    if (i % 3 == 0) out.frames.push_back({20 * t, mien::report::picture(sample_face(2 * joy - 1))});
  }
  return out;
}

inline mien::report::AffectPlane sample_plane() {
  const mien::report::Timeline film = sample_timeline(31);
  mien::report::AffectPoints path{.name = "film", .points = film.affect, .joined = true};
  for (const double time : film.times) path.titles.push_back(mien::report::number(time, 1) + " s");
  mien::report::AffectPoints annotated{.name = "annotated"};
  for (int i = 0; i < 12; ++i) annotated.points.push_back({.valence = std::cos(i), .arousal = 0.7 * std::sin(2 * i)});
  return {.groups = {path, annotated, {.name = "other", .points = {{.valence = 1.4, .arousal = 0.5}}}}};
}

inline std::vector<mien::report::Mistake> sample_mistakes() {
  std::vector<mien::report::Mistake> out;
  for (int i = 0; i < 5; ++i) {
    mien::report::Mistake mistake{.name = "sadness/a_recording_with_quite_a_long_name_" + std::to_string(i),
                                  .truth = "sadness",
                                  .recognised = "happiness",
                                  .truth_probability = 0.02 * i,
                                  .recognised_probability = 0.97 - 0.05 * i};
    for (int frame = 0; frame < 3; ++frame)
      mistake.frames.push_back(mien::report::picture(sample_face(0.4 * i - frame)));
    out.push_back(mistake);
  }
  const auto pose = mien::gesture::standing_pose();
  mien::report::Skeleton body;
  for (mien::Index joint = 0; joint < pose.size(0); ++joint)
    body.joints.push_back({static_cast<double>(pose(joint, 0)), static_cast<double>(pose(joint, 1))});
  const auto bones = mien::gesture::bones(mien::gesture::JointLayout::body_25);
  body.bones.assign(bones.begin(), bones.end());
  out.push_back(
      {.name = "wave/17", .truth = "wave", .recognised = "point", .drawings = {3, mien::report::skeleton(body)}});
  return out;
}

inline std::vector<mien::report::Picture> sample_activation() {
  std::vector<mien::report::Picture> out;
  for (const int bend : {-1, 0, 1}) {
    mien::Tensor<float> map({6, 6}, 0.0F);
    map(4, 2) = 1;
    map(4, 3) = static_cast<float>(1 + bend) / 2;
    map(2, 1) = 0.4F;
    map(0, 5) = -1;
    const auto frame = mien::report::activation_over(sample_face(bend), map);
    out.push_back({mien::report::picture(frame), "happiness, frame " + std::to_string(bend + 2)});
  }
  return out;
}

inline mien::report::Page sample_page() {
  using namespace mien;
  const std::vector<std::string> classes = sample_classes();
  report::Page page("Everything that a report can show", {.subtitle = "Made-up data", .footer = "for a test"});
  page.section("Result", "What was measured on samples that were not trained on.")
      .facts({{"accuracy", "78.3 %", "700 held-out samples"}, {"mean recall", "77.9 %"}, {"macro F1", "78.0 %"}})
      .notes(std::vector<std::string>{"The data are made up.", "So are the numbers & the <names>."});
  page.section("Training").learning_curves(sample_history(), 17);
  page.section("Classes")
      .confusion_matrix(sample_confusion().counts(), classes, "On the held-out samples.")
      .per_class(sample_confusion(), classes)
      .calibration(sample_calibration())
      .bars(classes, std::vector<double>{0.1, 0.4, 0.35, 0.9, 0.2, 0.05, 0.6}, {.caption = "Bars"});
  page.section("Mistakes").mistakes(sample_mistakes(), "The least probability of the true class first.");
  std::vector<std::string> blocks;
  std::vector<std::vector<double>> alpha;
  for (int block = 0; block < 8; ++block) {
    blocks.push_back("stage " + std::to_string(block / 2 + 1) + ", block " + std::to_string(block % 2 + 1));
    alpha.push_back({0.3 + 0.05 * block, 0.7 - 0.05 * block});
  }
  std::vector<double> joints;
  for (int joint = 0; joint < 25; ++joint) joints.push_back(0.5 + 0.4 * std::sin(joint));
  page.section("Attention")
      .shares(blocks, std::vector<std::string>{"height view", "width view"}, alpha, "alpha by block")
      .skeleton_attention(joints, {.caption = "Joint attention"})
      .gallery(sample_activation(), "Class activation maps");
  page.section("A film")
      .timeline(sample_timeline(61), "From sadness to happiness")
      .affect_plane(sample_plane(), "Path");
  page.section("Settings")
      .settings(std::map<std::string, std::string>{
          {"learning-rate", "0.002"}, {"recordings", "/a/very/long/path/of/a/folder/with/recordings"}, {"seed", "1"}})
      .table(std::vector<std::string>{"name", "a", "b"}, {{"x", "1", "2"}}, {.caption = "A table"})
      .image(report::picture(sample_face(1)), "One picture")
      .paragraph("A paragraph.")
      .preformatted("train_face --videos root --clips 3 --frames 8 --lstm --learning-rate 0.001 --work-dir work/face",
                    "");
  return page;
}

}  // namespace testing
