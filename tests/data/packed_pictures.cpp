#include <mien/data/packed_pictures.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "data/layout_files.hpp"
#include "io/message.hpp"
#include "mien/data/face_clips.hpp"
#include "mien/data/loader.hpp"

using namespace mien;
using data::FrameSequences;
using data::PackedForm;

namespace {

/// Two videos and a picture of a table, with all that samples can have.
FrameSequences example(const TemporaryFolder& root) {
  for (const char* name : {"1.png", "2.png", "3.png"})
    put_picture(root, name, static_cast<std::uint8_t>(40 * name[0]), 7, 5);
  io::Image colour(3, 2, 3);
  for (std::size_t i = 0; i < colour.pixels.size(); ++i) colour.pixels[i] = static_cast<std::uint8_t>(9 * i);
  io::write_png(root / "colour.png", colour);
  auto memory = std::make_shared<data::MemoryPictures>();
  memory->add("table/7", io::Image(4, 4, 1, 200));
  FrameSequences set{.class_names = {"glad", "låw"}};
  set.samples.push_back({.name = "glad/a",
                         .label = 0,
                         .subject = "S1",
                         .split = "train",
                         .frames = {root / "1.png", root / "2.png", root / "1.png"},
                         .votes = {0.75, 0.25}});
  set.samples.push_back({.name = "låw/colour.png", .label = 1, .split = "test", .frames = {root / "colour.png"}});
  set.samples.push_back({.name = "7",
                         .label = data::no_label,
                         .frames = {"table/7"},
                         .affect = data::Affect{-0.5, 0.125},
                         .pictures = memory});
  set.samples.push_back({.name = "file", .label = 0, .video = "somewhere/a.mp4"});
  return set;
}

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& path) {
  const auto content = io::read_file(path);
  return {reinterpret_cast<const std::uint8_t*>(content.data()),
          reinterpret_cast<const std::uint8_t*>(content.data()) + content.size()};
}

void write_bytes(const std::filesystem::path& path, const std::vector<std::uint8_t>& bytes) {
  io::write_file(path, std::as_bytes(std::span(bytes)));
}

/// A packed file of one picture of no bytes, which is all frames of one sample.
std::vector<std::uint8_t> packed_by_hand(const std::string& name, std::size_t frames) {
  data::detail::ByteWriter index;
  index.u64(0);
  index.u64(1);
  index.string(name);
  for (const std::uint64_t number : {8, 0}) index.u64(number);
  for (int i = 0; i < 3; ++i) index.u32(0);
  index.u64(data::detail::content_hash({}));
  index.u64(1);
  index.string("sample");
  index.u64(static_cast<std::uint64_t>(data::no_label));
  for (int i = 0; i < 3; ++i) index.string("");
  index.u64(frames);
  for (std::size_t i = 0; i < frames; ++i) index.u64(0);
  index.u64(0);
  index.u8(0);
  data::detail::ByteWriter file;
  const auto magic = std::as_bytes(std::span(data::detail::packed_magic));
  file.append(magic);
  file.append(index.bytes());
  file.u64(8);
  file.u64(index.bytes().size());
  file.u64(data::detail::content_hash(index.bytes()));
  file.u64(8 + index.bytes().size() + 40);
  file.append(magic);
  const auto* const first = reinterpret_cast<const std::uint8_t*>(file.bytes().data());
  return {first, first + file.bytes().size()};
}

/// Puts the right hash of the index back behind a change, so that what follows is looked at.
void mend_hash(std::vector<std::uint8_t>& bytes) {
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | bytes[at + i];
    return static_cast<std::size_t>(value);
  };
  const std::size_t tail = bytes.size() - 40;
  const auto index = std::as_bytes(std::span(bytes)).subspan(number(tail), number(tail + 8));
  const std::uint64_t hash = data::detail::content_hash(index);
  for (std::size_t i = 0; i < 8; ++i) bytes[tail + 16 + i] = static_cast<std::uint8_t>(hash >> (8 * i));
}

}  // namespace

TEST_CASE("what is packed comes back: pictures, samples, and all that is known of them") {
  const TemporaryFolder root;
  const FrameSequences set = example(root);
  for (const PackedForm form : {PackedForm::as_they_are, PackedForm::pixels}) {
    data::write_packed(root / "set.pack", set, {.form = form});
    const FrameSequences again = data::read_packed(root / "set.pack");
    CHECK(again.class_names == set.class_names);
    CHECK(sample_names(again) == sample_names(set));
    CHECK(again.labels() == set.labels());
    CHECK(again.subjects() == set.subjects());
    CHECK(again.splits() == set.splits());
    CHECK(again.samples[0].votes == set.samples[0].votes);
    CHECK(again.samples[2].affect == set.samples[2].affect);
    CHECK_FALSE(again.samples[0].affect.has_value());
    CHECK(again.samples[3].video == set.samples[3].video);
    for (std::size_t i = 0; i < set.samples.size(); ++i) {
      REQUIRE(again.samples[i].frames.size() == set.samples[i].frames.size());
      for (std::size_t f = 0; f < set.samples[i].frames.size(); ++f)
        for (const Index channels : {1, 3}) {
          const auto frame = static_cast<Index>(f);
          const auto before = data::read_frame(set.samples[i], frame, {.channels = channels});
          const auto after = data::read_frame(again.samples[i], frame, {.channels = channels});
          CHECK(before.width == after.width);
          CHECK(before.pixels == after.pixels);
        }
    }
    // A picture that is used twice is there once, and grey pixels take one byte.
    const data::PackedPictures pictures(root / "set.pack");
    CHECK(pictures.size() == 4);
    CHECK(pictures.stored(again.samples[0].frames[0]).channels == (form == PackedForm::pixels ? 1 : 0));
    CHECK(pictures.stored(again.samples[1].frames[0]).channels == (form == PackedForm::pixels ? 3 : 0));
    CHECK(data::is_packed(root / "set.pack"));

    // What was packed can be packed again.
    data::write_packed(root / "second.pack", again, {.form = form});
    CHECK(bytes_of(root / "second.pack").size() == bytes_of(root / "set.pack").size());
    const auto second = data::read_packed(root / "second.pack");
    CHECK(data::read_frame(second.samples[1], 0).pixels == data::read_frame(set.samples[1], 0).pixels);
  }
  CHECK_FALSE(data::is_packed(root / "1.png"));
  CHECK_FALSE(data::is_packed(root / "nowhere"));
}

TEST_CASE("pictures of one name in several folders are numbered") {
  const TemporaryFolder root;
  FrameSequences set{.class_names = {"glad"}};
  set.samples.push_back({.name = "a"});
  for (const std::string folder : {"x", "y", "z"}) {
    put_picture(root, folder + "/1.png", static_cast<std::uint8_t>(10 * folder[0] - 1100), 7, 5);
    set.samples[0].frames.push_back(root / folder / "1.png");
  }
  data::write_packed(root / "set.pack", set);
  const auto again = data::read_packed(root / "set.pack");
  std::vector<std::string> names;
  for (const auto& frame : again.samples[0].frames)
    names.push_back(frame.lexically_relative(root / "set.pack").generic_string());
  CHECK(names == std::vector<std::string>{"a/1.png", "a/2-1.png", "a/3-1.png"});
  for (Index frame = 0; frame < 3; ++frame)
    CHECK(data::read_frame(again.samples[0], frame).pixels == data::read_frame(set.samples[0], frame).pixels);
}

TEST_CASE("FaceClips makes the same batches of packed pictures, bit by bit") {
  const TemporaryFolder root;
  FrameSequences set = example(root);
  set.samples.resize(2);
  data::write_packed(root / "set.pack", set, {.form = PackedForm::pixels});
  const data::FaceClipsOptions options{.clips = 1, .frames = 2, .side = 6};
  const data::FaceClips files(set, options);
  const data::FaceClips packed(data::read_packed(root / "set.pack"), options);
  for (Index i = 0; i < 2; ++i) {
    Generator generator(3);
    const auto a = files.make(i, generator);
    const auto b = packed.make(i, generator);
    CHECK(std::equal(a.frames.data(), a.frames.data() + a.frames.elements(), b.frames.data()));
  }
}

TEST_CASE("a packed file is written where a link leads to") {
  const TemporaryFolder root;
  const FrameSequences set = example(root);
  std::filesystem::create_directory(root / "elsewhere");
  std::filesystem::create_symlink(root / "elsewhere/set.pack", root / "set.pack");
  io::write_file(root / "elsewhere/set.pack", std::string_view("old"));
  data::write_packed(root / "set.pack", set);
  CHECK(std::filesystem::is_symlink(root / "set.pack"));
  CHECK(data::read_packed(root / "elsewhere/set.pack").size() == set.size());
}

TEST_CASE("two packed files with pictures of the same name keep them apart") {
  const TemporaryFolder root;
  FrameSequences set = example(root);
  set.samples.resize(1);
  data::write_packed(root / "set.pack", set);
  auto both = data::read_packed(root / "set.pack");
  put_picture(root, "1.png", 99, 7, 5);
  const auto old = both.samples[0].pictures;
  data::write_packed(root / "set.pack", set);
  both.samples.push_back(data::read_packed(root / "set.pack").samples[0]);
  // The first mapping still shows the file that it opened.
  CHECK(both.samples[0].frames[0] == both.samples[1].frames[0]);
  data::ImageCache cache(1 << 20);
  const auto first = cache.read(both.samples[0].frames[0], 1, both.samples[0].pictures.get());
  const auto second = cache.read(both.samples[1].frames[0], 1, both.samples[1].pictures.get());
  CHECK(first->pixels != second->pixels);
  CHECK(second->pixels[0] == 99);
}

TEST_CASE("a packed file that is cut or changed anywhere is refused, and nothing worse happens") {
  const TemporaryFolder root;
  data::write_packed(root / "set.pack", example(root));
  const auto whole = bytes_of(root / "set.pack");
  const auto open_all = [&] {
    const auto set = data::read_packed(root / "bad.pack");
    for (const auto& sample : set.samples)
      for (Index frame = 0; frame < static_cast<Index>(sample.frames.size()); ++frame) data::read_frame(sample, frame);
  };
  for (std::size_t size = 0; size < whole.size(); size += size < 50 || size > whole.size() - 50 ? 1 : 37) {
    write_bytes(root / "bad.pack", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    CHECK_THROWS_AS(open_all(), FileError);
  }
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    auto bytes = whole;
    bytes[at] ^= 0x41;
    write_bytes(root / "bad.pack", bytes);
    CHECK_THROWS_AS(open_all(), FileError);
  }
  // The index says things that its hash agrees with: lengths and places are still never believed.
  const auto is_refused = [&](std::size_t at, int value) {
    auto bytes = whole;
    bytes[at] = static_cast<std::uint8_t>(value);
    mend_hash(bytes);
    write_bytes(root / "bad.pack", bytes);
    try {
      open_all();
    } catch (const Error&) {
      return true;
    }
    return false;
  };
  for (std::size_t at = 8; at < whole.size() - 40; ++at)
    for (const int value : {0x00, 0x7f, 0xff}) is_refused(at, value);
  // The highest bytes of the first picture's numbers: of its name's length, its place, its bytes, its channels.
  const std::string_view text(reinterpret_cast<const char*>(whole.data()), whole.size());
  const std::string picture = "glad/a/1.png";
  const std::size_t name = text.find(picture);
  REQUIRE(name != text.npos);
  const std::size_t behind = name + picture.size();
  CHECK_FALSE(is_refused(name - 1, 0));
  for (const std::size_t at : {name - 1, behind + 7, behind + 15, behind + 27}) {
    CAPTURE(at - name);
    CHECK(is_refused(at, 0x7f));
    CHECK(is_refused(at, 0xff));
  }
}

TEST_CASE("labels, votes, valence and arousal of a packed file that cannot be are told with file and sample") {
  const TemporaryFolder root;
  data::write_packed(root / "set.pack", example(root));
  const auto whole = bytes_of(root / "set.pack");
  const auto as_written = [](std::uint64_t number) {
    data::detail::ByteWriter out;
    out.u64(number);
    const auto* const first = reinterpret_cast<const std::uint8_t*>(out.bytes().data());
    return std::vector<std::uint8_t>(first, first + 8);
  };
  // What the message says when the last place of a number in the file has another one.
  const auto changed = [&](std::uint64_t before, std::uint64_t after) {
    auto bytes = whole;
    const auto from = as_written(before);
    const auto to = as_written(after);
    const auto place = std::find_end(bytes.begin(), bytes.end() - 40, from.begin(), from.end());
    REQUIRE(place != bytes.end() - 40);
    std::copy(to.begin(), to.end(), place);
    mend_hash(bytes);
    write_bytes(root / "bad.pack", bytes);
    return message_of<FileError>([&] { static_cast<void>(data::read_packed(root / "bad.pack")); });
  };
  const auto number = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  const std::string file = (root / "bad.pack").string() + ": byte ";
  for (const auto& [value, shown] : {std::pair{1.01, "1.01"}, std::pair{-2.0, "-2"}, std::pair{double{NAN}, "nan"}}) {
    const std::string said = changed(number(0.125), number(value));
    CHECK(said.starts_with(file));
    CHECK(contains(
        said, std::string("found sample `7` with valence -0.5 and arousal ") + shown + ", expected both from -1 to 1"));
  }
  CHECK(contains(changed(number(-0.5), number(3)), "found sample `7` with valence 3 and arousal 0.125, expected both"));
  CHECK(changed(number(0.125), number(1)) == "nothing thrown");
  CHECK(contains(changed(number(0.75), number(1.5)), "found sample `glad/a` with a vote of 1.5, expected 0 to 1"));
  // The label of the sample that has none.
  const auto none = static_cast<std::uint64_t>(data::no_label);
  const std::string said = changed(none, 2);
  CHECK(said.starts_with(file));
  CHECK(contains(said, "found sample `7` with label 2, expected -1 to 1"));
  CHECK(contains(changed(none, none - 1), "found sample `7` with label -2, expected -1 to 1"));
}

TEST_CASE("the frames of a packed sample take no memory, however many and however long their names") {
  const TemporaryFolder root;
  const auto message = [&](const std::string& name, std::size_t frames) {
    write_bytes(root / "made.pack", packed_by_hand(name, frames));
    return message_of<FileError>([&] { static_cast<void>(data::read_packed(root / "made.pack")); });
  };
  CHECK(contains(message(std::string(1025, 'a'), 3), "a picture's name of 1025 bytes, expected at most 1024"));
  const std::string name(1024, 'a');
  CHECK(message(name, 1'000'000) == "nothing thrown");
  const auto set = data::read_packed(root / "made.pack");
  CHECK(set.samples[0].frames.size() == 1'000'000);
  CHECK(set.samples[0].frames[999'999] == root / "made.pack" / name);
}

TEST_CASE("frames of a packed file are read by number and by path, also after they were chosen from") {
  const TemporaryFolder root;
  data::write_packed(root / "set.pack", example(root));
  const auto set = data::read_packed(root / "set.pack");
  auto sample = set.samples[0];
  REQUIRE(sample.frames.numbered() != nullptr);
  CHECK(sample.frames.number(2) == sample.frames.number(0));
  const auto second = sample.frames[1];
  const auto pixels = data::read_frame(sample, 1).pixels;
  sample.frames.push_back(second);
  CHECK(sample.frames.numbered() == nullptr);
  CHECK(sample.frames.size() == 4);
  CHECK(sample.frames.back() == second);
  CHECK(data::read_frame(sample, 3).pixels == pixels);
  sample.frames.clear();
  CHECK(sample.frames.empty());
  sample.frames = {root / "set.pack" / "nothing"};
  CHECK(contains(message_of<FileError>([&] { data::read_frame(sample, 0); }), "no picture"));
}

TEST_CASE("what makes no packed file is told") {
  const TemporaryFolder root;
  auto set = example(root);
  set.samples[0].votes = {1, 0, 0};
  CHECK_THROWS_AS(data::write_packed(root / "set.pack", set), ValueError);
  set = example(root);
  set.samples[0].label = 2;
  CHECK_THROWS_AS(data::write_packed(root / "set.pack", set), ValueError);
  const auto refusal = [&] { return message_of<ValueError>([&] { data::write_packed(root / "set.pack", set); }); };
  for (const double vote : {3.0, -0.5, double{NAN}}) {
    set = example(root);
    set.samples[0].votes[1] = vote;
    CHECK(contains(refusal(), "`glad/a` has a vote of "));
  }
  for (const double number : {double{NAN}, double{INFINITY}, -1.5}) {
    set = example(root);
    set.samples[2].affect->arousal = number;
    CHECK(contains(refusal(), "`7` has valence -0.5 and arousal "));
  }
  set.samples[2].affect = data::Affect{1.01, 1};
  CHECK(contains(refusal(), "`7` has valence 1.01 and arousal 1, which are not both from -1 to 1"));
  set = example(root);
  set.samples[1].name = std::string(1020, 'n');
  CHECK(contains(refusal(), "a picture's name of 1031 bytes, of at most 1024"));
  set = example(root);
  set.samples[0].frames = {root / "1.png", root / "gone.png"};
  CHECK(contains(message_of<FileError>([&] { data::write_packed(root / "set.pack", set); }), "gone.png"));
  CHECK_FALSE(std::filesystem::exists(root / "set.pack"));
  data::write_packed(root / "empty.pack", {});
  CHECK(data::read_packed(root / "empty.pack").size() == 0);
  CHECK(contains(message_of<FileError>([&] { data::read_packed(root / "1.png"); }), "1.png"));
}

// --- shards ---------------------------------------------------------------------------------------------------------

namespace {

/// Samples of pictures of 35 pixels, and a packing of them into shards of `per_shard` samples.
FrameSequences many(const TemporaryFolder& root, Index count) {
  FrameSequences set{.class_names = {"glad", "low"}};
  for (Index i = 0; i < count; ++i) {
    const std::string name = std::to_string(i) + ".png";
    put_picture(root, name, static_cast<std::uint8_t>(3 * i), 7, 5);
    set.samples.push_back({.name = name, .label = i % 2, .subject = "S", .frames = {root / name}});
  }
  return set;
}

data::PackOptions in_shards(std::uint64_t pictures) {
  return {.form = PackedForm::pixels, .shard_bytes = 35 * pictures};
}

std::string opening(const std::filesystem::path& path) {
  return message_of<FileError>([&] { static_cast<void>(data::read_packed(path)); });
}

std::vector<std::string> sorted_names(const std::filesystem::path& folder) {
  auto names = io::names_in_folder(folder);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("shards of any size are one set in its order") {
  const TemporaryFolder root;
  for (const Index count : {0, 1, 7}) {
    const FrameSequences set = many(root, count);
    for (const std::uint64_t pictures : {1, 3, 7, 100}) {
      const auto folder = root / ("set" + std::to_string(count) + "_" + std::to_string(pictures));
      data::write_packed(folder, set, in_shards(pictures));
      CHECK(data::is_packed(folder));
      const auto files = io::names_in_folder(folder).size();
      CHECK(files == std::max<std::size_t>(1, (static_cast<std::size_t>(count) + pictures - 1) / pictures) + 1);
      const auto again = data::read_packed(folder);
      CHECK(again.class_names == set.class_names);
      CHECK(sample_names(again) == sample_names(set));
      CHECK(again.labels() == set.labels());
      for (std::size_t i = 0; i < again.samples.size(); ++i)
        CHECK(data::read_frame(again.samples[i], 0, {.channels = 1}).pixels ==
              std::vector<std::uint8_t>(35, static_cast<std::uint8_t>(3 * i)));
    }
  }
  // A shard is a set of its own, and shards can be packed again, in a folder that is there and empty too.
  CHECK(sample_names(data::read_packed(root / "set7_3" / "shard-00003.pack")) == std::vector<std::string>{"6.png"});
  std::filesystem::create_directories(root / "again");
  data::write_packed(root / "again", data::read_packed(root / "set7_3"), in_shards(3));
  for (const std::string& name : sorted_names(root / "set7_3"))
    CHECK(bytes_of(root / "again" / name) == bytes_of(root / "set7_3" / name));
  CHECK_FALSE(data::is_packed(root.path()));
}

TEST_CASE("a picture of several samples is in each of their shards") {
  const TemporaryFolder root;
  auto set = many(root, 3);
  set.samples[2].frames = {root / "0.png", root / "0.png"};
  data::write_packed(root / "set", set, in_shards(2));
  const auto again = data::read_packed(root / "set");
  CHECK(data::PackedPictures(root / "set" / "shard-00002.pack").size() == 1);
  CHECK(data::read_frame(again.samples[2], 1).pixels == data::read_frame(set.samples[0], 0).pixels);
}

TEST_CASE("FaceClips and a window make the same batches of shards as of one file") {
  const TemporaryFolder root;
  const auto set = many(root, 200);
  data::write_packed(root / "one", set, {.form = PackedForm::pixels});
  data::write_packed(root / "set", set, in_shards(70));
  const auto batches = [&](const std::filesystem::path& path, Index workers) {
    const data::Loader loader(data::FaceClips(data::read_packed(path), {.clips = 1, .frames = 1, .side = 4}),
                              {.batch = 16, .seed = 4, .workers = workers, .shuffle_window = 90});
    std::vector<std::string> names;
    std::vector<float> pixels;
    for (const auto& batch : loader.epoch(0)) {
      names.insert(names.end(), batch.names.begin(), batch.names.end());
      pixels.insert(pixels.end(), batch.frames.span().begin(), batch.frames.span().end());
    }
    return std::pair(names, pixels);
  };
  const auto expected = batches(root / "one", 0);
  CHECK(expected.first.size() == 200);
  CHECK(batches(root / "set", 0) == expected);
  CHECK(batches(root / "set", 3) == expected);
}

TEST_CASE("a missing, repeated, foreign, old or damaged shard is told") {
  const TemporaryFolder root;
  const auto pack = [&](const std::string& name, Index first) {
    auto set = many(root, 9);
    set.samples.erase(set.samples.begin(), set.samples.begin() + first);
    data::write_packed(root / name, set, in_shards(3));
  };
  pack("set", 0);
  pack("other", 1);
  const auto shard = [&](const std::string& set, int number) {
    return root / set / ("shard-0000" + std::to_string(number) + ".pack");
  };
  const auto replaced = [&](int number, const std::filesystem::path& by) {
    const auto before = bytes_of(shard("set", number));
    write_bytes(shard("set", number), bytes_of(by));
    const std::string message = opening(root / "set");
    write_bytes(shard("set", number), before);
    return message;
  };
  CHECK(opening(root / "set") == "nothing thrown");
  CHECK(contains(replaced(2, shard("set", 1)),
                 "shard-00002.pack: found a copy of `shard-00001.pack`, expected shard 2 of 3"));
  CHECK(contains(replaced(2, shard("other", 2)),
                 "shard-00002.pack: found a shard of another set, expected shard 2 of 3"));
  // Whole files of earlier versions, or of other sets, are no shards either.
  CHECK(contains(replaced(1, std::filesystem::path(MIEN_TEST_DATA_DIR) / "files/0.1.0/pixels.pack"),
                 "found a shard of another set"));
  CHECK(contains(replaced(3, root / "1.png"), "shard-00003.pack: found "));
  // The same names, labels and sizes, and other pixels: the index knows.
  put_picture(root, "4.png", 200, 7, 5);
  auto changed = many(root, 9);
  put_picture(root, "4.png", 200, 7, 5);
  data::write_packed(root / "changed", changed, in_shards(3));
  CHECK(contains(replaced(2, shard("changed", 2)), "a shard of another set"));
  CHECK(opening(root / "set") == "nothing thrown");

  std::filesystem::rename(shard("set", 2), root / "aside");
  CHECK(contains(opening(root / "set"), "shard-00002.pack: found nothing, expected shard 2 of 3"));
  std::filesystem::rename(root / "aside", shard("set", 2));

  // The list: absent, changed, cut anywhere, or of other sets.
  const auto list = root / "set" / "shards.list";
  const auto whole = bytes_of(list);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_bytes(list, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    CHECK_THROWS_AS(data::read_packed(root / "set"), FileError);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto bytes = whole;
    bytes[at] ^= 0x41;
    write_bytes(list, bytes);
    CHECK_THROWS_AS(data::read_packed(root / "set"), FileError);
  }
  write_bytes(list, bytes_of(root / "other" / "shards.list"));
  CHECK(contains(opening(root / "set"), "shard-00001.pack: found a shard of another set, expected shard 1 of 3"));
  std::filesystem::remove(list);
  CHECK(contains(opening(root / "set"), "shards.list"));
  CHECK_FALSE(data::is_packed(root / "set"));
}

TEST_CASE("a list of shards names files of its own folder alone") {
  for (const std::string name : {"", "../a.pack", "/a.pack", "a/b.pack"}) {
    CAPTURE(name);
    const auto bytes = data::detail::shard_list({{.name = name, .bytes = 1, .index_hash = 2}});
    const auto reading = [&] { static_cast<void>(data::detail::read_shard_list(bytes, "shards.list")); };
    CHECK(message_of<FileError>(reading) != "nothing thrown");
  }
}

TEST_CASE("shards are written as a whole or not at all") {
  const TemporaryFolder root;
  auto set = many(root, 5);
  data::write_packed(root / "set", set, in_shards(2));
  // A folder that holds anything stays as it is, and so does a file.
  const auto before = sorted_names(root / "set");
  put(root, "nothing");
  std::filesystem::create_directories(root / "empty");
  std::filesystem::create_symlink(root / "empty", root / "link");
  for (const char* taken : {"set", "set/", "1.png", "nothing", "link"})
    CHECK(contains(message_of<FileError>([&] { data::write_packed(root / taken, set, in_shards(2)); }),
                   "something that is there already"));
  CHECK(sorted_names(root / "set") == before);
  CHECK(opening(root / "set") == "nothing thrown");
  // What cannot be packed leaves nothing, after whole shards too.
  set.samples[4].frames = {root / "gone.png"};
  const auto names = sorted_names(root.path());
  CHECK_THROWS_AS(data::write_packed(root / "new", set, in_shards(2)), FileError);
  CHECK(sorted_names(root.path()) == names);
  CHECK(contains(message_of<FileError>([&] { data::write_packed(root / "no" / "where", set, in_shards(2)); }),
                 "where: found No such file or directory"));
}

TEST_CASE("packing that is killed leaves nothing under the set's name, and what it leaves can be removed") {
  const TemporaryFolder root;
  class Deadly : public data::PictureSource {
   public:
    data::StoredPicture stored(const std::filesystem::path& name) const override {
      if (name == "7") ::kill(::getpid(), SIGKILL);
      return {std::as_bytes(std::span(pixels_)), 7, 5, 1};
    }

   private:
    std::array<std::uint8_t, 35> pixels_{};
  };
  const auto pictures = std::make_shared<const Deadly>();
  FrameSequences set{.class_names = {"glad"}};
  for (int i = 0; i < 9; ++i)
    set.samples.push_back({.name = std::to_string(i), .frames = {std::to_string(i)}, .pictures = pictures});
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    data::write_packed(root / "set", set, in_shards(2));
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK_FALSE(std::filesystem::exists(root / "set"));
  REQUIRE(io::names_in_folder(root.path()).size() == 1);
  io::remove_abandoned_files(root.path());
  CHECK(io::names_in_folder(root.path()).empty());
  set.samples.resize(7);
  data::write_packed(root / "set", set, in_shards(2));
  CHECK(data::read_packed(root / "set").size() == 7);
}
