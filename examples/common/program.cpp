#include "program.hpp"

#include "mien/io/csv.hpp"

namespace mien::examples {

bool stop_requested() { return detail::stop_signal != 0; }

void check_stop() {
  if (stop_requested()) throw Interrupted{};
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
