#pragma once

#include <mien/io/image.hpp>

#include <zlib.h>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// The bytes of a PNG with the checksums that its chunks should have, so that a changed chunk gets as far as the
/// decoder.
inline std::vector<std::byte> with_right_png_checksums(Bytes bytes) {
  std::vector<std::byte> out = copy_of(bytes);
  if (!io::detail::starts_with(out, "\x89PNG\r\n\x1a\n")) return out;
  const auto number_at = [&](std::size_t place) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(out[place + i]);
    return std::size_t{value};
  };
  constexpr std::size_t around_content = 12;
  for (std::size_t begin = 8; out.size() - begin >= around_content;) {
    const std::size_t length = number_at(begin);
    if (length > out.size() - begin - around_content) break;
    const uLong sum = ::crc32_z(0, reinterpret_cast<const Bytef*>(out.data() + begin + 4), length + 4);
    for (std::size_t i = 0; i < 4; ++i) out[begin + 8 + length + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
    begin += around_content + length;
  }
  return out;
}

/// Small pictures only, so that many are tried.
inline constexpr Index fuzzed_pixels = Index{1} << 16;

inline std::vector<std::string> image_seeds() {
  std::vector<std::string> out;
  for (const char* name : {"baseline.jpg", "progressive.jpg", "restart.jpg", "grey.jpg"})
    out.push_back(repository_file(std::string("tests/data/io/") + name));
  io::Image image(5, 3, 3, 40);
  image.at(2, 1)[0] = 255;
  out.push_back(text_of(io::encode_png(image)));
  out.push_back(text_of(io::encode_png(io::Image(3, 4, 1, 9))));
  out.push_back(text_of(io::encode_jpeg(image)));
  const auto zeros = [](std::size_t count) { return std::string(count, '\0'); };
  out.push_back("BM" + zeros(8) + "\x36" + zeros(3) + "\x28" + zeros(3) + "\2" + zeros(3) + "\2" + zeros(3) + "\1" +
                zeros(1) + "\x18" + zeros(25) + std::string(16, '\7'));
  out.push_back("P6 # words\n2 1\n255\nabcdef");
  out.push_back("P5 1 1 65535\nab");
  return out;
}

inline std::vector<std::string> image_words() {
  using namespace std::string_literals;
  return {"IHDR",
          "PLTE",
          "IDAT",
          "IEND",
          "tRNS",
          "gAMA",
          "iCCP",
          "sRGB",
          "eXIf",
          "\x89PNG\r\n\x1a\n",
          "\xff\xd8\xff",
          "\xff\xc0",
          "\xff\xc1",
          "\xff\xc2",
          "\xff\xc4",
          "\xff\xda",
          "\xff\xdb",
          "\xff\xdd\0\4"s,
          "\xff\xd0",
          "\xff\xd9",
          "\xff\xe0",
          "\xff\xe1",
          "\xff\xee",
          "JFIF",
          "Exif\0\0"s,
          "Adobe",
          "II*\0\x08\0\0\0"s,
          "MM\0*\0\0\0\x08"s,
          "\x12\1\3\0\1\0\0\0"s,
          "\1\x12\0\3\0\0\0\1"s,
          "BM",
          "P5 ",
          "P6 ",
          "#",
          "65535"};
}

/// Images by the decoders that the program is built with.
inline const Target image_target{
    [](Bytes bytes) {
      const auto file = with_right_png_checksums(bytes);
      static_cast<void>(io::decode_image(file, {.max_pixels = fuzzed_pixels}));
      static_cast<void>(io::decode_image(file, {.channels = 1, .max_pixels = fuzzed_pixels}));
    },
    image_seeds, image_words()};

}  // namespace mien::fuzzing
