#pragma once

/// What is known of one try.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/search/space.hpp"

namespace mien::search {

/// Whether the greatest value is wanted, or the smallest.
enum class Goal { maximise, minimise };

inline bool is_better(double a, double b, Goal goal) { return goal == Goal::maximise ? a > b : a < b; }

enum class TrialState { running, finished, stopped, failed };

inline std::string_view state_name(TrialState state) {
  switch (state) {
    case TrialState::running:
      return "running";
    case TrialState::finished:
      return "finished";
    case TrialState::stopped:
      return "stopped";
    case TrialState::failed:
      break;
  }
  return "failed";
}

struct Trial {
  Index number = 0;  ///< from 1
  Point point = {};
  TrialState state = TrialState::running;
  std::vector<std::pair<Index, double>> steps = {};  ///< values on the way, by step
  std::optional<double> value = {};                  ///< of one that finished, or was stopped
  double seconds = 0;
  std::string error = {};  ///< of one that failed
};

}  // namespace mien::search
