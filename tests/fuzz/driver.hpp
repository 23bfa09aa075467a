#pragma once

// One target as a program of libFuzzer's. Besides libFuzzer's own options it knows --prepare=FOLDER, which writes the
// seeds into FOLDER/seeds and the dictionary as FOLDER/dictionary, and does no more.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// The program's target.
const Target& fuzzed();

/// A word between quotes, in libFuzzer's way of writing it.
inline std::string dictionary_line(std::string_view word) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char letter : word) {
    const auto value = static_cast<unsigned char>(letter);
    if (value >= ' ' && value < 0x7f && letter != '"' && letter != '\\') {
      out += letter;
    } else {
      out += {'\\', 'x', digits[value >> 4], digits[value & 15]};
    }
  }
  return out + "\"\n";
}

inline void prepare(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "seeds");
  std::size_t number = 0;
  for (const std::string& seed : fuzzed().seeds()) io::write_file(folder / "seeds" / std::to_string(number++), seed);
  std::string dictionary;
  for (const std::string& word : fuzzed().words) dictionary += dictionary_line(word);
  io::write_file(folder / "dictionary", dictionary);
}

}  // namespace mien::fuzzing

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr std::string_view option = "--prepare=";
  for (int i = 1; i < *count; ++i) {
    const std::string_view argument = (*arguments)[i];
    if (!argument.starts_with(option)) continue;
    mien::fuzzing::prepare(argument.substr(option.size()));
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(mien::fuzzing::is_read(mien::fuzzing::fuzzed(), {reinterpret_cast<const std::byte*>(data), size}));
  return 0;
}
