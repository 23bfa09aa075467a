#include "program.hpp"

#include <algorithm>
#include <cstddef>

#include "mien/io/csv.hpp"

namespace mien::examples {

bool stop_requested() { return detail::stop_signal != 0; }

void check_stop() {
  if (stop_requested()) throw Interrupted{};
}

namespace {

/// The least number of letters to be added, left out or changed, and of neighbours to change places, that makes one
/// word the other (Damerau 1964).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> best(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        best[i][j] = i + j;
        continue;
      }
      best[i][j] =
          std::min({best[i - 1][j] + 1, best[i][j - 1] + 1, best[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best[i][j] = std::min(best[i][j], best[i - 2][j - 2] + 1);
    }
  return best[a.size()][b.size()];
}

/// "--epochs" of "--epohcs=3"; empty if no option is nearly called so.
std::string nearest_option(const CLI::App& app, const std::string& argument) {
  const std::string word = argument.substr(0, argument.find('='));
  // Of short words every other one is near.
  std::size_t least = 1 + word.size() / 4;
  std::string nearest;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::size_t distance = edit_distance(word, "--" + name);
      if (distance > least || (distance == least && !nearest.empty())) continue;
      least = distance;
      nearest = "--" + name;
    }
  }
  return nearest;
}

}  // namespace

std::string suggestions(const CLI::App& app) {
  std::string out;
  const auto suggest_for = [&](const CLI::App& command) {
    for (const std::string& argument : command.remaining())
      if (argument.starts_with("--"))
        if (const std::string nearest = nearest_option(command, argument); !nearest.empty())
          out += "Did you mean " + nearest + "?\n";
  };
  suggest_for(app);
  for (const CLI::App* command : app.get_subcommands()) suggest_for(*command);
  return out;
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  std::stringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::string csv_field(const std::string& field) { return io::CsvWriter::quoted(field); }

std::string percent(double share) {
  char out[32];
  std::snprintf(out, sizeof out, "%.1f %%", 100 * share);
  return out;
}

}  // namespace mien::examples
