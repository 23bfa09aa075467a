#pragma once

/// Images: read, written, copied from and into others' memory, resized, cropped, and as tensors.

#include <algorithm>
#include <array>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/io/detail/image_checks.hpp"
#include "mien/io/detail/stb.hpp"
#include "mien/io/file.hpp"
#ifdef MIEN_WITH_LIBJPEG
#include "mien/io/detail/libjpeg.hpp"
#endif
#ifdef MIEN_WITH_LIBPNG
#include "mien/io/detail/libpng.hpp"
#endif

namespace mien::io {

/// Eight bits a channel, row by row from the top, the channels of a pixel beside each other: 1 for grey, 3 for RGB.
struct Image {
  Index width = 0;
  Index height = 0;
  Index channels = 0;
  std::vector<std::uint8_t> pixels;  ///< width * height * channels

  Image() = default;

  /// An image in one colour: black unless said otherwise.
  Image(Index image_width, Index image_height, Index image_channels, std::uint8_t value = 0)
      : width(image_width), height(image_height), channels(image_channels) {
    if (width < 1 || height < 1 || (channels != 1 && channels != 3) || width > max_pixels / height)
      throw ValueError(detail::text("no image can be ", width, " x ", height, " with ", channels, " channels"));
    pixels.assign(static_cast<std::size_t>(width * height * channels), value);
  }

  /// The pixel's first channel; x counts from the left, y from the top, both unchecked.
  std::uint8_t* at(Index x, Index y) { return pixels.data() + (y * width + x) * channels; }
  const std::uint8_t* at(Index x, Index y) const { return pixels.data() + (y * width + x) * channels; }

  static constexpr Index max_pixels = Index{1} << 28;
};

/// How `read_image` and `decode_image` give what a file holds.
struct ImageOptions {
  Index channels = 3;                  ///< 3 for RGB, 1 for grey (0.299 R + 0.587 G + 0.114 B)
  Index max_pixels = Index{64} << 20;  ///< larger pictures are refused before any memory is asked for
};

namespace detail {

inline std::uint8_t luminance(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

/// Pixels of 1 to 4 channels (grey, grey and alpha, RGB, RGBA) as grey or RGB, alpha over black.
inline Image convert_channels(const std::uint8_t* from, const ImageFacts& facts, int stored, Index wanted) {
  Image out(facts.width, facts.height, wanted);
  const bool has_alpha = stored == 2 || stored == 4;
  const Index pixels = facts.width * facts.height;
  for (Index i = 0; i < pixels; ++i, from += stored) {
    std::array<std::uint8_t, 3> rgb{from[0], stored < 3 ? from[0] : from[1], stored < 3 ? from[0] : from[2]};
    if (has_alpha)
      for (auto& value : rgb) value = static_cast<std::uint8_t>((value * from[stored - 1] + 127) / 255);
    std::uint8_t* const to = out.pixels.data() + i * wanted;
    if (wanted == 3) {
      std::copy(rgb.begin(), rgb.end(), to);
    } else {
      *to = stored < 3 ? rgb[0] : luminance(rgb.data());
    }
  }
  return out;
}

/// Numbers of a PGM or PPM header, separated by white space and comments.
inline std::uint32_t read_pnm_number(ImageReader& reader) {
  std::uint32_t c = reader.u8();
  for (; c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '#'; c = reader.u8())
    if (c == '#')
      while (c != '\n') c = reader.u8();
  std::uint32_t value = 0;
  if (c < '0' || c > '9') reader.fail("no number", "width, height and greatest value");
  for (; c >= '0' && c <= '9'; c = reader.u8()) {
    value = value * 10 + (c - '0');
    if (value > 0xffff) reader.fail("a number beyond 65535", "a sane header");
  }
  if (c != ' ' && c != '\t' && c != '\n' && c != '\r') reader.fail("no white space", "white space after a number");
  return value;
}

inline void check_pixel_count(const ImageFacts& facts, const ImageOptions& options, std::string_view file) {
  if (facts.width > options.max_pixels / facts.height)
    throw FileError(file, "", text(facts.width, " x ", facts.height, " pixels"),
                    text("at most ", options.max_pixels, " (ImageOptions::max_pixels)"));
}

/// Binary PGM and PPM; values are scaled to 0..255.
inline Image decode_pnm(ImageReader reader, std::string_view file, const ImageOptions& options) {
  reader.take(1);
  const int channels = reader.u8() == '6' ? 3 : 1;
  const std::uint32_t width = read_pnm_number(reader);
  const ImageFacts facts = checked_size(reader, width, read_pnm_number(reader));
  check_pixel_count(facts, options, file);
  const std::uint32_t greatest = read_pnm_number(reader);
  if (greatest == 0) reader.fail("a greatest value of 0", "1 to 65535");
  const std::size_t width_of_value = greatest > 255 ? 2 : 1;
  const auto count = static_cast<std::size_t>(facts.width * facts.height * channels);
  ImageReader values = reader;
  reader.take(count * width_of_value);
  std::vector<std::uint8_t> pixels(count);
  for (auto& pixel : pixels) {
    const std::uint32_t value = std::min(width_of_value == 2 ? values.u16() : values.u8(), greatest);
    pixel = static_cast<std::uint8_t>((value * 255 + greatest / 2) / greatest);
  }
  return convert_channels(pixels.data(), facts, channels, options.channels);
}

inline ImageFacts check_image(ImageFormat format, std::span<const std::byte> bytes, std::string_view file) {
  const ImageReader reader(bytes, file);
  if (format == ImageFormat::png) return check_png(reader);
  if (format == ImageFormat::jpeg) return JpegCheck(reader).run();
  return check_bmp(reader, bytes.size());
}

/// Memory that decoding an image of this size may need: rows before and after filters and colour conversion, 16-bit
/// samples, coefficients of a progressive JPEG padded to whole blocks, and compressed data gathered by doubling.
inline std::size_t decoding_budget(const ImageFacts& facts, std::size_t file_bytes) {
  const auto padded = static_cast<std::size_t>((facts.width + 64) * (facts.height + 64));
  return 40 * padded + 4 * file_bytes + (std::size_t{1} << 20);
}

/// Checked files by stb_image.
struct StbDecoder {
  static Image decode(std::span<const std::byte> bytes, const ImageFacts& facts, const std::string& file,
                      const ImageOptions& options) {
    if (bytes.size() > static_cast<std::size_t>(INT_MAX))
      throw FileError(file, "", text(bytes.size(), " bytes"), text("at most ", INT_MAX));
    const StbSession session(decoding_budget(facts, bytes.size()));
    int width = 0;
    int height = 0;
    int stored = 0;
    const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
    const auto* const pixels =
        stb::stbi_load_from_memory(data, static_cast<int>(bytes.size()), &width, &height, &stored, 0);
    if (pixels == nullptr)
      throw FileError(file, "", text("damaged data (", stb::stbi_failure_reason(), ")"), "a whole image");
    if (width != facts.width || height != facts.height || stored < 1 || stored > 4)
      throw FileError(file, "", "a header that contradicts the data", "a whole image");
    return convert_channels(pixels, facts, stored, options.channels);
  }
};

#if defined(MIEN_WITH_LIBJPEG) || defined(MIEN_WITH_LIBPNG)
/// What `decompressor`, which was started, gives. `is_started` is what its `start` said.
template <class Decompressor>
Image decompressed(Decompressor& decompressor, bool is_started, const ImageFacts& facts, const std::string& file,
                   const ImageOptions& options) {
  const auto refuse = [&] {
    throw FileError(file, "", text("damaged data (", decompressor.problem(), ")"), "a whole image");
  };
  if (!is_started) refuse();
  const int stored = decompressor.channels();
  if (decompressor.width() != facts.width || decompressor.height() != facts.height || stored < 1 || stored > 4)
    throw FileError(file, "", "a header that contradicts the data", "a whole image");
  if (stored == options.channels) {
    Image out(facts.width, facts.height, options.channels);
    if (!decompressor.read(out.pixels.data())) refuse();
    return out;
  }
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(facts.width * facts.height * stored));
  if (!decompressor.read(pixels.data())) refuse();
  return convert_channels(pixels.data(), facts, stored, options.channels);
}
#endif

#ifdef MIEN_WITH_LIBJPEG
struct LibjpegDecoder {
  static Image decode(std::span<const std::byte> bytes, const ImageFacts& facts, const std::string& file,
                      const ImageOptions& options) {
    JpegDecompressor decompressor(decoding_budget(facts, bytes.size()));
    const bool is_started = decompressor.start(bytes);
    return decompressed(decompressor, is_started, facts, file, options);
  }
};
using JpegDecoder = LibjpegDecoder;
#else
using JpegDecoder = StbDecoder;
#endif

#ifdef MIEN_WITH_LIBPNG
struct LibpngDecoder {
  static Image decode(std::span<const std::byte> bytes, const ImageFacts& facts, const std::string& file,
                      const ImageOptions& options) {
    PngDecompressor decompressor(bytes);
    const bool is_started = decompressor.start(decoding_budget(facts, bytes.size()));
    return decompressed(decompressor, is_started, facts, file, options);
  }
};
using PngDecoder = LibpngDecoder;
#else
using PngDecoder = StbDecoder;
#endif

/// The picture as it was seen, by EXIF's number of how the camera was held.
inline Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool is_transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(is_transposed ? image.height : image.width, is_transposed ? image.width : image.height, image.channels);
  for (Index y = 0; y < out.height; ++y)
    for (Index x = 0; x < out.width; ++x) {
      const Index across = is_transposed ? y : x;
      const Index down = is_transposed ? x : y;
      const std::uint8_t* const from =
          image.at(from_right ? image.width - 1 - across : across, from_below ? image.height - 1 - down : down);
      std::copy_n(from, image.channels, out.at(x, y));
    }
  return out;
}

inline void check_image_argument(const Image& image, std::string_view caller) {
  const bool sane = image.width >= 1 && image.height >= 1 && (image.channels == 1 || image.channels == 3) &&
                    image.width <= Image::max_pixels / image.height &&
                    static_cast<Index>(image.pixels.size()) == image.width * image.height * image.channels;
  if (!sane)
    throw ValueError(text(caller, ": ", image.pixels.size(), " bytes are no image of ", image.width, " x ",
                          image.height, " with ", image.channels, " channels"));
}

inline void append_encoded(void* context, void* data, int size) {
  auto& out = *static_cast<std::vector<std::byte>*>(context);
  const auto* first = static_cast<const std::byte*>(data);
  out.insert(out.end(), first, first + size);
}

/// Runs one of stb's encoders with the memory that it may need.
template <class Encode>
std::vector<std::byte> encode(const Image& image, std::string_view caller, Encode encode_to) {
  check_image_argument(image, caller);
  const StbSession session(8 * image.pixels.size() + (std::size_t{1} << 20));
  std::vector<std::byte> out;
  if (encode_to(&append_encoded, static_cast<void*>(&out)) == 0)
    throw Error(text(caller, ": an image of ", image.width, " x ", image.height, " could not be encoded"));
  return out;
}

/// For every place of a resized axis: the first source place that counts, and the weights from there on.
struct ResizeTaps {
  Index first = 0;
  std::vector<float> weights;
};

/// A triangle as wide as two source pixels, or as two target pixels where the picture shrinks, so that every source
/// pixel counts. Pixel centres lie at half numbers.
inline std::vector<ResizeTaps> resize_taps(Index from, Index to) {
  std::vector<ResizeTaps> taps(static_cast<std::size_t>(to));
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double radius = std::max(scale, 1.0);
  for (Index i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    const Index begin = std::max<Index>(0, static_cast<Index>(std::ceil(centre - radius)));
    const Index end = std::min<Index>(from - 1, static_cast<Index>(std::floor(centre + radius)));
    ResizeTaps& tap = taps[static_cast<std::size_t>(i)];
    tap.first = begin;
    double sum = 0;
    for (Index source = begin; source <= end; ++source)
      sum += std::max(0.0, 1.0 - std::abs(static_cast<double>(source) - centre) / radius);
    for (Index source = begin; source <= end; ++source) {
      const double weight = std::max(0.0, 1.0 - std::abs(static_cast<double>(source) - centre) / radius);
      tap.weights.push_back(static_cast<float>(weight / sum));
    }
  }
  return taps;
}

inline std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
}

}  // namespace detail

/// Decodes an image in memory. `file` is only named in errors. Throws FileError; see `read_image`.
///
/// JPEGs and PNGs are decoded by libjpeg and libpng where the program is built with them (docs/install.md), else by
/// stb_image, after the same checks. PNGs give the same pixels, JPEGs such that differ by a rounding step. The
/// parameters make these different functions to the linker, so that files compiled with the libraries and without them
/// can be in one program.
template <class Jpeg = detail::JpegDecoder, class Png = detail::PngDecoder>
Image decode_image(std::span<const std::byte> bytes, const ImageOptions& options = {},
                   const std::filesystem::path& file = "image in memory") {
  if (options.channels != 1 && options.channels != 3)
    throw ValueError(detail::text("images are read with 1 or 3 channels, not ", options.channels));
  const std::string name = file.string();
  const auto format = detail::image_format(bytes, file);
  if (format == detail::ImageFormat::pnm) return detail::decode_pnm(detail::ImageReader(bytes, name), name, options);
  const auto facts = detail::check_image(format, bytes, name);
  detail::check_pixel_count(facts, options, name);
  const auto decode = [&]<class Decoder>(Decoder) {
    return detail::upright(Decoder::decode(bytes, facts, name, options), facts.orientation);
  };
  if (format == detail::ImageFormat::jpeg) return decode(Jpeg());
  if (format == detail::ImageFormat::png) return decode(Png());
  return decode(detail::StbDecoder());
}

/// Reads a PNG, JPEG, BMP or binary PGM/PPM image; the file's first bytes decide, not its name. Grey becomes RGB and
/// RGB becomes grey as asked for, transparency is laid over black, 16-bit samples keep their upper byte, and a JPEG
/// or a PNG is turned as its EXIF data say. Files are checked before they are decoded: a damaged, cut or hostile file,
/// CMYK, other formats and pictures beyond `max_pixels` throw FileError.
template <class Jpeg = detail::JpegDecoder, class Png = detail::PngDecoder>
Image read_image(const std::filesystem::path& path, const ImageOptions& options = {}) {
  return decode_image<Jpeg, Png>(read_file(path, std::uint64_t{1} << 30), options, path);
}

/// The bytes of a PNG file.
inline std::vector<std::byte> encode_png(const Image& image) {
  return detail::encode(image, "encode_png", [&](auto* write, void* context) {
    return detail::stb::stbi_write_png_to_func(write, context, static_cast<int>(image.width),
                                               static_cast<int>(image.height), static_cast<int>(image.channels),
                                               image.pixels.data(), static_cast<int>(image.width * image.channels));
  });
}

/// The bytes of a JPEG file; quality from 1 to 100. Throws ValueError for a side beyond 65535, which the format cannot
/// say.
inline std::vector<std::byte> encode_jpeg(const Image& image, int quality = 90) {
  constexpr Index max_side = 65535;
  if (quality < 1 || quality > 100) throw ValueError(detail::text("encode_jpeg: quality ", quality, " of 1 to 100"));
  if (image.width > max_side || image.height > max_side)
    throw ValueError(
        detail::text("encode_jpeg: ", image.width, " x ", image.height, " pixels, at most ", max_side, " a side"));
  return detail::encode(image, "encode_jpeg", [&](auto* write, void* context) {
    return detail::stb::stbi_write_jpg_to_func(write, context, static_cast<int>(image.width),
                                               static_cast<int>(image.height), static_cast<int>(image.channels),
                                               image.pixels.data(), quality);
  });
}

/// Writes a PNG file as a whole or not at all; see `write_file`.
inline void write_png(const std::filesystem::path& path, const Image& image) { write_file(path, encode_png(image)); }

/// The image in another size, each axis on its own: bilinear where it grows; where it shrinks, every source pixel
/// counts, weighted by a triangle over two target pixels, so that fine patterns don't alias.
inline Image resize(const Image& image, Index width, Index height) {
  detail::check_image_argument(image, "resize");
  if (width == image.width && height == image.height) return image;
  Image out(width, height, image.channels);
  const Index channels = image.channels;
  const auto columns = detail::resize_taps(image.width, width);
  const auto rows = detail::resize_taps(image.height, height);

  const auto row_size = static_cast<std::size_t>(width * channels);
  std::vector<float> narrowed(static_cast<std::size_t>(image.height) * row_size);
  for (Index y = 0; y < image.height; ++y) {
    float* to = narrowed.data() + static_cast<std::size_t>(y) * row_size;
    for (const auto& tap : columns) {
      for (Index c = 0; c < channels; ++c) {
        const std::uint8_t* from = image.at(tap.first, y) + c;
        float sum = 0;
        for (const float weight : tap.weights) {
          sum += weight * static_cast<float>(*from);
          from += channels;
        }
        *to++ = sum;
      }
    }
  }
  std::vector<float> sums(row_size);
  for (Index y = 0; y < height; ++y) {
    const auto& tap = rows[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 0.0f);
    const float* from = narrowed.data() + static_cast<std::size_t>(tap.first) * row_size;
    for (const float weight : tap.weights) {
      for (std::size_t i = 0; i < row_size; ++i) sums[i] += weight * from[i];
      from += row_size;
    }
    std::transform(sums.begin(), sums.end(), out.at(0, y), detail::to_byte);
  }
  return out;
}

/// The rectangle of `width` x `height` whose upper left pixel is (x, y). It may reach over the image's edges or lie
/// outside: what the image does not cover is black.
inline Image crop(const Image& image, Index x, Index y, Index width, Index height) {
  detail::check_image_argument(image, "crop");
  Image out(width, height, image.channels);
  const Index left = std::clamp<Index>(x, 0, image.width);
  const Index right = std::clamp<Index>(x > image.width - width ? image.width : x + width, left, image.width);
  const Index top = std::clamp<Index>(y, 0, image.height);
  const Index bottom = std::clamp<Index>(y > image.height - height ? image.height : y + height, top, image.height);
  if (left == right) return out;
  for (Index row = top; row < bottom; ++row)
    std::copy_n(image.at(left, row), (right - left) * image.channels, out.at(left - x, row - y));
  return out;
}

/// How the bytes of a pixel follow each other in memory. A fourth one, alpha or nothing, is left out of images and is
/// 255 in pixels that are copied from them.
enum class PixelOrder { rgb, bgr, rgba, bgra, grey };

/// Where the pixels of a picture lie in somebody's memory: that of cv::Mat, a camera's driver, GStreamer, Qt.
struct PixelLayout {
  Index width = 0;
  Index height = 0;
  PixelOrder order = PixelOrder::rgb;
  /// From the first byte of a row to the first of the row below it; 0: rows follow each other without gaps. Negative
  /// for pictures that lie in memory from the bottom up, whose upper row is the last.
  Index row_bytes = 0;
  Index buffer_bytes = 0;  ///< how many there are, where that is known: too few are refused
};

namespace detail {

using CopyRow = void (*)(const std::uint8_t* from, Index width, std::uint8_t* to);

/// Rows that are the same in images.
template <Index Bytes>
void copy_row(const std::uint8_t* from, Index width, std::uint8_t* to) {
  std::memcpy(to, from, static_cast<std::size_t>(width * Bytes));
}

/// A row of RGB of pixels of `Bytes` bytes, green being the second and red the one at `Red`.
template <Index Bytes, Index Red>
void copy_row_to_rgb(const std::uint8_t* from, Index width, std::uint8_t* to) {
  for (Index x = 0; x < width; ++x, from += Bytes, to += 3) {
    const std::uint8_t red = from[Red];
    const std::uint8_t green = from[1];
    const std::uint8_t blue = from[2 - Red];
    to[0] = red;
    to[1] = green;
    to[2] = blue;
  }
}

/// The way back.
template <Index Bytes, Index Red>
void copy_row_of_rgb(const std::uint8_t* from, Index width, std::uint8_t* to) {
  for (Index x = 0; x < width; ++x, from += 3, to += Bytes) {
    const std::uint8_t red = from[0];
    const std::uint8_t green = from[1];
    const std::uint8_t blue = from[2];
    to[Red] = red;
    to[1] = green;
    to[2 - Red] = blue;
    if constexpr (Bytes == 4) to[3] = 255;
  }
}

/// What an order means for a row.
struct PixelForm {
  Index bytes;     ///< of a pixel in the buffer
  Index channels;  ///< of the image
  CopyRow to_image;
  CopyRow of_image;
};

inline PixelForm pixel_form(PixelOrder order) {
  switch (order) {
    case PixelOrder::rgb:
      return {3, 3, copy_row<3>, copy_row<3>};
    case PixelOrder::bgr:
      return {3, 3, copy_row_to_rgb<3, 2>, copy_row_of_rgb<3, 2>};
    case PixelOrder::rgba:
      return {4, 3, copy_row_to_rgb<4, 0>, copy_row_of_rgb<4, 0>};
    case PixelOrder::bgra:
      return {4, 3, copy_row_to_rgb<4, 2>, copy_row_of_rgb<4, 2>};
    case PixelOrder::grey:
      return {1, 1, copy_row<1>, copy_row<1>};
  }
  throw ValueError(text("copy_pixels: ", static_cast<int>(order), " is no PixelOrder"));
}

/// The bytes from row to row of a buffer that may hold such a picture.
inline Index checked_row_bytes(const void* pixels, const PixelLayout& layout, Index pixel_bytes) {
  const Index width = layout.width;
  const Index height = layout.height;
  if (width < 1 || height < 1 || width > Image::max_pixels / height)
    throw ValueError(text("copy_pixels: no image can be ", width, " x ", height));
  if (pixels == nullptr)
    throw ValueError(text("copy_pixels: found a null pointer, expected ", width, " x ", height, " pixels"));
  const Index row = width * pixel_bytes;
  const Index step = layout.row_bytes == 0 ? row : layout.row_bytes;
  // No more than that, so that the place of every row is a number.
  const Index farthest = std::numeric_limits<Index>::max() / height;
  if ((step > -row && step < row) || step > farthest || step < -farthest)
    throw ValueError(text("copy_pixels: found rows ", step, " bytes apart, expected ", row, " or more for ", width,
                          " pixels of ", pixel_bytes, " bytes"));
  const Index needed = (height - 1) * std::abs(step) + row;
  if (layout.buffer_bytes != 0 && layout.buffer_bytes < needed)
    throw ValueError(text("copy_pixels: found a buffer of ", layout.buffer_bytes, " bytes, expected ", needed, " for ",
                          height, " rows of ", row, " bytes, ", step, " apart"));
  return step;
}

}  // namespace detail

/// Copies pixels that somebody else keeps into an image, RGB or grey, whose memory is used again if it has the same
/// size: a program that does so for each of a camera's frames asks for none. `pixels` is the first byte of the upper
/// row. Throws ValueError for a null pointer, a size that no image has, rows that are closer together than they are
/// long, and a buffer that ends too early; the image is then as it was.
inline void copy_pixels(const void* pixels, const PixelLayout& layout, Image& to) {
  const detail::PixelForm form = detail::pixel_form(layout.order);
  const Index step = detail::checked_row_bytes(pixels, layout, form.bytes);
  to.pixels.resize(static_cast<std::size_t>(layout.width * layout.height * form.channels));
  to.width = layout.width;
  to.height = layout.height;
  to.channels = form.channels;
  const auto* const first = static_cast<const std::uint8_t*>(pixels);
  for (Index y = 0; y < to.height; ++y) form.to_image(first + y * step, to.width, to.at(0, y));
}

/// A new image of pixels that somebody else keeps; see `copy_pixels`.
inline Image image_from_pixels(const void* pixels, const PixelLayout& layout) {
  Image out;
  copy_pixels(pixels, layout, out);
  return out;
}

/// Copies an image into somebody's memory; what lies between the rows stays as it is. Throws ValueError as above, and
/// for a layout of another size, or in grey for an image in colour and the other way round.
inline void copy_pixels(const Image& image, void* pixels, const PixelLayout& layout) {
  detail::check_image_argument(image, "copy_pixels");
  const detail::PixelForm form = detail::pixel_form(layout.order);
  if (layout.width != image.width || layout.height != image.height || form.channels != image.channels)
    throw ValueError(detail::text("copy_pixels: found an image of ", image.width, " x ", image.height, " with ",
                                  image.channels, " channels, expected ", layout.width, " x ", layout.height, " with ",
                                  form.channels));
  const Index step = detail::checked_row_bytes(pixels, layout, form.bytes);
  auto* const first = static_cast<std::uint8_t*>(pixels);
  for (Index y = 0; y < image.height; ++y) form.of_image(image.at(0, y), image.width, first + y * step);
}

/// [height, width, channels], 0..255 mapped to 0..1.
inline Tensor<float> to_tensor(const Image& image) {
  detail::check_image_argument(image, "to_tensor");
  Tensor<float> out({image.height, image.width, image.channels});
  std::transform(image.pixels.begin(), image.pixels.end(), out.data(),
                 [](std::uint8_t value) { return static_cast<float>(value) / 255.0f; });
  return out;
}

/// The image of a tensor [height, width, 1 or 3]; values are clamped to 0..1 and rounded. Throws ShapeError for other
/// shapes, ValueError for NaN.
inline Image to_image(const Tensor<float>& tensor) {
  if (tensor.rank() != 3 || (tensor.size(2) != 1 && tensor.size(2) != 3) || tensor.empty())
    throw ShapeError(detail::text("to_image: shape ", tensor.shape(), " is not [height, width, 1 or 3]"));
  Image out(tensor.size(1), tensor.size(0), tensor.size(2));
  const auto tight = tensor.contiguous();
  std::transform(tight.data(), tight.data() + tight.elements(), out.pixels.begin(), [](float value) {
    if (std::isnan(value)) throw ValueError("to_image: the tensor holds NaN");
    return detail::to_byte(std::clamp(value, 0.0f, 1.0f) * 255.0f);
  });
  return out;
}

}  // namespace mien::io
