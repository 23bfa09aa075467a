#pragma once

/// A data set of pictures in one file: quick to open, quick to copy, with a hash of every picture.
///
///     bytes 0..7       "MIENPAK1": what it is, and the version of this layout
///     pictures         one after the other: image files as they were, or pixels
///     index            classes, pictures (name, place, bytes, width, height, channels, hash) and samples
///     last 40 bytes    place, bytes and hash of the index, the file's length, "MIENPAK1" again
///
/// All numbers are little-endian. What stands at the end is written last, so that a file that was cut is known as such.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mien/data/detail/bytes.hpp"
#include "mien/data/picture_source.hpp"
#include "mien/io/mapped_file.hpp"

namespace mien::data {

/// How pictures lie in a packed file.
enum class PackedForm {
  as_they_are,  ///< an image file's own bytes: small, and decoded each time
  pixels        ///< decoded once, grey ones with one byte a pixel: large, and read at the speed of memory
};

struct PackOptions {
  PackedForm form = PackedForm::as_they_are;
};

namespace detail {

inline constexpr std::string_view packed_magic = "MIENPAK1";
inline constexpr std::size_t packed_tail = 40;
inline constexpr std::size_t max_packed_name_bytes = 1024;

/// A picture's place in a packed file.
struct PackedPicture {
  std::string name;
  std::uint64_t place = 0;
  std::uint64_t bytes = 0;
  Index width = 0;
  Index height = 0;
  Index channels = 0;
  std::uint64_t hash = 0;
};

/// With one channel where red, green and blue are the same everywhere.
inline io::Image without_needless_colour(io::Image image) {
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    if (image.pixels[i] != image.pixels[i + 1] || image.pixels[i] != image.pixels[i + 2]) return image;
  io::Image grey(image.width, image.height, 1);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) grey.pixels[i] = image.pixels[3 * i];
  return grey;
}

/// Writes a packed file; see `write_packed`.
class PackWriter {
 public:
  PackWriter(const std::filesystem::path& path, const PackOptions& options) : file_(path), options_(options) {
    write(std::as_bytes(std::span(packed_magic)));
  }

  void add(const FrameSequence& sample, Index classes) {
    check(sample, classes);
    samples_.string(sample.name);
    samples_.u64(static_cast<std::uint64_t>(sample.label));
    samples_.string(sample.subject);
    samples_.string(sample.split);
    samples_.string(sample.video.string());
    samples_.u64(sample.frames.size());
    for (const auto& frame : sample.frames) samples_.u64(picture(sample, frame));
    samples_.u64(sample.votes.size());
    for (const double vote : sample.votes) samples_.number(vote);
    samples_.u8(sample.affect ? 1 : 0);
    if (sample.affect) {
      samples_.number(sample.affect->valence);
      samples_.number(sample.affect->arousal);
    }
    ++count_;
  }

  void finish(const std::vector<std::string>& class_names) {
    ByteWriter index;
    index.u64(class_names.size());
    for (const std::string& name : class_names) index.string(name);
    index.u64(pictures_.size());
    for (const PackedPicture& picture : pictures_) {
      index.string(picture.name);
      index.u64(picture.place);
      index.u64(picture.bytes);
      for (const Index number : {picture.width, picture.height, picture.channels})
        index.u32(static_cast<std::uint64_t>(number));
      index.u64(picture.hash);
    }
    index.u64(count_);
    index.append(samples_.bytes());
    const std::uint64_t place = written_;
    write(index.bytes());
    ByteWriter tail;
    tail.u64(place);
    tail.u64(written_ - place);
    tail.u64(content_hash(index.bytes()));
    tail.u64(written_ + packed_tail);
    write(tail.bytes());
    write(std::as_bytes(std::span(packed_magic)));
    flush();
    file_.commit();
  }

 private:
  /// What `read_packed` would refuse.
  static void check(const FrameSequence& sample, Index classes) {
    const auto fail = [&](const auto&... problem) {
      throw ValueError(text("write_packed: `", sample.name, "` has ", problem...));
    };
    if (!sample.votes.empty() && static_cast<Index>(sample.votes.size()) != classes)
      fail(sample.votes.size(), " votes for ", classes, " classes");
    for (const double vote : sample.votes)
      if (!(vote >= 0 && vote <= 1)) fail("a vote of ", vote, ", which is no share from 0 to 1");
    if (sample.affect && !(std::isfinite(sample.affect->valence) && std::isfinite(sample.affect->arousal)))
      fail("valence ", sample.affect->valence, " and arousal ", sample.affect->arousal, ", which are not both finite");
  }

  /// The number of a frame's picture, which is written the first time it is met.
  std::uint64_t picture(const FrameSequence& sample, const std::filesystem::path& frame) {
    const auto [known, is_new] = numbers_.try_emplace({sample.pictures.get(), frame.string()}, pictures_.size());
    if (!is_new) return known->second;
    PackedPicture out{.name = name_of(sample, frame), .place = written_};
    std::vector<std::byte> content;
    StoredPicture stored;
    if (sample.pictures) {
      stored = sample.pictures->stored(frame);
    } else {
      content = io::read_file(frame, std::uint64_t{1} << 30);
      stored.bytes = content;
    }
    io::Image decoded;
    if (stored.channels == 0 && options_.form == PackedForm::pixels) {
      decoded = without_needless_colour(io::decode_image(stored.bytes, {}, frame));
      stored = {std::as_bytes(std::span(decoded.pixels)), decoded.width, decoded.height, decoded.channels};
    }
    out.bytes = stored.bytes.size();
    out.width = stored.width;
    out.height = stored.height;
    out.channels = stored.channels;
    out.hash = content_hash(stored.bytes);
    write(stored.bytes);
    pictures_.push_back(std::move(out));
    return known->second;
  }

  /// The sample's name, with the file's if there are several frames, and a number if that is taken.
  std::string name_of(const FrameSequence& sample, const std::filesystem::path& frame) {
    const std::string file = frame.filename().string();
    const std::string wanted =
        sample.frames.size() == 1 && sample.name.ends_with(file) ? sample.name : sample.name + "/" + file;
    std::string name = wanted;
    while (!names_.insert(name).second) name = text(sample.name, "/", ++repeats_[wanted] + 1, "-", file);
    if (name.size() > max_packed_name_bytes)
      throw ValueError(text("write_packed: a picture's name of ", name.size(), " bytes, of at most ",
                            max_packed_name_bytes, ": `", name.substr(0, 200), "...`"));
    return name;
  }

  void write(std::span<const std::byte> bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    written_ += bytes.size();
    if (buffer_.size() > (std::size_t{1} << 20)) flush();
  }

  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

  io::detail::TemporaryFile file_;
  PackOptions options_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  std::vector<PackedPicture> pictures_;
  std::map<std::pair<const PictureSource*, std::string>, std::uint64_t> numbers_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, Index> repeats_;  ///< how often a name that was taken was wanted
  ByteWriter samples_;
  std::uint64_t count_ = 0;
};

}  // namespace detail

/// Pictures of a packed file, which stays mapped as long as anybody has them. Any thread may read.
class PackedPictures : public PictureSource {
 public:
  /// Throws FileError: no packed file, of another version, cut, damaged, or saying something impossible. What pictures
  /// hold is looked at when they are read.
  explicit PackedPictures(const std::filesystem::path& path) : path_(path), file_(path) {
    const auto bytes = file_.bytes();
    constexpr std::size_t head = detail::packed_magic.size();
    if (bytes.size() < head + detail::packed_tail) fail("", detail::text(bytes.size(), " bytes"), "a packed file");
    detail::ByteReader tail(bytes.last(detail::packed_tail), path.string(), bytes.size() - detail::packed_tail);
    const std::uint64_t place = tail.u64();
    const std::uint64_t size = tail.u64();
    const std::uint64_t hash = tail.u64();
    const std::uint64_t length = tail.u64();
    for (const auto magic : {bytes.first(head), bytes.last(head)})
      if (!std::equal(magic.begin(), magic.end(), std::as_bytes(std::span(detail::packed_magic)).begin()))
        fail("", "another beginning or end than a packed file's, or one that was cut",
             "`" + std::string(detail::packed_magic) + "` at both");
    if (length != bytes.size() || place < head || place > bytes.size() - detail::packed_tail ||
        size != bytes.size() - detail::packed_tail - place)
      fail("the last 40 bytes", detail::text("an index of ", size, " bytes at ", place, " in a file of ", length),
           detail::text("one that ends where they begin, in a file of ", bytes.size()));
    index_ = bytes.subspan(static_cast<std::size_t>(place), static_cast<std::size_t>(size));
    if (detail::content_hash(index_) != hash) fail("the index", "another hash than the one written", "the same");
    read_index(place);
  }

  /// One by its name: the packed file's path / the name in it. Throws FileError, also if its bytes have another hash
  /// than when it was written.
  StoredPicture stored(const std::filesystem::path& name) const override {
    const auto found = numbers_.find(name.string());
    if (found == numbers_.end()) fail("", "no picture `" + name.string() + "`", "one of the packed");
    const detail::PackedPicture& picture = pictures_[found->second];
    const auto bytes =
        file_.bytes().subspan(static_cast<std::size_t>(picture.place), static_cast<std::size_t>(picture.bytes));
    if (detail::content_hash(bytes) != picture.hash)
      fail("`" + picture.name + "`", "another hash than the one written", "the same");
    return {bytes, picture.width, picture.height, picture.channels};
  }

  Index size() const { return static_cast<Index>(pictures_.size()); }
  bool is_mapped() const { return file_.is_mapped(); }

  /// The samples, whose frames are pictures of `self`.
  static FrameSequences sequences(const std::shared_ptr<const PackedPictures>& self) {
    FrameSequences data = self->samples_;
    for (FrameSequence& sample : data.samples) sample.pictures = self;
    return data;
  }

 private:
  void read_index(std::uint64_t place) {
    detail::ByteReader reader(index_, path_.string(), place);
    for (std::size_t left = reader.count(8); left > 0; --left) samples_.class_names.push_back(reader.string());
    try {
      check_class_names(samples_.class_names);
    } catch (const ValueError& error) {
      fail("the index", error.what(), "every class once");
    }
    path_bytes_left_ = (std::uint64_t{64} << 20) + 16 * static_cast<std::uint64_t>(file_.bytes().size());
    std::vector<std::filesystem::path> names;
    for (std::size_t left = reader.count(44); left > 0; --left) {
      pictures_.push_back(read_picture_entry(reader, place));
      names.push_back(path_ / pictures_.back().name);
      if (!numbers_.emplace(names.back().string(), pictures_.size() - 1).second)
        reader.fail("`" + pictures_.back().name + "` twice", "every picture once");
    }
    for (std::size_t left = reader.count(49); left > 0; --left) samples_.samples.push_back(read_sample(reader, names));
    if (reader.left() > 0) reader.fail(detail::text(reader.left(), " bytes more"), "the end of the index");
  }

  static detail::PackedPicture read_picture_entry(detail::ByteReader& reader, std::uint64_t end) {
    detail::PackedPicture out{.name = reader.string()};
    if (out.name.size() > detail::max_packed_name_bytes)
      reader.fail(detail::text("a picture's name of ", out.name.size(), " bytes"),
                  detail::text("at most ", detail::max_packed_name_bytes));
    out.place = reader.u64();
    out.bytes = reader.u64();
    out.width = static_cast<Index>(reader.u32());
    out.height = static_cast<Index>(reader.u32());
    out.channels = static_cast<Index>(reader.u32());
    out.hash = reader.u64();
    if (out.place < detail::packed_magic.size() || out.place > end || out.bytes > end - out.place)
      reader.fail(detail::text("`", out.name, "` at ", out.place, " with ", out.bytes, " bytes"),
                  detail::text("a place before the index at ", end));
    if (out.channels == 0) return out;
    const bool sane = (out.channels == 1 || out.channels == 3) && out.width > 0 && out.height > 0 &&
                      out.width <= io::Image::max_pixels / out.height &&
                      static_cast<std::uint64_t>(out.width * out.height * out.channels) == out.bytes;
    if (!sane)
      reader.fail(detail::text("`", out.name, "` of ", out.width, " x ", out.height, " with ", out.channels,
                               " channels in ", out.bytes, " bytes"),
                  "as many bytes as pixels");
    return out;
  }

  FrameSequence read_sample(detail::ByteReader& reader, const std::vector<std::filesystem::path>& names) {
    FrameSequence out{.name = reader.string()};
    out.label = static_cast<Index>(reader.u64());
    if (out.label < no_label || out.label >= samples_.classes())
      reader.fail(detail::text("label ", out.label), detail::text("-1 to ", samples_.classes() - 1));
    out.subject = reader.string();
    out.split = reader.string();
    out.video = reader.string();
    for (std::size_t left = reader.count(8); left > 0; --left) {
      const std::uint64_t number = reader.u64();
      if (number >= names.size()) reader.fail(detail::text("picture ", number), detail::text("one of ", names.size()));
      out.frames.push_back(names[static_cast<std::size_t>(number)]);
      spend_path_bytes(out.frames.back().native().size(), reader);
    }
    for (std::size_t left = reader.count(8); left > 0; --left) {
      out.votes.push_back(reader.number());
      if (!(out.votes.back() >= 0 && out.votes.back() <= 1))
        reader.fail(detail::text("a vote of ", out.votes.back()), "0 to 1");
    }
    if (!out.votes.empty() && static_cast<Index>(out.votes.size()) != samples_.classes())
      reader.fail(detail::text(out.votes.size(), " votes"), detail::text(samples_.classes(), ", one a class"));
    if (reader.u8() == 0) return out;
    out.affect = Affect{reader.number(), reader.number()};
    if (!std::isfinite(out.affect->valence) || !std::isfinite(out.affect->arousal))
      reader.fail("an affect that is not finite", "finite numbers");
    return out;
  }

  /// A frame takes eight bytes in the file, and its path a hundred times as many in memory.
  void spend_path_bytes(std::size_t count, const detail::ByteReader& reader) {
    if (count > path_bytes_left_)
      reader.fail("frames whose paths take more memory", "at most 64 MiB and 16 times the file's size");
    path_bytes_left_ -= count;
  }

  [[noreturn]] void fail(std::string_view place, std::string_view found, std::string_view expected) const {
    throw FileError(path_.string(), place, found, expected);
  }

  std::filesystem::path path_;
  io::MappedFile file_;
  std::span<const std::byte> index_;
  std::vector<detail::PackedPicture> pictures_;
  std::unordered_map<std::string, std::size_t> numbers_;
  std::uint64_t path_bytes_left_ = 0;
  FrameSequences samples_;
};

/// Writes a data set with all its pictures, labels, votes, affect, subjects, splits and class names into one file, as a
/// whole or not at all. Pictures of a table keep their pixels; a picture that several samples use is written once.
/// Throws FileError for a picture that cannot be read, ValueError for votes that don't fit the classes or are no
/// shares, valence or arousal that is not finite, and names of pictures that are longer than 1024 bytes.
inline void write_packed(const std::filesystem::path& path, const FrameSequences& data,
                         const PackOptions& options = {}) {
  check_class_names(data.class_names);
  detail::PackWriter writer(path, options);
  for (const FrameSequence& sample : data.samples) {
    if (sample.label < no_label || sample.label >= data.classes())
      throw ValueError(detail::text("`", sample.name, "`: label ", sample.label, " of ", data.classes(), " classes"));
    writer.add(sample, data.classes());
  }
  writer.finish(data.class_names);
}

/// Opens what `write_packed` wrote. Frames are named by the packed file's path and their name in it, and are read from
/// there by FaceClips and `read_frame`. Throws FileError; see `PackedPictures`.
inline FrameSequences read_packed(const std::filesystem::path& path) {
  return PackedPictures::sequences(std::make_shared<const PackedPictures>(path));
}

/// Whether a file begins as a packed one.
inline bool is_packed(const std::filesystem::path& path) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return false;
  const io::MappedFile file(path);
  const auto magic = std::as_bytes(std::span(detail::packed_magic));
  return file.bytes().size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.bytes().begin());
}

}  // namespace mien::data
