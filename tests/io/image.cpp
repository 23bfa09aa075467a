#include <mien/io/image.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <zlib.h>

#include <mien/build_info.hpp>
#include <mien/core/random.hpp>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using io::Image;

namespace {

const std::filesystem::path data_folder = std::filesystem::path(MIEN_TEST_DATA_DIR) / "io";

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Image decode(std::string_view text, const io::ImageOptions& options = {}) {
  return io::decode_image(bytes_of(text), options);
}

std::string refusal(std::string_view text, const std::string& name = "a.png", const io::ImageOptions& options = {}) {
  return message_of<FileError>([&] { io::decode_image(bytes_of(text), options, name); });
}

/// What stb_image makes of it, whichever decoders the program has.
Image decode_by_stb(std::string_view text, const io::ImageOptions& options = {}) {
  return io::decode_image<io::detail::StbDecoder, io::detail::StbDecoder>(bytes_of(text), options);
}

constexpr bool has_libjpeg = !std::is_same_v<io::detail::JpegDecoder, io::detail::StbDecoder>;
constexpr bool has_libpng = !std::is_same_v<io::detail::PngDecoder, io::detail::StbDecoder>;

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift & 0xff);
  return out;
}

std::string little_endian(std::uint32_t value, int bytes = 4) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xff);
  return out;
}

std::string chunk(const std::string& type, const std::string& content) {
  const std::string checked = type + content;
  const auto sum = ::crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
  return big_endian(static_cast<std::uint32_t>(content.size())) + checked + big_endian(static_cast<std::uint32_t>(sum));
}

std::string png_header(std::uint32_t width, std::uint32_t height, int bits, int colour) {
  const std::string kinds = {static_cast<char>(bits), static_cast<char>(colour), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(width) + big_endian(height) + kinds);
}

/// A PNG of rows that are given with their leading filter bytes.
std::string png(std::uint32_t width, std::uint32_t height, int bits, int colour, const std::string& rows,
                const std::string& before_data = "") {
  std::string packed(::compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  REQUIRE(::compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                     rows.size()) == Z_OK);
  packed.resize(size);
  return png_header(width, height, bits, colour) + before_data + chunk("IDAT", packed) + chunk("IEND", "");
}

/// EXIF data that state an orientation, with the most significant byte first.
std::string motorola(char orientation) {
  using namespace std::string_literals;
  return "MM\0*\0\0\0\x08\0\2\1\x0f\0\2\0\0\0\1\0\0\0\0\1\x12\0\3\0\0\0\1\0"s + orientation + "\0\0\0\0\0\0"s;
}

/// The same with the least significant byte first.
std::string intel(char orientation) {
  using namespace std::string_literals;
  return "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0"s + orientation + "\0\0\0\0\0\0\0"s;
}

std::string bmp(std::int32_t width, std::int32_t height, std::uint32_t bits, const std::string& palette,
                const std::string& pixels) {
  const auto offset = static_cast<std::uint32_t>(54 + palette.size());
  return "BM" + little_endian(0) + little_endian(0) + little_endian(offset) + little_endian(40) +
         little_endian(static_cast<std::uint32_t>(width)) + little_endian(static_cast<std::uint32_t>(height)) +
         little_endian(1, 2) + little_endian(bits, 2) + std::string(24, '\0') + palette + pixels;
}

Image random_image(Index width, Index height, Index channels) {
  Generator generator(7);
  Image image(width, height, channels);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(generator.below(256));
  return image;
}

/// The picture that tests/data/io holds in several forms.
Image pattern() {
  Image image(19, 13, 3, 128);
  for (Index y = 0; y < 13; ++y)
    for (Index x = 0; x < 19; ++x) {
      image.at(x, y)[0] = static_cast<std::uint8_t>(x * 255 / 18);
      image.at(x, y)[1] = static_cast<std::uint8_t>(y * 255 / 12);
    }
  return image;
}

int greatest_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int greatest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) greatest = std::max(greatest, std::abs(a.pixels[i] - b.pixels[i]));
  return greatest;
}

std::string file_text(const std::string& name) { return io::read_text(data_folder / name); }

}  // namespace

TEST_CASE("a PNG that is written is read again to the bit") {
  const TemporaryFolder folder;
  for (const Index channels : {1, 3})
    for (const auto& [width, height] : {std::pair<Index, Index>{1, 1}, {1, 7}, {65, 31}, {300, 2}}) {
      const Image image = random_image(width, height, channels);
      const auto path = folder / "é a.png";
      io::write_png(path, image);
      const Image read = io::read_image(path, {.channels = channels});
      CHECK(read.width == width);
      CHECK(read.height == height);
      CHECK(read.channels == channels);
      CHECK(read.pixels == image.pixels);
    }
}

TEST_CASE("JPEGs of all common forms are read") {
  const Image expected = pattern();
  for (const auto* name : {"baseline.jpg", "restart.jpg", "progressive.jpg"}) {
    CAPTURE(name);
    const Image image = io::read_image(data_folder / name);
    CHECK(image.width == 19);
    CHECK(image.height == 13);
    CHECK(greatest_difference(image, expected) < 24);
  }
  const Image grey = io::read_image(data_folder / "grey.jpg", {.channels = 1});
  CHECK(std::abs(*grey.at(18, 5) - 255) < 8);
  CHECK(std::abs(*grey.at(9, 12) - 127) < 8);
  CHECK(contains(message_of<FileError>([] { io::read_image(data_folder / "cmyk.jpg"); }), "CMYK"));
}

TEST_CASE("a JPEG that is written is read again nearly as it was") {
  const Image image = pattern();
  const Image fine = io::decode_image(io::encode_jpeg(image, 98));
  CHECK(greatest_difference(fine, image) < 12);
  CHECK(io::encode_jpeg(random_image(65, 31, 3), 20).size() < io::encode_jpeg(random_image(65, 31, 3), 95).size());
  CHECK(io::decode_image(io::encode_jpeg(random_image(7, 1, 1)), {.channels = 1}).width == 7);
  CHECK_THROWS_AS(io::encode_jpeg(image, 0), ValueError);
  CHECK_THROWS_AS(io::encode_jpeg(image, 101), ValueError);
  CHECK_THROWS_AS(io::encode_jpeg(Image(65536, 1, 1)), ValueError);
  CHECK_THROWS_AS(io::encode_jpeg(Image(1, 65536, 1)), ValueError);
  CHECK_FALSE(io::encode_jpeg(Image(65535, 1, 1)).empty());
}

TEST_CASE("PNGs of other kinds become grey or RGB, transparency over black") {
  using namespace std::string_literals;
  const auto grey16 = decode(png(2, 1, 16, 0, "\0\x80\x12\xff\xff"s));
  CHECK(grey16.pixels == std::vector<std::uint8_t>{0x80, 0x80, 0x80, 0xff, 0xff, 0xff});
  const auto grey_alpha = decode(png(2, 1, 8, 4, "\0\xc8\x80\xc8\xff"s));
  CHECK(grey_alpha.pixels == std::vector<std::uint8_t>{100, 100, 100, 200, 200, 200});
  const auto rgba = decode(png(1, 2, 8, 6, "\0\x0a\x14\x1e\x00\0\x0a\x14\x1e\xff"s));
  CHECK(rgba.pixels == std::vector<std::uint8_t>{0, 0, 0, 10, 20, 30});
  const auto palette = decode(png(2, 1, 8, 3, "\0\1\0"s, chunk("PLTE", "\x01\x02\x03\xc8\x64\x32")));
  CHECK(palette.pixels == std::vector<std::uint8_t>{200, 100, 50, 1, 2, 3});
  const auto grey = decode(png(1, 1, 8, 2, "\0\xc8\x64\x32"s), {.channels = 1});
  CHECK(grey.pixels ==
        std::vector<std::uint8_t>{static_cast<std::uint8_t>(0.299 * 200 + 0.587 * 100 + 0.114 * 50 + 0.5)});
}

TEST_CASE("BMP and PNM are read") {
  using namespace std::string_literals;
  const auto rgb = decode(bmp(1, 2, 24, "", "\x1e\x14\x0a\0\x03\x02\x01\0"s));
  CHECK(rgb.pixels == std::vector<std::uint8_t>{1, 2, 3, 10, 20, 30});
  const auto downwards = decode(bmp(1, -2, 24, "", "\x1e\x14\x0a\0\x03\x02\x01\0"s));
  CHECK(downwards.pixels == std::vector<std::uint8_t>{10, 20, 30, 1, 2, 3});
  const auto palette = decode(bmp(3, 1, 8, "\x03\x02\x01\0\x1e\x14\x0a\0"s, "\1\0\1\0"s));
  CHECK(palette.pixels == std::vector<std::uint8_t>{10, 20, 30, 1, 2, 3, 10, 20, 30});
  CHECK(decode("P6 # a comment\n1 1\n255\n\x0a\x14\x1e").pixels == std::vector<std::uint8_t>{10, 20, 30});
  CHECK(decode("P5\n2 1\n100\n\x32\x64", {.channels = 1}).pixels == std::vector<std::uint8_t>{128, 255});
  CHECK(decode("P5 1 1 65535\n\x80\x80", {.channels = 1}).pixels == std::vector<std::uint8_t>{128});
}

TEST_CASE("what is no image is told apart, and a name that lies is named") {
  CHECK(contains(refusal("<!DOCTYPE html><html>", "photo.jpg"), "HTML"));
  CHECK(contains(refusal("\n <HTML>", "photo.jpg"), "HTML"));
  CHECK(contains(refusal("<!DOCTYPE html><html>", "photo.jpg"), "under the extension .jpg"));
  CHECK(contains(refusal("GIF89a"), "GIF"));
  CHECK(contains(refusal(""), "empty"));
  CHECK(contains(refusal("plain text"), "no image"));
  const TemporaryFolder folder;
  const auto png_named_jpg = folder / "a.jpg";
  io::write_png(png_named_jpg, Image(3, 2, 3, 9));
  CHECK(io::read_image(png_named_jpg).width == 3);
  CHECK(contains(message_of<FileError>([&] { io::read_image(folder / "b.jpg"); }), "b.jpg"));
  CHECK_THROWS_AS(io::read_image(png_named_jpg, {.channels = 4}), ValueError);
}

TEST_CASE("sizes are checked before anything is decoded") {
  const std::string tall = png(40, 50, 8, 0, std::string(41 * 50, '\0'));
  CHECK(decode(tall, {.max_pixels = 2000}).height == 50);
  CHECK(contains(refusal(tall, "a.png", {.max_pixels = 1999}), "40 x 50"));
  CHECK(contains(refusal(tall, "a.png", {.max_pixels = 1999}), "max_pixels"));
  CHECK(refusal(png(16385, 1, 8, 0, "")) != "nothing thrown");
  CHECK(refusal(png(0, 1, 8, 0, "")) != "nothing thrown");
  CHECK(refusal(png(16384, 16384, 8, 6, "")) != "nothing thrown");
  CHECK(refusal("P6 16384 16384 255\n") != "nothing thrown");
  CHECK(refusal("P6 99999999999 1 255\n") != "nothing thrown");
  CHECK(refusal(bmp(std::numeric_limits<std::int32_t>::min(), 1, 24, "", "")) != "nothing thrown");
  CHECK(refusal(bmp(1, std::numeric_limits<std::int32_t>::min(), 24, "", "")) != "nothing thrown");
}

TEST_CASE("PNG chunks are checked") {
  const std::string good = png(2, 2, 8, 0, std::string(6, '\0'));
  CHECK(refusal(good) == "nothing thrown");
  const std::string header = png_header(2, 2, 8, 0);
  const std::string end = chunk("IEND", "");
  // A chunk that says two gigabytes made the decoder ask for as much.
  CHECK(refusal(header + big_endian(0x7fffffff) + "IDAT") != "nothing thrown");
  CHECK(contains(refusal(header + end), "IDAT"));
  CHECK(refusal(header + chunk("IDAT", "x")) != "nothing thrown");
  CHECK(refusal(header + chunk("IDAT", "x") + end) != "nothing thrown");
  CHECK(refusal("\x89PNG\r\n\x1a\n" + chunk("IDAT", "x") + end) != "nothing thrown");
  CHECK(refusal(png(2, 2, 8, 0, std::string(6, '\0'), header.substr(8))) != "nothing thrown");
  CHECK(refusal(png(2, 2, 8, 3, std::string(6, '\0'), chunk("PLTE", std::string(771, '\0')))) != "nothing thrown");
  CHECK(refusal(png(2, 2, 8, 0, std::string(3, '\0'))) != "nothing thrown");
  auto damaged = good;
  damaged[damaged.size() - 20] ^= 1;
  CHECK(contains(refusal(damaged), "checksum"));
}

TEST_CASE("JPEG tables are checked") {
  const std::string good = file_text("baseline.jpg");
  const std::size_t tables = good.find("\xff\xc4");
  REQUIRE(tables != std::string::npos);
  auto too_many = good;
  for (std::size_t i = 0; i < 16; ++i) too_many[tables + 5 + i] = '\xff';
  CHECK(contains(refusal(too_many, "a.jpg"), "Huffman"));
  auto no_prefix_code = good;
  no_prefix_code[tables + 5] = 3;
  CHECK(contains(refusal(no_prefix_code, "a.jpg"), "Huffman"));

  const std::size_t scan = good.find("\xff\xda");
  CHECK(contains(refusal(good.substr(0, tables) + good.substr(scan), "a.jpg"), "tables"));
  const std::size_t frame = good.find("\xff\xc0");
  CHECK(refusal(good.substr(0, frame) + good.substr(scan), "a.jpg") != "nothing thrown");
  const std::string frame_segment = good.substr(frame, 19);
  CHECK(contains(refusal(good.substr(0, scan) + frame_segment + good.substr(scan), "a.jpg"), "second frame"));
  CHECK(contains(refusal(good.substr(0, good.size() - 2), "a.jpg"), "too early"));
  CHECK(refusal("\xff" + good, "a.jpg") != "nothing thrown");
}

TEST_CASE("PNGs give the same pixels whoever decodes them") {
  using namespace std::string_literals;
  const auto transparent = [](const std::string& content) { return chunk("tRNS", content); };
  const std::string colours = chunk("PLTE", "\x01\x02\x03\xc8\x64\x32\x09\x08\x07\xff\xfe\xfd");
  // Interlaced by Adam7: of two pixels the first comes in the first pass, the second in the sixth.
  const std::string interlaced = "\x89PNG\r\n\x1a\n" + chunk("IHDR", "\0\0\0\2\0\0\0\1\x08\0\0\0\1"s) +
                                 png(2, 1, 8, 0, "\0\x40\0\x80"s).substr(33);
  const std::vector<std::pair<std::string, std::vector<std::uint8_t>>> files{
      {png(2, 1, 16, 2, "\0\x80\x12\xff\xff\1\2\x80\x13\xff\xff\1\2"s, transparent("\x80\x12\xff\xff\1\2")),
       {0, 0, 0, 0x80, 0xff, 1}},
      {png(1, 1, 16, 4, "\0\xc8\x11\x80\x22"s), {100, 100, 100}},
      {png(2, 1, 8, 0, "\0\xc8\xc9"s, transparent("\0\xc8"s)), {0, 0, 0, 0xc9, 0xc9, 0xc9}},
      {png(4, 1, 2, 0, "\0\x1b"s), {0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255}},
      {png(4, 1, 1, 0, "\0\xa0"s), {255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0}},
      {png(2, 1, 4, 3, "\0\x13"s, colours + transparent("\xff\x80")), {100, 50, 25, 255, 254, 253}},
      {interlaced, {0x40, 0x40, 0x40, 0x80, 0x80, 0x80}}};
  for (std::size_t i = 0; i < files.size(); ++i) {
    CAPTURE(i);
    CHECK(decode(files[i].first).pixels == files[i].second);
    CHECK(decode_by_stb(files[i].first).pixels == files[i].second);
    CHECK(decode(files[i].first, {.channels = 1}).pixels == decode_by_stb(files[i].first, {.channels = 1}).pixels);
  }
  for (const auto& [width, height] : {std::pair<Index, Index>{1, 1}, {65, 31}, {300, 2}}) {
    const auto written = io::encode_png(random_image(width, height, 3));
    const std::string_view text(reinterpret_cast<const char*>(written.data()), written.size());
    CHECK(decode(text, {.channels = 1}).pixels == decode_by_stb(text, {.channels = 1}).pixels);
  }
}

TEST_CASE("what a PNG says besides its pixels is no reason to refuse it") {
  using namespace std::string_literals;
  for (const std::string& beside :
       {chunk("gAMA", std::string(4, '\0')), chunk("iCCP", "no profile"), chunk("tEXt", "x"), chunk("zTXt", "no text"),
        chunk("sRGB", "\x09"), chunk("prVt", "whatever")})
    CHECK(decode(png(1, 1, 8, 0, "\0\x40"s, beside)).pixels == std::vector<std::uint8_t>{0x40, 0x40, 0x40});
}

TEST_CASE("what a program is built with tells its decoders") {
  CHECK(build_info().io);
  CHECK(std::string(build_info().jpeg_decoder) == (has_libjpeg ? "libjpeg" : "stb_image"));
  CHECK(std::string(build_info().png_decoder) == (has_libpng ? "libpng" : "stb_image"));
  CHECK(contains(build_info().to_string(), std::string("mien ") + version() + ": JPEG by "));
}

TEST_CASE("JPEGs differ by rounding where they are decoded by libjpeg and by stb_image") {
  for (const auto* name : {"baseline.jpg", "restart.jpg", "progressive.jpg", "grey.jpg"}) {
    CAPTURE(name);
    CHECK(greatest_difference(decode(file_text(name)), decode_by_stb(file_text(name))) <= 3);
  }
}

TEST_CASE("damaged data are an error, not a picture with grey blocks") {
  // The coded data end in their middle, and the end marker stands right behind.
  const std::string good = file_text("baseline.jpg");
  const std::size_t scan = good.find("\xff\xda");
  const std::string cut = good.substr(0, scan + 14 + (good.size() - scan) / 3) + "\xff\xd9";
  if (has_libjpeg) CHECK(contains(refusal(cut, "a.jpg"), "a.jpg: found damaged data ("));
  const std::string rows_missing = png(2, 2, 8, 0, std::string(3, '\0'));
  CHECK(contains(refusal(rows_missing), "a.png: found damaged data ("));
  // A row filter that there is not.
  const std::string strange_filter = png(2, 2, 8, 0, std::string("\0ab\x09xy", 6));
  if (has_libpng) CHECK(contains(refusal(strange_filter), "damaged data (bad adaptive filter value)"));
}

TEST_CASE("a JPEG is turned as its EXIF data say") {
  using namespace std::string_literals;
  const std::string file = file_text("baseline.jpg");
  const Image stored = decode(file);
  const auto with_exif = [&](const std::string& tiff) {
    const std::string content = "Exif\0\0"s + tiff;
    const auto length = static_cast<std::uint32_t>(content.size() + 2);
    return file.substr(0, 2) + "\xff\xe1" + static_cast<char>(length >> 8) + static_cast<char>(length & 0xff) +
           content + file.substr(2);
  };
  // By the standard's words: on which side the first row and the first column are seen.
  struct Sides {
    bool rows_down;      // the first row is above or below, else left or right
    bool first_row_far;  // below or right
    bool first_column_far;
  };
  const std::vector<Sides> sides{{true, false, false}, {true, false, true},   {true, true, true},
                                 {true, true, false},  {false, false, false}, {false, true, false},
                                 {false, true, true},  {false, false, true}};
  for (std::size_t i = 0; i < sides.size(); ++i) {
    const auto orientation = static_cast<char>(i + 1);
    CAPTURE(i);
    const Image seen = decode(with_exif(motorola(orientation)));
    CHECK(seen.width == (sides[i].rows_down ? stored.width : stored.height));
    CHECK(seen.height == (sides[i].rows_down ? stored.height : stored.width));
    bool all_equal = true;
    for (Index y = 0; y < stored.height; ++y)
      for (Index x = 0; x < stored.width; ++x) {
        const Index row = sides[i].first_row_far ? stored.height - 1 - y : y;
        const Index column = sides[i].first_column_far ? stored.width - 1 - x : x;
        const std::uint8_t* const at = sides[i].rows_down ? seen.at(column, row) : seen.at(row, column);
        all_equal = all_equal && std::equal(at, at + 3, stored.at(x, y));
      }
    CHECK(all_equal);
    CHECK(decode(with_exif(intel(orientation))).pixels == seen.pixels);
    CHECK(decode_by_stb(with_exif(intel(orientation))).width == seen.width);
  }
  for (const std::string& nonsense : {motorola(9), motorola(0), motorola(6).substr(0, 20), intel(6).substr(0, 9), ""s,
                                      "II*\0\xff\xff\xff\xff"s, "XX*\0\x08\0\0\0"s})
    CHECK(decode(with_exif(nonsense)).pixels == stored.pixels);
}

TEST_CASE("a PNG is turned as its EXIF data say, by both decoders") {
  using namespace std::string_literals;
  // Two rows of three; where each pixel is seen is told by what a JPEG of the same orientation does.
  const std::string rows = "\0\1\2\3\0\4\5\6"s;
  const auto with_exif = [&](const std::string& tiff) { return png(3, 2, 8, 0, rows, chunk("eXIf", tiff)); };
  const std::vector<std::string> seen{"\1\2\3\4\5\6", "\3\2\1\6\5\4", "\6\5\4\3\2\1", "\4\5\6\1\2\3",
                                      "\1\4\2\5\3\6", "\4\1\5\2\6\3", "\6\3\5\2\4\1", "\3\6\2\5\1\4"};
  for (std::size_t i = 0; i < seen.size(); ++i) {
    CAPTURE(i);
    for (const std::string& tiff : {motorola(static_cast<char>(i + 1)), intel(static_cast<char>(i + 1))})
      for (const Image& image :
           {decode(with_exif(tiff), {.channels = 1}), decode_by_stb(with_exif(tiff), {.channels = 1})}) {
        CHECK(image.width == (i < 4 ? 3 : 2));
        CHECK(std::string(image.pixels.begin(), image.pixels.end()) == seen[i]);
      }
  }
  for (const std::string& nonsense : {motorola(9), motorola(6).substr(0, 20), ""s, "Exif\0\0"s + motorola(6)})
    CHECK(decode(with_exif(nonsense), {.channels = 1}).width == 3);
  // The chunk may come after the pixels, and of two the first counts that states a turn.
  const std::string end = chunk("IEND", "");
  std::string behind = png(3, 2, 8, 0, rows);
  behind.insert(behind.size() - end.size(),
                chunk("eXIf", motorola(1)) + chunk("eXIf", motorola(6)) + chunk("eXIf", intel(3)));
  for (const Image& image : {decode(behind, {.channels = 1}), decode_by_stb(behind, {.channels = 1})})
    CHECK(std::string(image.pixels.begin(), image.pixels.end()) == seen[5]);
}

TEST_CASE("images cut or damaged anywhere never do more than throw") {
  std::vector<std::string> files;
  for (const auto* name : {"baseline.jpg", "progressive.jpg", "restart.jpg", "grey.jpg"})
    files.push_back(file_text(name));
  const auto written = io::encode_png(random_image(9, 7, 3));
  files.emplace_back(reinterpret_cast<const char*>(written.data()), written.size());
  files.push_back(bmp(3, 1, 8, std::string(8, '\1'), std::string(4, '\1')));
  files.push_back("P6 1 1 255\nabc");
  Generator generator(3);
  int refused = 0;
  for (const std::string& file : files) {
    for (std::size_t size = 0; size < file.size(); ++size)
      CHECK_THROWS_AS(decode(std::string_view(file).substr(0, size)), FileError);
    for (int trial = 0; trial < 500; ++trial) {
      auto damaged = file;
      for (Index i = 1 + generator.below(4); i > 0; --i)
        damaged[static_cast<std::size_t>(generator.below(static_cast<Index>(file.size())))] =
            static_cast<char>(generator.below(256));
      try {
        const Image image = decode(damaged, {.max_pixels = 1 << 16});
        CHECK(static_cast<Index>(image.pixels.size()) == image.width * image.height * 3);
      } catch (const FileError&) {
        ++refused;
      }
      try {
        decode_by_stb(damaged, {.max_pixels = 1 << 16});
      } catch (const FileError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("resizing keeps a plain colour and, when it grows, what bilinear interpolation gives") {
  const Image plain(31, 7, 3, 201);
  for (const auto& [width, height] : {std::pair<Index, Index>{1, 1}, {65, 3}, {7, 31}, {62, 14}}) {
    const Image resized = io::resize(plain, width, height);
    CHECK(resized.width == width);
    CHECK(resized.height == height);
    CHECK(std::all_of(resized.pixels.begin(), resized.pixels.end(), [](std::uint8_t v) { return v == 201; }));
  }
  Image ramp(2, 1, 1);
  ramp.pixels = {0, 100};
  CHECK(io::resize(ramp, 4, 1).pixels == std::vector<std::uint8_t>{0, 25, 75, 100});
  const Image same = random_image(7, 5, 3);
  CHECK(io::resize(same, 7, 5).pixels == same.pixels);
}

TEST_CASE("shrinking counts every pixel and treats both axes and all channels alike") {
  // A chess board of 0 and 255 becomes even grey, where picking pixels would show patterns.
  Image board(64, 64, 1);
  for (Index y = 0; y < 64; ++y)
    for (Index x = 0; x < 64; ++x) *board.at(x, y) = (x + y) % 2 == 0 ? 0 : 255;
  for (const std::uint8_t value : io::resize(board, 7, 9).pixels) CHECK(std::abs(value - 127) <= 4);

  const Image image = random_image(31, 13, 3);
  Image turned(13, 31, 3);
  for (Index y = 0; y < 13; ++y)
    for (Index x = 0; x < 31; ++x)
      for (Index c = 0; c < 3; ++c) turned.at(y, x)[2 - c] = image.at(x, y)[c];
  const Image small = io::resize(image, 11, 5);
  const Image small_turned = io::resize(turned, 5, 11);
  for (Index y = 0; y < 5; ++y)
    for (Index x = 0; x < 11; ++x)
      for (Index c = 0; c < 3; ++c) CHECK(std::abs(small.at(x, y)[c] - small_turned.at(y, x)[2 - c]) <= 1);

  // Four pixels to two: the triangle over a target pixel weighs 3, 3 and 1 of the left half's neighbourhood.
  Image four(4, 1, 1);
  four.pixels = {70, 0, 0, 0};
  CHECK(io::resize(four, 2, 1).pixels == std::vector<std::uint8_t>{30, 0});
}

TEST_CASE("cropping fills what the image does not cover with black") {
  const Image image = pattern();
  const Image inside = io::crop(image, 4, 2, 5, 3);
  CHECK(inside.width == 5);
  CHECK(inside.height == 3);
  for (Index y = 0; y < 3; ++y)
    for (Index x = 0; x < 5; ++x)
      for (Index c = 0; c < 3; ++c) CHECK(inside.at(x, y)[c] == image.at(x + 4, y + 2)[c]);
  const Image over = io::crop(image, -3, -2, 40, 31);
  CHECK(over.at(2, 2)[2] == 0);
  CHECK(over.at(3, 1)[2] == 0);
  CHECK(over.at(3, 2)[2] == 128);
  CHECK(over.at(21, 14)[0] == 255);
  CHECK(over.at(22, 14)[2] == 0);
  CHECK(over.at(21, 15)[2] == 0);
  constexpr Index far = std::numeric_limits<Index>::max();
  for (const auto& [x, y] : {std::pair<Index, Index>{19, 0}, {0, 13}, {-5, 0}, {far, far}, {-far - 1, -far - 1}}) {
    const Image outside = io::crop(image, x, y, 5, 3);
    CHECK(std::accumulate(outside.pixels.begin(), outside.pixels.end(), 0) == 0);
  }
  CHECK_THROWS_AS(io::crop(image, 0, 0, 0, 3), ValueError);
  CHECK_THROWS_AS(io::crop(image, 0, 0, far, far), ValueError);
}

TEST_CASE("tensors are [height, width, channels] in 0..1 and come back as the same image") {
  const Image image = random_image(7, 5, 3);
  const auto tensor = io::to_tensor(image);
  CHECK(tensor.shape() == Shape{5, 7, 3});
  CHECK(tensor(4, 6, 2) == static_cast<float>(image.at(6, 4)[2]) / 255.0f);
  CHECK(io::to_image(tensor).pixels == image.pixels);
  CHECK(io::to_image(tensor.permute({1, 0, 2})).at(4, 6)[2] == image.at(6, 4)[2]);
  CHECK(io::to_image(Tensor<float>::from({1, 3, 1}, {-7.0f, 0.5f, 1e30f})).pixels ==
        std::vector<std::uint8_t>{0, 128, 255});
  CHECK_THROWS_AS(io::to_image(Tensor<float>({1, 1, 1}, std::nanf(""))), ValueError);
  CHECK_THROWS_AS(io::to_image(Tensor<float>({2, 2}, 0)), ShapeError);
  CHECK_THROWS_AS(io::to_image(Tensor<float>({2, 2, 4}, 0)), ShapeError);
  CHECK_THROWS_AS(io::to_image(Tensor<float>({0, 2, 3}, 0)), ShapeError);
}

TEST_CASE("images that contradict themselves are refused") {
  CHECK_THROWS_AS(Image(0, 1, 3), ValueError);
  CHECK_THROWS_AS(Image(1, 1, 2), ValueError);
  CHECK_THROWS_AS(Image(1 << 20, 1 << 20, 3), ValueError);
  Image wrong(2, 2, 3);
  wrong.pixels.pop_back();
  CHECK_THROWS_AS(io::encode_png(wrong), ValueError);
  CHECK_THROWS_AS(io::resize(wrong, 1, 1), ValueError);
  CHECK_THROWS_AS(io::to_tensor(wrong), ValueError);
  CHECK_THROWS_AS(io::encode_png(Image()), ValueError);
}

namespace {

/// A buffer that ends with the last row's last pixel: padding is 0xee, and what a fourth byte is says `alpha`.
struct Buffer {
  io::PixelLayout layout;
  std::vector<std::uint8_t> bytes;

  /// The first byte of the upper row.
  std::uint8_t* upper() { return bytes.data() + (layout.row_bytes < 0 ? (layout.height - 1) * -layout.row_bytes : 0); }
  std::uint8_t& at(Index x, Index y, Index pixel_bytes, Index place) {
    const Index step = layout.row_bytes == 0 ? layout.width * pixel_bytes : layout.row_bytes;
    return upper()[y * step + x * pixel_bytes + place];
  }
};

/// What an order says, written as plainly as possible: which byte of a pixel is red, green and blue, and of how many.
struct Order {
  io::PixelOrder order;
  Index bytes;
  std::array<Index, 3> places;
};

constexpr std::array<Order, 5> orders = {{{io::PixelOrder::rgb, 3, {0, 1, 2}},
                                          {io::PixelOrder::bgr, 3, {2, 1, 0}},
                                          {io::PixelOrder::rgba, 4, {0, 1, 2}},
                                          {io::PixelOrder::bgra, 4, {2, 1, 0}},
                                          {io::PixelOrder::grey, 1, {0, 0, 0}}}};

Buffer buffer_of(const Image& image, const Order& order, Index row_bytes, std::uint8_t alpha) {
  const Index distance = row_bytes == 0 ? image.width * order.bytes : std::abs(row_bytes);
  Buffer out{{image.width, image.height, order.order, row_bytes},
             std::vector<std::uint8_t>(
                 static_cast<std::size_t>((image.height - 1) * distance + image.width * order.bytes), 0xee)};
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x) {
      if (order.bytes == 4) out.at(x, y, 4, 3) = alpha;
      for (Index c = 0; c < image.channels; ++c)
        out.at(x, y, order.bytes, order.places[static_cast<std::size_t>(c)]) = image.at(x, y)[c];
    }
  out.layout.buffer_bytes = static_cast<Index>(out.bytes.size());
  return out;
}

/// Each order and size, with rows close together, with gaps, and from the bottom up.
void for_each_layout(const auto& check) {
  for (const auto& [width, height] : {std::pair<Index, Index>{1, 1}, {7, 31}, {65, 3}})
    for (const Order& order : orders) {
      const Index row = width * order.bytes;
      for (const Index row_bytes : {Index{0}, row, row + 1, row + 13, -row, -row - 5}) {
        CAPTURE(row);
        CAPTURE(static_cast<int>(order.order));
        CAPTURE(row_bytes);
        check(random_image(width, height, order.bytes == 1 ? 1 : 3), order, row_bytes);
      }
    }
}

}  // namespace

TEST_CASE("images come from others' memory in every order of channels, with gaps between rows and from the bottom up") {
  Image again;
  for_each_layout([&](const Image& image, const Order& order, Index row_bytes) {
    Buffer buffer = buffer_of(image, order, row_bytes, 77);
    const Image read = io::image_from_pixels(buffer.upper(), buffer.layout);
    CHECK(read.width == image.width);
    CHECK(read.height == image.height);
    CHECK(read.channels == image.channels);
    CHECK(read.pixels == image.pixels);
    io::copy_pixels(buffer.upper(), buffer.layout, again);
    CHECK(again.width == image.width);
    CHECK(again.channels == image.channels);
    CHECK(again.pixels == image.pixels);
  });
}

TEST_CASE("images go into others' memory, of which gaps stay as they are, and alpha becomes opaque") {
  for_each_layout([](const Image& image, const Order& order, Index row_bytes) {
    const Buffer expected = buffer_of(image, order, row_bytes, 255);
    Buffer written = expected;
    std::fill(written.bytes.begin(), written.bytes.end(), std::uint8_t{0xee});
    io::copy_pixels(image, written.upper(), written.layout);
    CHECK(written.bytes == expected.bytes);
  });
}

TEST_CASE("an image of the same size keeps its memory when the next frame comes") {
  Buffer buffer = buffer_of(random_image(7, 31, 3), orders[1], 24, 0);
  Image frame;
  io::copy_pixels(buffer.upper(), buffer.layout, frame);
  const std::uint8_t* const memory = frame.pixels.data();
  for (auto& byte : buffer.bytes) byte = static_cast<std::uint8_t>(byte + 1);
  io::copy_pixels(buffer.upper(), buffer.layout, frame);
  CHECK(frame.pixels.data() == memory);
  CHECK(frame.at(6, 30)[0] == buffer.at(6, 30, 3, 2));
}

TEST_CASE("memory that cannot hold such a picture is refused, and the image is as it was") {
  std::array<std::uint8_t, 64> bytes{};
  Image image = random_image(2, 2, 3);
  const Image before = image;
  const auto refusal_of = [&](const void* pixels, const io::PixelLayout& layout) {
    const std::string said = message_of<ValueError>([&] { io::copy_pixels(pixels, layout, image); });
    CHECK(image.width == before.width);
    CHECK(image.pixels == before.pixels);
    return said;
  };
  CHECK(contains(refusal_of(nullptr, {.width = 4, .height = 2}), "found a null pointer, expected 4 x 2 pixels"));
  constexpr Index far = std::numeric_limits<Index>::max();
  for (const auto& [width, height] : {std::pair<Index, Index>{0, 1}, {1, 0}, {-4, -2}, {far, far}, {1 << 20, 1 << 20}})
    CHECK(contains(refusal_of(bytes.data(), {.width = width, .height = height}), "no image can be"));
  for (const Index row_bytes : {1, 11, -1, -11})
    CHECK(contains(refusal_of(bytes.data(), {.width = 4, .height = 2, .row_bytes = row_bytes}),
                   mien::detail::text("found rows ", row_bytes, " bytes apart, expected 12 or more")));
  CHECK(contains(refusal_of(bytes.data(), {.width = 4, .height = 2, .order = io::PixelOrder::bgra, .row_bytes = 15}),
                 "expected 16 or more for 4 pixels of 4 bytes"));
  for (const Index row_bytes : {far, -far - 1})
    CHECK(contains(refusal_of(bytes.data(), {.width = 4, .height = 3, .row_bytes = row_bytes}), "bytes apart"));
  for (const Index row_bytes : {16, -16})
    CHECK(contains(refusal_of(bytes.data(), {.width = 4, .height = 3, .row_bytes = row_bytes, .buffer_bytes = 43}),
                   "found a buffer of 43 bytes, expected 44 for 3 rows of 12 bytes"));
  CHECK(contains(refusal_of(bytes.data(), {.width = 4, .height = 2, .buffer_bytes = -1}), "a buffer of -1 bytes"));
  CHECK(contains(refusal_of(bytes.data(), {.width = 1, .height = 1, .order = static_cast<io::PixelOrder>(5)}),
                 "5 is no PixelOrder"));

  const auto refusal_to_write = [&](const Image& from, const io::PixelLayout& layout) {
    return message_of<ValueError>([&] { io::copy_pixels(from, bytes.data(), layout); });
  };
  CHECK(contains(refusal_to_write(image, {.width = 2, .height = 3}),
                 "found an image of 2 x 2 with 3 channels, expected 2 x 3 with 3"));
  CHECK(contains(refusal_to_write(image, {.width = 2, .height = 2, .order = io::PixelOrder::grey}), "2 x 2 with 1"));
  CHECK(contains(refusal_to_write(random_image(2, 2, 1), {.width = 2, .height = 2}), "with 1 channels"));
  CHECK(contains(refusal_to_write(image, {.width = 2, .height = 2, .row_bytes = 5}), "expected 6 or more"));
  CHECK(contains(refusal_to_write(Image(), {.width = 2, .height = 2}), "copy_pixels"));
  CHECK(contains(message_of<ValueError>([&] { io::copy_pixels(image, nullptr, {.width = 2, .height = 2}); }),
                 "a null pointer"));
  CHECK(std::accumulate(bytes.begin(), bytes.end(), 0) == 0);
}
