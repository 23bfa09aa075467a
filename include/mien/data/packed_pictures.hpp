#pragma once

/// A data set of pictures in one file: quick to open, quick to copy, with a hash of every picture.
///
///     bytes 0..7       "MIENPAK1": what it is, and the version of this layout
///     pictures         one after the other: image files as they were, or pixels
///     index            classes, pictures (name, place, bytes, width, height, channels, hash) and samples
///     last 40 bytes    place, bytes and hash of the index, the file's length, "MIENPAK1" again
///
/// All numbers are little-endian. What stands at the end is written last, so that a file that was cut is known as such.
///
/// A large set is several such files, shards, in a folder of their own, with a list beside them, `shards.list`:
///
///     bytes 0..7       "MIENSET1"
///     shards           their number, and of each: the file's name, its bytes, the hash of its index
///     last 8 bytes     the hash of all before
///
/// The hash of an index covers the hashes of all pictures, so the list knows its shards from any others.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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
  /// 0: one file. Else a folder of files, each of which ends with the sample that takes it to so many bytes of
  /// pictures.
  std::uint64_t shard_bytes = 0;
};

namespace detail {

inline constexpr std::string_view packed_magic = "MIENPAK1";
inline constexpr std::size_t packed_tail = 40;
inline constexpr std::size_t max_packed_name_bytes = 1024;
inline constexpr std::string_view shard_list_magic = "MIENSET1";
inline constexpr std::string_view shard_list_name = "shards.list";

/// A picture's place in a packed file. The name lives as long as what it was read from.
struct PackedPicture {
  std::string_view name;
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

/// Not-a-number is none.
inline bool is_affect(const Affect& affect) { return std::abs(affect.valence) <= 1 && std::abs(affect.arousal) <= 1; }

/// Writes a packed file; see `write_packed`.
class PackWriter {
 public:
  PackWriter(const std::filesystem::path& path, const PackOptions& options)
      : file_(io::detail::followed_link(path)), options_(options) {
    buffer_.reserve(buffered_bytes);
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
    for (std::size_t i = 0; i < sample.frames.size(); ++i) samples_.u64(picture(sample, i));
    samples_.u64(sample.votes.size());
    for (const double vote : sample.votes) samples_.number(vote);
    samples_.u8(sample.affect ? 1 : 0);
    if (sample.affect) {
      samples_.number(sample.affect->valence);
      samples_.number(sample.affect->arousal);
    }
    ++count_;
  }

  /// Of pictures so far.
  std::uint64_t bytes() const { return written_ - packed_magic.size(); }

  /// The hash of the index, once the file is whole.
  std::uint64_t finish(const std::vector<std::string>& class_names) {
    ByteWriter index;
    index.u64(class_names.size());
    for (const std::string& name : class_names) index.string(name);
    index.u64(picture_count_);
    index.append(pictures_.bytes());
    index.u64(count_);
    index.append(samples_.bytes());
    const std::uint64_t place = written_;
    write(index.bytes());
    ByteWriter tail;
    tail.u64(place);
    tail.u64(written_ - place);
    const std::uint64_t hash = content_hash(index.bytes());
    tail.u64(hash);
    tail.u64(written_ + packed_tail);
    write(tail.bytes());
    write(std::as_bytes(std::span(packed_magic)));
    flush();
    file_.commit();
    return hash;
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
    if (sample.affect && !is_affect(*sample.affect))
      fail("valence ", sample.affect->valence, " and arousal ", sample.affect->arousal,
           ", which are not both from -1 to 1");
  }

  /// The number of a frame's picture, which is written the first time it is met.
  std::uint64_t picture(const FrameSequence& sample, std::size_t frame) {
    const std::filesystem::path path = sample.frames[frame];
    const auto [known, is_new] = numbers_.try_emplace({sample.pictures.get(), path.string()}, picture_count_);
    if (!is_new) return known->second;
    ++picture_count_;
    std::vector<std::byte> content;
    StoredPicture stored;
    if (sample.frames.numbered() != nullptr) {
      stored = sample.frames.numbered()->picture(sample.frames.number(frame));
    } else if (sample.pictures) {
      stored = sample.pictures->stored(path);
    } else {
      content = io::read_file(path, std::uint64_t{1} << 30);
      stored.bytes = content;
    }
    io::Image decoded;
    if (stored.channels == 0 && options_.form == PackedForm::pixels) {
      decoded = without_needless_colour(io::decode_image(stored.bytes, {}, path));
      stored = {std::as_bytes(std::span(decoded.pixels)), decoded.width, decoded.height, decoded.channels};
    }
    add_entry(name_of(sample, path), stored);
    write(stored.bytes);
    return known->second;
  }

  void add_entry(const std::string& name, const StoredPicture& picture) {
    pictures_.string(name);
    pictures_.u64(written_);
    pictures_.u64(picture.bytes.size());
    for (const Index number : {picture.width, picture.height, picture.channels})
      pictures_.u32(static_cast<std::uint64_t>(number));
    pictures_.u64(content_hash(picture.bytes));
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
    if (buffer_.size() > buffered_bytes) flush();
  }

  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

  static constexpr std::size_t buffered_bytes = std::size_t{1} << 20;

  io::detail::TemporaryFile file_;
  PackOptions options_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  ByteWriter pictures_;
  std::uint64_t picture_count_ = 0;
  std::map<std::pair<const PictureSource*, std::string>, std::uint64_t> numbers_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, Index> repeats_;  ///< how often a name that was taken was wanted
  ByteWriter samples_;
  std::uint64_t count_ = 0;
};

}  // namespace detail

/// Pictures of a packed file, which stays mapped as long as anybody has them. Any thread may read.
class PackedPictures : public PictureSource, public NumberedPictures {
 public:
  /// Throws FileError: no packed file, of another version, cut, damaged, or saying something impossible of its
  /// pictures. What they hold is looked at when they are read.
  explicit PackedPictures(const std::filesystem::path& path) : path_(path), file_(path) {
    const auto bytes = file_.bytes();
    constexpr std::size_t head = detail::packed_magic.size();
    if (bytes.size() < head + detail::packed_tail) fail("", detail::text(bytes.size(), " bytes"), "a packed file");
    detail::ByteReader tail(bytes.last(detail::packed_tail), path.string(), bytes.size() - detail::packed_tail);
    place_ = tail.u64();
    const std::uint64_t size = tail.u64();
    hash_ = tail.u64();
    const std::uint64_t length = tail.u64();
    for (const auto magic : {bytes.first(head), bytes.last(head)})
      if (!std::equal(magic.begin(), magic.end(), std::as_bytes(std::span(detail::packed_magic)).begin()))
        fail("", "another beginning or end than a packed file's, or one that was cut",
             "`" + std::string(detail::packed_magic) + "` at both");
    if (length != bytes.size() || place_ < head || place_ > bytes.size() - detail::packed_tail ||
        size != bytes.size() - detail::packed_tail - place_)
      fail("the last 40 bytes", detail::text("an index of ", size, " bytes at ", place_, " in a file of ", length),
           detail::text("one that ends where they begin, in a file of ", bytes.size()));
    index_ = bytes.subspan(static_cast<std::size_t>(place_), static_cast<std::size_t>(size));
    if (detail::content_hash(index_) != hash_) fail("the index", "another hash than the one written", "the same");
    read_pictures();
  }

  /// One by its name: the packed file's path / the name in it. Throws FileError, also if its bytes have another hash
  /// than when it was written, or if two pictures have one name.
  StoredPicture stored(const std::filesystem::path& name) const override {
    std::call_once(names_made_, [this] { make_names(); });
    const auto found = numbers_.find(name.string());
    if (found == numbers_.end()) fail("", "no picture `" + name.string() + "`", "one of the packed");
    return picture(found->second);
  }

  /// By its number, as `stored`. Throws IndexError too.
  StoredPicture picture(std::uint64_t number) const override {
    const detail::PackedPicture picture = entry(number);
    const auto bytes =
        file_.bytes().subspan(static_cast<std::size_t>(picture.place), static_cast<std::size_t>(picture.bytes));
    if (detail::content_hash(bytes) != picture.hash)
      fail("`" + std::string(picture.name) + "`", "another hash than the one written", "the same");
    return {bytes, picture.width, picture.height, picture.channels};
  }

  std::filesystem::path path_of(std::uint64_t number) const override { return path_ / entry(number).name; }
  bool is_decoded(std::uint64_t number) const override { return entry(number).channels != 0; }
  void read_ahead(std::uint64_t first, std::uint64_t last) const override {
    const std::uint64_t begin = entry(first).place;
    const detail::PackedPicture end = entry(last);
    file_.read_ahead(static_cast<std::size_t>(begin), static_cast<std::size_t>(end.place + end.bytes - begin));
  }

  Index size() const { return static_cast<Index>(entries_.size()); }
  /// The whole file's.
  std::uint64_t bytes() const { return file_.bytes().size(); }
  /// Of the index, and so of all that is in the file.
  std::uint64_t index_hash() const { return hash_; }

  /// The samples, whose frames are pictures of `self`. Throws FileError if the file says something impossible of them.
  static FrameSequences sequences(const std::shared_ptr<const PackedPictures>& self) {
    detail::ByteReader reader(self->index_.subspan(self->samples_), self->path_.string(),
                              self->place_ + self->samples_);
    FrameSequences data{.class_names = self->class_names_};
    const std::size_t count = reader.count(49);
    data.samples.reserve(count);
    for (std::size_t i = 0; i < count; ++i) data.samples.push_back(read_sample(reader, self, data.classes()));
    if (reader.left() > 0) reader.fail(detail::text(reader.left(), " bytes more"), "the end of the index");
    return data;
  }

 private:
  void read_pictures() {
    detail::ByteReader reader(index_, path_.string(), place_);
    for (std::size_t left = reader.count(8); left > 0; --left) class_names_.push_back(reader.string());
    try {
      check_class_names(class_names_);
    } catch (const ValueError& error) {
      fail("the index", error.what(), "every class once");
    }
    const std::size_t count = reader.count(44);
    entries_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      entries_.push_back(index_.size() - reader.left());
      check_picture(read_picture(reader), reader);
    }
    samples_ = index_.size() - reader.left();
  }

  static detail::PackedPicture read_picture(detail::ByteReader& reader) {
    detail::PackedPicture out{.name = reader.string_view()};
    out.place = reader.u64();
    out.bytes = reader.u64();
    out.width = static_cast<Index>(reader.u32());
    out.height = static_cast<Index>(reader.u32());
    out.channels = static_cast<Index>(reader.u32());
    out.hash = reader.u64();
    return out;
  }

  void check_picture(const detail::PackedPicture& picture, const detail::ByteReader& reader) const {
    if (picture.name.size() > detail::max_packed_name_bytes)
      reader.fail(detail::text("a picture's name of ", picture.name.size(), " bytes"),
                  detail::text("at most ", detail::max_packed_name_bytes));
    if (picture.place < detail::packed_magic.size() || picture.place > place_ || picture.bytes > place_ - picture.place)
      reader.fail(detail::text("`", picture.name, "` at ", picture.place, " with ", picture.bytes, " bytes"),
                  detail::text("a place before the index at ", place_));
    if (picture.channels == 0) return;
    const bool sane = (picture.channels == 1 || picture.channels == 3) && picture.width > 0 && picture.height > 0 &&
                      picture.width <= io::Image::max_pixels / picture.height &&
                      static_cast<std::uint64_t>(picture.width * picture.height * picture.channels) == picture.bytes;
    if (!sane)
      reader.fail(detail::text("`", picture.name, "` of ", picture.width, " x ", picture.height, " with ",
                               picture.channels, " channels in ", picture.bytes, " bytes"),
                  "as many bytes as pixels");
  }

  static FrameSequence read_sample(detail::ByteReader& reader, const std::shared_ptr<const PackedPictures>& self,
                                   Index classes) {
    FrameSequence out{.name = reader.string()};
    out.label = static_cast<Index>(reader.u64());
    const auto fail = [&](const std::string& found, const std::string& expected) {
      reader.fail(detail::text("sample `", out.name.substr(0, 200), "` with ", found), expected);
    };
    if (out.label < no_label || out.label >= classes)
      fail(detail::text("label ", out.label), detail::text("-1 to ", classes - 1));
    out.subject = reader.string();
    out.split = reader.string();
    out.video = reader.string_view();
    out.frames = read_frames(reader, self);
    out.pictures = self;
    for (std::size_t left = reader.count(8); left > 0; --left) {
      out.votes.push_back(reader.number());
      if (!(out.votes.back() >= 0 && out.votes.back() <= 1))
        fail(detail::text("a vote of ", out.votes.back()), "0 to 1");
    }
    if (!out.votes.empty() && static_cast<Index>(out.votes.size()) != classes)
      fail(detail::text(out.votes.size(), " votes"), detail::text(classes, ", one a class"));
    if (reader.u8() == 0) return out;
    out.affect = Affect{reader.number(), reader.number()};
    if (!detail::is_affect(*out.affect))
      fail(detail::text("valence ", out.affect->valence, " and arousal ", out.affect->arousal), "both from -1 to 1");
    return out;
  }

  static FrameList read_frames(detail::ByteReader& reader, const std::shared_ptr<const PackedPictures>& self) {
    const auto numbers = reader.take(8 * reader.count(8));
    for (std::size_t i = 0; i < numbers.size(); i += 8)
      if (const std::uint64_t number = detail::little_endian(numbers.subspan(i, 8)); number >= self->entries_.size())
        reader.fail(detail::text("picture ", number), detail::text("one of ", self->entries_.size()));
    return {self, numbers};
  }

  detail::PackedPicture entry(std::uint64_t number) const {
    if (number >= entries_.size())
      throw IndexError(detail::text("`", path_.string(), "`: picture ", number, " of ", entries_.size()));
    const std::size_t at = entries_[static_cast<std::size_t>(number)];
    detail::ByteReader reader(index_.subspan(at), path_.string(), place_ + at);
    return read_picture(reader);
  }

  /// Only those who hold paths need them.
  void make_names() const {
    numbers_.reserve(entries_.size());
    for (std::uint64_t i = 0; i < entries_.size(); ++i)
      if (const auto name = path_of(i).string(); !numbers_.emplace(name, i).second)
        fail("the index", "`" + name + "` twice", "every picture once");
  }

  [[noreturn]] void fail(std::string_view place, std::string_view found, std::string_view expected) const {
    throw FileError(path_.string(), place, found, expected);
  }

  std::filesystem::path path_;
  io::MappedFile file_;
  std::uint64_t place_ = 0;  ///< of the index
  std::uint64_t hash_ = 0;
  std::span<const std::byte> index_;
  std::vector<std::string> class_names_;
  std::vector<std::size_t> entries_;  ///< of pictures, where they begin in the index
  std::size_t samples_ = 0;           ///< where they begin in the index
  mutable std::once_flag names_made_;
  mutable std::unordered_map<std::string, std::uint64_t> numbers_;
};

namespace detail {

/// One file of a large set, as the list knows it.
struct Shard {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t index_hash = 0;
};

inline std::vector<std::byte> shard_list(const std::vector<Shard>& shards) {
  ByteWriter out;
  out.append(std::as_bytes(std::span(shard_list_magic)));
  out.u64(shards.size());
  for (const Shard& shard : shards) {
    out.string(shard.name);
    out.u64(shard.bytes);
    out.u64(shard.index_hash);
  }
  out.u64(content_hash(out.bytes()));
  return {out.bytes().begin(), out.bytes().end()};
}

/// Throws FileError: no list, cut, or changed.
inline std::vector<Shard> read_shard_list(std::span<const std::byte> bytes, const std::string& file) {
  const auto magic = std::as_bytes(std::span(shard_list_magic));
  if (bytes.size() < magic.size() + 16 || !std::equal(magic.begin(), magic.end(), bytes.begin()))
    throw FileError(file, "", "another beginning", "`" + std::string(shard_list_magic) + "`, a list of shards");
  const auto content = bytes.first(bytes.size() - 8);
  if (content_hash(content) != little_endian(bytes.last(8)))
    throw FileError(file, "", "another hash than the one written", "the same");
  ByteReader reader(content.subspan(magic.size()), file, magic.size());
  std::vector<Shard> out;
  for (std::size_t left = reader.count(24); left > 0; --left) {
    Shard shard{.name = reader.string()};
    if (shard.name.empty() || std::filesystem::path(shard.name).filename() != shard.name)
      reader.fail("`" + shard.name + "`", "the name of a file in the same folder");
    shard.bytes = reader.u64();
    shard.index_hash = reader.u64();
    out.push_back(std::move(shard));
  }
  if (reader.left() > 0) reader.fail(text(reader.left(), " bytes more"), "the end of the list");
  return out;
}

/// Throws ValueError for a label without a class.
inline void check_packed_label(const FrameSequence& sample, Index classes) {
  if (sample.label < no_label || sample.label >= classes)
    throw ValueError(text("`", sample.name, "`: label ", sample.label, " of ", classes, " classes"));
}

/// Writes samples into one file after the other, and their list last of all.
inline void write_shards(const std::filesystem::path& path, const FrameSequences& data, const PackOptions& options) {
  io::detail::TemporaryFolder folder(path);
  std::vector<Shard> shards;
  std::size_t next = 0;
  do {
    std::string number = std::to_string(shards.size() + 1);
    number.insert(0, 5 - std::min<std::size_t>(5, number.size()), '0');
    Shard shard{.name = "shard-" + number + ".pack"};
    PackWriter writer(folder.path() / shard.name, options);
    for (; next < data.samples.size() && writer.bytes() < options.shard_bytes; ++next) {
      check_packed_label(data.samples[next], data.classes());
      writer.add(data.samples[next], data.classes());
    }
    shard.index_hash = writer.finish(data.class_names);
    shard.bytes = std::filesystem::file_size(folder.path() / shard.name);
    shards.push_back(std::move(shard));
  } while (next < data.samples.size());
  io::write_file(folder.path() / shard_list_name, shard_list(shards));
  folder.commit();
}

/// Which shard of the list a file is, by its index; for errors.
inline std::string shard_of(std::uint64_t index_hash, const std::vector<Shard>& shards) {
  for (const Shard& shard : shards)
    if (shard.index_hash == index_hash) return "a copy of `" + shard.name + "`";
  return "a shard of another set";
}

inline FrameSequences read_shards(const std::filesystem::path& folder) {
  const auto list = folder / shard_list_name;
  const auto shards = read_shard_list(io::read_file(list), list.string());
  FrameSequences out;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const auto path = folder / shards[i].name;
    const std::string expected = text("shard ", i + 1, " of ", shards.size());
    std::error_code unknown;
    if (!std::filesystem::exists(path, unknown)) throw FileError(path.string(), "", "nothing", expected);
    const auto pictures = std::make_shared<const PackedPictures>(path);
    if (pictures->index_hash() != shards[i].index_hash || pictures->bytes() != shards[i].bytes)
      throw FileError(path.string(), "", shard_of(pictures->index_hash(), shards), expected);
    FrameSequences part = PackedPictures::sequences(pictures);
    if (i == 0) out.class_names = part.class_names;
    if (part.class_names != out.class_names)
      throw FileError(path.string(), "", "other classes", "those of `" + shards[0].name + "`");
    out.samples.insert(out.samples.end(), std::move_iterator(part.samples.begin()),
                       std::move_iterator(part.samples.end()));
  }
  return out;
}

}  // namespace detail

/// Writes a data set with all its pictures, labels, votes, affect, subjects, splits and class names into one file, or
/// with `shard_bytes` into a new folder of files: as a whole or not at all. Pictures of a table keep their pixels; a
/// picture that several samples use is written once, in each shard that needs it. Throws FileError for a picture that
/// cannot be read and for a folder that is there and not empty, ValueError for votes that don't fit the classes or are
/// no shares, valence or arousal that is no number from -1 to 1, and names of pictures that are longer than 1024 bytes.
///
/// A process that is killed leaves nothing under `path`, and a temporary file or folder beside it, which
/// `io::remove_abandoned_files` removes.
inline void write_packed(const std::filesystem::path& path, const FrameSequences& data,
                         const PackOptions& options = {}) {
  check_class_names(data.class_names);
  if (options.shard_bytes > 0) return detail::write_shards(path, data, options);
  detail::PackWriter writer(path, options);
  for (const FrameSequence& sample : data.samples) {
    detail::check_packed_label(sample, data.classes());
    writer.add(sample, data.classes());
  }
  writer.finish(data.class_names);
}

/// Opens what `write_packed` wrote: a file, or a folder of shards as one set in the order in which it was written.
/// Frames are named by the packed file's path and their name in it, and are read from there by FaceClips and
/// `read_frame`. A shard by itself can be opened too, as a set of its own. Throws FileError, see `PackedPictures`; for
/// shards also if one is missing, stands twice, or is of another set.
inline FrameSequences read_packed(const std::filesystem::path& path) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) return detail::read_shards(path);
  return PackedPictures::sequences(std::make_shared<const PackedPictures>(path));
}

/// Whether a file begins as a packed one, or a folder has a list of shards.
inline bool is_packed(const std::filesystem::path& path) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown))
    return std::filesystem::exists(path / detail::shard_list_name, unknown);
  if (!std::filesystem::is_regular_file(path, unknown)) return false;
  const io::MappedFile file(path);
  const auto magic = std::as_bytes(std::span(detail::packed_magic));
  return file.bytes().size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.bytes().begin());
}

}  // namespace mien::data
