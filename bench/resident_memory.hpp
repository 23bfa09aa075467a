#pragma once

#include <fstream>
#include <string>

namespace mien::bench {

/// The most memory that this process has had in use, its program included; 0 where the system does not tell (that is,
/// on any but Linux). getrusage would not do: its figure begins with that of the process that started this one.
inline double peak_resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  return 0;
}

}  // namespace mien::bench
