#pragma once

// Zip archives as torch.save writes them, for tests of what no program would write.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <zlib.h>

namespace testing {

/// The last bytes of a number, the lowest first.
inline std::string little_endian(std::uint64_t number, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}

/// Records, uncompressed, in this order.
inline std::string stored_zip(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string out;
  std::string directory;
  for (const auto& [name, content] : records) {
    const uLong sum = ::crc32(::crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(content.data()),
                              static_cast<uInt>(content.size()));
    const std::string facts = little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) + little_endian(sum, 4) +
                              little_endian(content.size(), 4) + little_endian(content.size(), 4) +
                              little_endian(name.size(), 2) + little_endian(0, 2);
    directory += "PK\1\2" + little_endian(0, 4) + facts + little_endian(0, 2) + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(0, 4) + little_endian(out.size(), 4) + name;
    out += "PK\3\4" + little_endian(0, 2) + facts + name + content;
  }
  const std::size_t begin = out.size();
  out += directory + "PK\5\6" + little_endian(0, 4) + little_endian(records.size(), 2) +
         little_endian(records.size(), 2) + little_endian(directory.size(), 4) + little_endian(begin, 4) +
         little_endian(0, 2);
  return out;
}

}  // namespace testing
