#pragma once

/// The one thing that pictures need of EXIF data: how a camera was held.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mien::io::detail {

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Numbers of a TIFF structure, in either order of bytes. Beyond the end there are zeros.
class TiffNumbers {
 public:
  explicit TiffNumbers(std::span<const std::byte> bytes)
      : bytes_(bytes), big_endian_(as_text(bytes).starts_with(std::string_view("MM\0*", 4))) {}

  bool is_tiff() const { return big_endian_ || as_text(bytes_).starts_with(std::string_view("II*\0", 4)); }
  std::uint32_t u16(std::size_t place) const { return number(place, 2); }
  std::uint32_t u32(std::size_t place) const { return number(place, 4); }

 private:
  std::uint32_t number(std::size_t place, std::size_t count) const {
    if (place > bytes_.size() || count > bytes_.size() - place) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[place + (big_endian_ ? i : count - 1 - i)]);
    return value;
  }

  std::span<const std::byte> bytes_;
  bool big_endian_;
};

/// The orientation, 1 to 8, that EXIF data state (tag 274 of TIFF 6.0, which EXIF takes over), as a PNG's chunk eXIf
/// has them; 1, upright, where they state none that makes sense: what else a camera notes is nobody's reason to refuse
/// its picture.
inline int exif_orientation(std::span<const std::byte> tiff) {
  constexpr std::size_t entry_bytes = 12;
  constexpr std::uint32_t orientation_tag = 274;
  constexpr std::uint32_t short_type = 3;
  const TiffNumbers numbers(tiff);
  if (!numbers.is_tiff()) return 1;
  const std::size_t directory = numbers.u32(4);
  for (std::uint32_t i = 0; i < numbers.u16(directory); ++i) {
    const std::size_t entry = directory + 2 + i * entry_bytes;
    if (numbers.u16(entry) != orientation_tag || numbers.u16(entry + 2) != short_type) continue;
    const std::uint32_t value = numbers.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// The same of the content of a JPEG's APP1 segment, which may be another program's.
inline int app1_orientation(std::span<const std::byte> segment) {
  constexpr std::string_view magic("Exif\0\0", 6);
  return as_text(segment).starts_with(magic) ? exif_orientation(segment.subspan(magic.size())) : 1;
}

}  // namespace mien::io::detail
