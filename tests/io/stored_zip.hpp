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

/// How a directory says sizes and places: in 32 bits, or in 64 elsewhere, as torch.save does in large files.
enum class ZipNumbers { narrow, wide };

/// The end of an archive whose directory of so many entries and bytes begins at `begin`.
inline std::string zip_end(std::size_t entries, std::size_t size, std::size_t begin, ZipNumbers numbers) {
  std::string out;
  if (numbers == ZipNumbers::wide)
    out = "PK\6\6" + little_endian(44, 8) + little_endian(45, 2) + little_endian(45, 2) + little_endian(0, 8) +
          little_endian(entries, 8) + little_endian(entries, 8) + little_endian(size, 8) + little_endian(begin, 8) +
          "PK\6\7" + little_endian(0, 4) + little_endian(begin + size, 8) + little_endian(1, 4);
  return out + "PK\5\6" + little_endian(0, 4) + little_endian(entries, 2) + little_endian(entries, 2) +
         little_endian(size, 4) + little_endian(numbers == ZipNumbers::wide ? 0xffffffff : begin, 4) +
         little_endian(0, 2);
}

/// Records, uncompressed, in this order.
inline std::string stored_zip(const std::vector<std::pair<std::string, std::string>>& records,
                              ZipNumbers numbers = ZipNumbers::narrow) {
  const bool wide = numbers == ZipNumbers::wide;
  std::string out;
  std::string directory;
  for (const auto& [name, content] : records) {
    const uLong sum = ::crc32(::crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(content.data()),
                              static_cast<uInt>(content.size()));
    const std::string facts = little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) + little_endian(sum, 4);
    const std::string size = little_endian(content.size(), 4);
    const std::string elsewhere = little_endian(0xffffffff, 4);
    const std::string extra = wide ? little_endian(1, 2) + little_endian(24, 2) + little_endian(content.size(), 8) +
                                         little_endian(content.size(), 8) + little_endian(out.size(), 8)
                                   : std::string();
    directory += "PK\1\2" + little_endian(0, 4) + facts + (wide ? elsewhere + elsewhere : size + size) +
                 little_endian(name.size(), 2) + little_endian(extra.size(), 2) + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) +
                 (wide ? elsewhere : little_endian(out.size(), 4)) + name + extra;
    out += "PK\3\4" + little_endian(0, 2) + facts + size + size + little_endian(name.size(), 2) + little_endian(0, 2) +
           name + content;
  }
  const std::size_t begin = out.size();
  out += directory + zip_end(records.size(), directory.size(), begin, numbers);
  return out;
}

}  // namespace testing
