#pragma once

/// report.html, which every training program writes into its work folder, and what a training tells TensorBoard.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "experiment.hpp"
#include "mien/report/html.hpp"
#include "mien/report/tensorboard.hpp"
#include "mien/train/checkpoint.hpp"

namespace mien::examples {

/// What an experiment found, with its curves, classes, mistakes and settings: `report.html` in the work folder.
void write_report(const Program& program, const SampleFacts& samples, const TrainingOptions& training,
                  const Json& facts, const Results& results);

/// A bar for each joint's weight; `joints` tells which they are, all in order if it is empty.
void add_joint_bars(report::Section& section, const std::vector<double>& weights, const std::vector<Index>& joints,
                    const std::string& caption);

/// alpha of the height view in each SISTCM block, beside the rest, which is that of the width view.
void add_view_weights(report::Section& section, const std::vector<double>& height_weights);

/// The epochs of one training as an event file in its folder, if that is asked for.
class EpochLog {
 public:
  EpochLog(bool wanted, std::filesystem::path folder, std::map<std::string, std::string> settings)
      : wanted_(wanted), folder_(std::move(folder)), settings_(std::move(settings)) {}

  /// The epoch that was finished last.
  void add(const train::TrainingState& state);

 private:
  bool wanted_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> settings_;
  std::optional<report::EventLog> log_;
};

}  // namespace mien::examples
