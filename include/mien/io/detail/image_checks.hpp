#pragma once

/// What an image file must say before a decoder sees it.
///
/// A decoder may trust its input more than it should (Debian's stb 2.27 writes out of bounds for a JPEG with too many
/// Huffman codes), so structure, table sizes and picture size are checked here, and only well-formed files pass,
/// whichever decoder it is.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <zlib.h>

#include "mien/core/shape.hpp"
#include "mien/io/detail/exif.hpp"
#include "mien/io/file.hpp"

namespace mien::io::detail {

enum class ImageFormat { png, jpeg, bmp, pnm };

/// What the checks found out.
struct ImageFacts {
  Index width = 0;
  Index height = 0;
  int orientation = 1;  ///< as EXIF numbers them; 1 is upright
};

inline constexpr Index max_image_side = 16384;

/// Of a JPEG. Each may touch every pixel: more is an attack on the reader's time.
inline constexpr int max_jpeg_scans = 100;

/// A file's bytes with a place to read from; running off the end is an error that names the file.
class ImageReader {
 public:
  ImageReader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  void seek(std::size_t position) {
    if (position > bytes_.size()) fail("the end of the file", text("data at byte ", position));
    position_ = position;
  }

  std::uint32_t u8() { return big_endian(1); }
  std::uint32_t u16() { return big_endian(2); }
  std::uint32_t u32() { return big_endian(4); }
  std::uint32_t u16_little() {
    const std::uint32_t low = u8();
    return low | u8() << 8;
  }
  std::uint32_t u32_little() {
    const std::uint32_t low = u16_little();
    return low | u16_little() << 16;
  }

  std::span<const std::byte> take(std::size_t count) {
    if (count > left()) fail(text("the end of the file, ", count - left(), " bytes too early"), "a whole image");
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, text("byte ", position_), found, expected);
  }

 private:
  std::uint32_t big_endian(std::size_t count) {
    std::uint32_t value = 0;
    for (const std::byte byte : take(count)) value = value << 8 | std::to_integer<std::uint32_t>(byte);
    return value;
  }

  std::span<const std::byte> bytes_;
  std::string_view file_;
  std::size_t position_ = 0;
};

inline bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  if (bytes.size() < magic.size()) return false;
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), magic.size()) == magic;
}

/// The kind of a file that is no image of ours, as far as its first bytes tell.
inline std::string_view guess_other_format(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "an empty file";
  if (starts_with(bytes, "GIF8")) return "a GIF";
  if (starts_with(bytes, "RIFF")) return "a WebP or another RIFF file";
  if (starts_with(bytes, "II*") || starts_with(bytes, "MM")) return "a TIFF";
  if (starts_with(bytes, "8BPS")) return "a Photoshop file";
  if (bytes.size() > 11 && starts_with(bytes.subspan(4), "ftyp")) return "an HEIC, AVIF or video file";
  std::string start;
  for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 256)))
    start += static_cast<char>(std::tolower(std::to_integer<int>(byte)));
  if (start.find("<html") != std::string::npos || start.find("<!doctype html") != std::string::npos)
    return "what looks like HTML, perhaps a saved error page";
  return "something that is no image";
}

/// The format by a file's first bytes; its name does not count, but a name that lies is told.
inline ImageFormat image_format(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::png;
  if (starts_with(bytes, "\xff\xd8\xff")) return ImageFormat::jpeg;
  if (starts_with(bytes, "BM")) return ImageFormat::bmp;
  if (starts_with(bytes, "P5") || starts_with(bytes, "P6")) return ImageFormat::pnm;
  std::string found(guess_other_format(bytes));
  if (file.has_extension()) found += text(" under the extension ", file.extension().string());
  throw FileError(file.string(), "", found, "a PNG, JPEG, BMP, PGM or PPM image");
}

inline ImageFacts checked_size(const ImageReader& reader, std::uint32_t width, std::uint32_t height) {
  const ImageFacts facts{static_cast<Index>(width), static_cast<Index>(height)};
  if (facts.width < 1 || facts.height < 1 || facts.width > max_image_side || facts.height > max_image_side)
    reader.fail(text(width, " x ", height, " pixels"), text("1 to ", max_image_side, " a side"));
  return facts;
}

/// Signature, chunks within the file with right checksums, a sane header first, an end.
inline ImageFacts check_png(ImageReader reader) {
  reader.take(8);
  ImageFacts facts;
  bool has_data = false;
  for (bool first = true;; first = false) {
    const std::uint32_t length = reader.u32();
    if (length > reader.left()) reader.fail(text("a chunk of ", length, " bytes"), text("at most ", reader.left()));
    const std::size_t begin = reader.position();
    const auto checked = reader.take(std::size_t{length} + 4);
    const std::string_view type(reinterpret_cast<const char*>(checked.data()), 4);
    const auto sum =
        static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size()));
    if (reader.u32() != sum) reader.fail("a wrong checksum", "an undamaged chunk");
    if (first != (type == "IHDR")) reader.fail(first ? "another first chunk" : "a second IHDR", "one IHDR, first");
    if (first) {
      if (length != 13) reader.fail(text("an IHDR of ", length, " bytes"), "13");
      ImageReader header = reader;
      header.seek(begin + 4);
      const std::uint32_t width = header.u32();
      facts = checked_size(header, width, header.u32());
    }
    if (type == "PLTE" && (length == 0 || length > 768 || length % 3 != 0))
      reader.fail(text("a palette of ", length, " bytes"), "1 to 256 colours");
    has_data = has_data || type == "IDAT";
    // The first that states a turn counts, as in a JPEG.
    if (type == "eXIf" && facts.orientation == 1) facts.orientation = exif_orientation(checked.subspan(4));
    if (type == "IEND") break;
  }
  if (!has_data) reader.fail("no pixels", "an IDAT chunk");
  return facts;
}

/// The structure of a JPEG from its first marker to its end marker.
class JpegCheck {
 public:
  explicit JpegCheck(ImageReader reader) : reader_(reader) {}

  ImageFacts run() {
    reader_.take(2);
    for (;;) {
      const std::uint32_t marker = next_marker();
      if (marker == end_of_image) break;
      read_segment(marker);
    }
    if (scans_ == 0) reader_.fail("the end of the image", "a scan");
    facts_.orientation = orientation_;
    return facts_;
  }

 private:
  static constexpr std::uint32_t huffman_tables = 0xc4;
  static constexpr std::uint32_t end_of_image = 0xd9;
  static constexpr std::uint32_t start_of_scan = 0xda;
  static constexpr std::uint32_t quantisation_tables = 0xdb;
  static constexpr std::uint32_t restart_interval = 0xdd;
  static constexpr std::uint32_t exif = 0xe1;
  static constexpr std::uint32_t comment = 0xfe;

  std::uint32_t next_marker() {
    if (reader_.u8() != 0xff) reader_.fail("other bytes", "a marker");
    std::uint32_t marker = 0xff;
    while (marker == 0xff) marker = reader_.u8();
    return marker;
  }

  void read_segment(std::uint32_t marker) {
    const std::uint32_t length = reader_.u16();
    if (length < 2 || length - 2 > reader_.left())
      reader_.fail(text("a segment of ", length, " bytes"), text("2 to ", reader_.left() + 2));
    const std::size_t end = reader_.position() + length - 2;
    if (marker == 0xc0 || marker == 0xc1 || marker == 0xc2) {
      read_frame(marker == 0xc2);
    } else if (marker == huffman_tables) {
      while (reader_.position() < end) read_huffman_table();
    } else if (marker == quantisation_tables) {
      while (reader_.position() < end) read_quantisation_table();
    } else if (marker == restart_interval) {
      reader_.u16();
    } else if (marker == start_of_scan) {
      read_scan();
    } else if (marker == exif) {
      // Other programs' data may lie in segments of the same kind: the first that states a turn counts.
      const int stated = app1_orientation(reader_.take(end - reader_.position()));
      if (orientation_ == 1) orientation_ = stated;
    } else if ((marker >= 0xe0 && marker <= 0xef) || marker == comment) {
      reader_.seek(end);
    } else {
      reader_.fail(text("marker ", marker), "baseline or progressive Huffman-coded JPEG");
    }
    if (reader_.position() != end) reader_.fail("a segment of another length", "one that fits its content");
    if (marker == start_of_scan) skip_coded_data();
  }

  void read_frame(bool progressive) {
    if (components_ != 0) reader_.fail("a second frame", "one");
    progressive_ = progressive;
    const std::uint32_t precision = reader_.u8();
    if (precision != 8) reader_.fail(text(precision, " bits a sample"), "8");
    const std::uint32_t height = reader_.u16();
    facts_ = checked_size(reader_, reader_.u16(), height);
    components_ = reader_.u8();
    if (components_ == 4) reader_.fail("four colour components (CMYK)", "grey or RGB");
    if (components_ != 1 && components_ != 3) reader_.fail(text(components_, " components"), "1 or 3");
    for (std::uint32_t i = 0; i < components_; ++i) {
      ids_[i] = reader_.u8();
      const std::uint32_t sampling = reader_.u8();
      const std::uint32_t table = reader_.u8();
      const bool sane = sampling >> 4 >= 1 && sampling >> 4 <= 4 && (sampling & 15) >= 1 && (sampling & 15) <= 4;
      if (!sane || table > 3) reader_.fail("impossible sampling or table numbers", "a sane frame header");
      quantisation_of_[i] = table;
    }
  }

  void read_huffman_table() {
    const std::uint32_t kind = reader_.u8();
    if ((kind & 15) > 3 || kind >> 4 > 1) reader_.fail(text("Huffman table ", kind), "table 0 to 3 of class 0 or 1");
    std::uint32_t symbols = 0;
    std::uint32_t used = 0;  // share of all 16-bit codes
    for (std::uint32_t bits = 1; bits <= 16; ++bits) {
      const std::uint32_t count = reader_.u8();
      symbols += count;
      used += count << (16 - bits);
    }
    if (symbols > 256 || used > 1u << 16) reader_.fail("more Huffman codes than there can be", "a prefix code");
    reader_.take(symbols);
    defined_[kind >> 4] |= 1u << (kind & 15);
  }

  void read_quantisation_table() {
    const std::uint32_t kind = reader_.u8();
    if ((kind & 15) > 3 || kind >> 4 > 1) reader_.fail(text("quantisation table ", kind), "table 0 to 3");
    reader_.take(kind >> 4 == 0 ? 64 : 128);
    quantisation_defined_ |= 1u << (kind & 15);
  }

  void read_scan() {
    if (components_ == 0) reader_.fail("a scan before the frame header", "the frame header first");
    if (++scans_ > max_jpeg_scans) reader_.fail("too many scans", text("at most ", max_jpeg_scans));
    const std::uint32_t count = reader_.u8();
    if (count < 1 || count > components_) reader_.fail(text("a scan of ", count, " components"), "those of the frame");
    std::array<std::uint32_t, 3> selectors{};
    std::array<std::uint32_t, 3> tables{};
    for (std::uint32_t i = 0; i < count; ++i) {
      selectors[i] = reader_.u8();
      tables[i] = reader_.u8();
      if (tables[i] >> 4 > 3 || (tables[i] & 15) > 3) reader_.fail("impossible table numbers", "0 to 3");
    }
    const std::uint32_t first = reader_.u8();
    const std::uint32_t last = reader_.u8();
    const std::uint32_t approximation = reader_.u8();
    if (progressive_ && (first > last || last > 63 || (first == 0) != (last == 0) || (first > 0 && count > 1)))
      reader_.fail("an impossible band of coefficients", "0, or one of 1 to 63 of a single component");
    const bool needs_dc = !progressive_ || (first == 0 && approximation >> 4 == 0);
    const bool needs_ac = !progressive_ || first > 0;
    for (std::uint32_t i = 0; i < count; ++i) check_component(selectors, i, tables[i], needs_dc, needs_ac);
  }

  void check_component(const std::array<std::uint32_t, 3>& selectors, std::uint32_t i, std::uint32_t tables,
                       bool needs_dc, bool needs_ac) {
    for (std::uint32_t other = 0; other < i; ++other)
      if (selectors[other] == selectors[i]) reader_.fail("a component twice in a scan", "once");
    std::uint32_t place = 0;
    while (place < components_ && ids_[place] != selectors[i]) ++place;
    if (place == components_) reader_.fail("a component that the frame does not have", "one of the frame's");
    const bool has_dc = (defined_[0] >> (tables >> 4) & 1) != 0;
    const bool has_ac = (defined_[1] >> (tables & 15) & 1) != 0;
    const bool has_quantisation = (quantisation_defined_ >> quantisation_of_[place] & 1) != 0;
    if ((needs_dc && !has_dc) || (needs_ac && !has_ac) || !has_quantisation)
      reader_.fail("a scan whose tables were not given", "tables before the scan");
  }

  /// To the next marker that is neither a stuffed 0xff nor a restart.
  void skip_coded_data() {
    for (;;) {
      while (reader_.u8() != 0xff) {
      }
      std::uint32_t next = 0xff;
      while (next == 0xff) next = reader_.u8();
      if (next != 0 && (next < 0xd0 || next > 0xd7)) break;
    }
    reader_.seek(reader_.position() - 2);
  }

  ImageReader reader_;
  ImageFacts facts_;
  int orientation_ = 1;
  bool progressive_ = false;
  std::uint32_t components_ = 0;
  std::array<std::uint32_t, 3> ids_{};
  std::array<std::uint32_t, 3> quantisation_of_{};
  std::array<std::uint32_t, 2> defined_{};  ///< a bit a table, by class
  std::uint32_t quantisation_defined_ = 0;
  Index scans_ = 0;
};

/// A header of known size, plain pixels or bit fields, all of them within the file.
inline ImageFacts check_bmp(ImageReader reader, std::size_t file_bytes) {
  reader.seek(10);
  const std::uint32_t offset = reader.u32_little();
  const std::uint32_t header = reader.u32_little();
  if (header != 40 && header != 108 && header != 124)
    reader.fail(text("a header of ", header, " bytes"), "40, 108 or 124");
  const std::uint32_t width = reader.u32_little();
  const std::uint32_t signed_height = reader.u32_little();
  const std::uint32_t height = signed_height >> 31 != 0 ? 0 - signed_height : signed_height;
  const ImageFacts facts = checked_size(reader, width, height);
  const std::uint32_t planes = reader.u16_little();
  const std::uint32_t bits = reader.u16_little();
  const std::uint32_t compression = reader.u32_little();
  const bool known_bits = bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
  const bool known_packing = compression == 0 || (compression == 3 && (bits == 16 || bits == 32));
  if (planes != 1 || !known_bits || !known_packing)
    reader.fail(text(bits, " bits a pixel, compression ", compression), "an uncompressed bitmap");
  const std::size_t masks = compression == 3 && header == 40 ? 12 : 0;
  const std::size_t palette_begin = 14 + header + masks;
  const std::size_t max_palette = bits <= 8 ? 256 * 4 : 0;
  const bool sane_offset = offset >= palette_begin + (bits <= 8 ? 4 : 0) && offset <= file_bytes &&
                           (bits > 8 || offset - palette_begin <= max_palette);
  if (!sane_offset) reader.fail(text("pixels at byte ", offset), "pixels right behind header and palette");
  const std::size_t row_bytes = (static_cast<std::size_t>(width) * bits + 31) / 32 * 4;
  reader.seek(offset);
  reader.take(row_bytes * height);
  return facts;
}

}  // namespace mien::io::detail
