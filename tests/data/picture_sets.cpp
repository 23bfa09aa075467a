// FER2013, FER+, RAF-DB and sheets, in small copies of their layouts.

#include <mien/data/emotion_labels.hpp>
#include <mien/data/face_clips.hpp>
#include <mien/data/fer2013.hpp>
#include <mien/data/frame_folders.hpp>
#include <mien/data/raf_db.hpp>

#include <doctest/doctest.h>

#include "data/layout_files.hpp"
#include "io/message.hpp"

using namespace mien;
using data::ClassOrder;

namespace {

using Names = std::vector<std::string>;

/// Pixels of a 48 x 48 picture: `first`, then 1, 2, ... modulo 256.
std::string pixels(int first, int count = 48 * 48) {
  std::string out = std::to_string(first);
  for (int i = 1; i < count; ++i) out += " " + std::to_string(i % 256);
  return out;
}

std::string fer2013(const std::string& first_pixels = pixels(7)) {
  return "emotion,pixels,Usage\n0," + first_pixels + ",Training\n3,\"" + pixels(9) + "\",PublicTest\n6," + pixels(11) +
         ",PrivateTest\n";
}

const std::string votes_header =
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";

}  // namespace

TEST_CASE("every table of labels names each of its numbers once, and its emotions are the library's") {
  const auto check = [](std::span<const data::OwnLabel> table, std::size_t without_emotion) {
    std::size_t others = 0;
    for (std::size_t i = 0; i < table.size(); ++i) {
      others += !table[i].emotion;
      for (std::size_t j = 0; j < i; ++j) {
        CHECK(table[i].number != table[j].number);
        CHECK(table[i].name != table[j].name);
      }
    }
    CHECK(others == without_emotion);
  };
  check(data::fer2013_labels, 0);
  check(data::ferplus_labels, 1);
  check(data::raf_db_labels, 0);
  check(data::emotion_words, 2);
}

TEST_CASE("classes are the library's seven, with others behind them if asked for, or the set's own") {
  const data::LabelMap library(data::ferplus_labels);
  CHECK(library.class_names() == data::emotion_class_names());
  CHECK(library.label(*library.find("Sadness")) == static_cast<Index>(data::Emotion::sadness));
  CHECK(library.label(*library.find("contempt")) == std::nullopt);
  const data::LabelMap kept(data::ferplus_labels, {.keep_other = true});
  CHECK(kept.label(7) == 7);
  CHECK(kept.class_names()[7] == "contempt");
  const data::LabelMap own(data::ferplus_labels, {.order = ClassOrder::own});
  CHECK(own.class_names()[0] == "neutral");
  CHECK(own.label(7) == 7);
  CHECK(own.label(1) == 1);
  CHECK_FALSE(own.find("happines").has_value());
  CHECK_FALSE(own.find(8).has_value());
}

TEST_CASE("folders' words become the library's emotions, with their votes") {
  data::FrameSequences set{.class_names = {"Contempt", "happy", "joy", "sad"}};
  set.samples.push_back({.name = "a", .label = 1, .votes = {0.5, 0.125, 0.125, 0.25}});
  set.samples.push_back({.name = "b", .label = 0, .votes = {1, 0, 0, 0}});
  set.samples.push_back({.name = "c", .label = 3});
  const auto seven = data::with_emotion_classes(set);
  CHECK(sample_names(seven) == Names{"a", "c"});
  CHECK(sample_classes(seven) == Names{"happiness", "sadness"});
  CHECK(seven.skipped.other_class == 1);
  CHECK(seven.samples[0].votes == std::vector<double>{0.5, 0.5, 0, 0, 0, 0, 0});
  const auto eight = data::with_emotion_classes(set, {.keep_other = true});
  CHECK(sample_classes(eight) == Names{"happiness", "Contempt", "sadness"});
  CHECK(eight.samples[0].votes == std::vector<double>{0.25, 0.25, 0, 0, 0, 0, 0, 0.5});
  CHECK(data::with_emotion_classes(set, {.order = ClassOrder::own}).class_names == set.class_names);
}

TEST_CASE("FER2013: pixels of the table are pictures, its Usage the split") {
  const TemporaryFolder root;
  put(root, "fer2013.csv", fer2013());
  const auto set = data::read_fer2013(root / "fer2013.csv");
  CHECK(sample_names(set) == Names{"fer0000000", "fer0000001", "fer0000002"});
  CHECK(sample_classes(set) == Names{"anger", "happiness", "neutral"});
  CHECK(set.splits() == Names{"train", "validation", "test"});
  const auto picture = data::read_frame(set.samples[1], 0, {.channels = 1});
  CHECK(picture.width == 48);
  CHECK(*picture.at(0, 0) == 9);
  CHECK(*picture.at(5, 2) == (5 + 2 * 48) % 256);
  const auto own = data::read_fer2013(root / "fer2013.csv", {.classes = {.order = ClassOrder::own}});
  CHECK(own.labels() == std::vector<Index>{0, 3, 6});
  CHECK(own.class_names[6] == "Neutral");
  CHECK(data::unreadable_frames(set).empty());

  const data::FaceClips clips(set, {.clips = 1, .frames = 1, .side = 48, .channels = 1, .normalisation = {}});
  Generator generator(1);
  const auto sample = clips.make(2, generator);
  CHECK(std::lround(255 * sample.frames(0, 0, 0, 0, 0)) == 11);
  CHECK(std::lround(255 * sample.frames(0, 0, 0, 47, 0)) == 47);
}

TEST_CASE("FER2013: the other release's header, with spaces") {
  const TemporaryFolder root;
  put(root, "icml.csv", "emotion, Usage, pixels\n4, Training," + pixels(3) + "\n");
  CHECK(sample_classes(data::read_fer2013(root / "icml.csv")) == Names{"sadness"});
}

TEST_CASE("FER2013: damaged rows are named by line and column") {
  const TemporaryFolder root;
  const auto message = [&](const std::string& content) {
    put(root, "f.csv", content);
    return message_of<FileError>([&] { data::read_fer2013(root / "f.csv"); });
  };
  CHECK(contains(message(fer2013(pixels(7, 2303))), "line 2, column `pixels`: found 2303 pixels, expected 2304"));
  CHECK(contains(message(fer2013(pixels(7, 2305))), "2305 pixels"));
  CHECK(contains(message(fer2013(pixels(256))), "`256 1"));
  CHECK(contains(message(fer2013(pixels(-1))), "for pixel 0"));
  CHECK(contains(message(fer2013("7 x" + pixels(1))), "for pixel 1"));
  CHECK(contains(message("emotion,pixels,Usage\n7," + pixels(1) + ",Training\n"), "3 Happy"));
  CHECK(contains(message("emotion,pixels,Usage\n1," + pixels(1) + ",Test\n"), "PrivateTest"));
  CHECK(contains(message("emotion,pixel,Usage\n"), "no column"));
}

TEST_CASE("FER+: votes over FER2013's own table, by the authors' rules") {
  const TemporaryFolder root;
  std::string table = "emotion,pixels,Usage\n";
  for (int i = 0; i < 7; ++i) table += "0," + pixels(20 + i) + ",Training\n";
  put(root, "fer2013.csv", table);
  put(root, "fer2013new.csv",
      votes_header +
          "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n"     // no majority: 4 of 9 once the single vote is gone
          "Training,fer0000001.png,5,1,0,0,3,0,0,0,1,0\n"     // 5 of 8
          "PublicTest,,0,0,0,0,0,0,0,0,0,10\n"                // no face, no name
          "PrivateTest,fer0000003.png,0,0,0,2,0,0,0,8,0,0\n"  // contempt
          "PrivateTest,fer0000004.png,2,0,0,0,0,0,0,0,8,0\n"  // unknown
          "PrivateTest,fer0000005.png,0,5,5,0,0,0,0,0,0,0\n"  // a tie
          "PrivateTest,fer0000006.png,0,0,0,0,6,2,0,2,0,0\n");
  const auto set = data::read_ferplus(root / "fer2013new.csv", root / "fer2013.csv");
  CHECK(sample_names(set) == Names{"fer0000001.png", "fer0000006.png"});
  CHECK(sample_classes(set) == Names{"neutral", "anger"});
  CHECK(set.splits() == Names{"train", "test"});
  CHECK(set.samples[0].votes == std::vector<double>{0, 0, 5.0 / 8, 3.0 / 8, 0, 0, 0});
  CHECK(set.samples[1].votes == std::vector<double>{0, 0, 0, 0.75, 0, 0.25, 0});
  CHECK(set.skipped.undecided == 4);
  CHECK(set.skipped.other_class == 1);
  CHECK(*data::read_frame(set.samples[1], 0).at(0, 0) == 26);

  const auto eight =
      data::read_ferplus(root / "fer2013new.csv", root / "fer2013.csv", {.classes = {.keep_other = true}});
  CHECK(sample_classes(eight) == Names{"neutral", "contempt", "anger"});
  CHECK(eight.samples[2].votes[7] == doctest::Approx(0.2));
  const auto most =
      data::read_ferplus(root / "fer2013new.csv", root / "fer2013.csv", {.drop_single_votes = false, .majority = 0});
  CHECK(sample_classes(most)[0] == "neutral");
  CHECK(most.samples[0].votes[1] == doctest::Approx(0.1));

  put(root, "short.csv", votes_header + "Training,fer0000000.png,9,0,0,0,0,0,0,0,0,0\n");
  CHECK(contains(message_of<FileError>([&] { data::read_ferplus(root / "short.csv", root / "fer2013.csv"); }),
                 "found 1 rows, expected 7"));
}

TEST_CASE("FER+: votes beside files, in one folder or in the authors' three") {
  const TemporaryFolder root;
  put_picture(root, "a.png", 1);
  put_picture(root, "FER2013Test/b.png", 2);
  const std::string header =
      "file,split,label,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";
  put(root, "labels.csv", header + "a.png,train,fear,0,0,0,0,0,0,9,0,0,0\nb.png,valid,?,0,9,0,0,0,0,0,0,0,0\n");
  const auto set = data::read_ferplus(root / "labels.csv", root.path());
  CHECK(sample_classes(set) == Names{"fear", "happiness"});
  CHECK(set.splits() == Names{"train", "validation"});
  CHECK(*data::read_frame(set.samples[1], 0).at(0, 0) == 2);
  put(root, "more.csv", header + "a.png,train,fear,0,0,0,0,0,0,9,0,0,0\nc.png,test,?,0,9,0,0,0,0,0,0,0,0\n");
  CHECK(contains(message_of<FileError>([&] { data::read_ferplus(root / "more.csv", root.path()); }), "`c.png`"));
  CHECK(data::read_ferplus(root / "more.csv", root.path(), {.allow_missing = true}).skipped.missing == 1);
  put(root, "bad.csv", header + "a.png,train,fear,0,0,0,-2,0,0,9,0,0,0\n");
  CHECK(
      contains(message_of<FileError>([&] { data::read_ferplus(root / "bad.csv", root.path()); }), "column `sadness`"));
  CHECK_THROWS_AS(data::read_ferplus(root / "labels.csv", root.path(), {.majority = 1}), ValueError);
}

TEST_CASE("RAF-DB: the split is the name's beginning, the face the aligned file") {
  const TemporaryFolder root;
  put(root, "basic/EmoLabel/list_patition_label.txt",
      "train_00001.jpg 5\r\ntrain_00002.jpg\tx\t1\n\ntest_0001.jpg 7\n");
  for (const char* name : {"train_00001", "train_00002", "test_0001"}) {
    put_picture(root, std::string("basic/Image/aligned/") + name + "_aligned.jpg");
    put_picture(root, std::string("basic/Image/original/") + name + ".jpg");
  }
  const auto set = data::read_raf_db(root.path());
  CHECK(sample_classes(set) == Names{"sadness", "surprise", "neutral"});
  CHECK(set.splits() == Names{"train", "train", "test"});
  CHECK(set.samples[2].frames[0].filename() == "test_0001_aligned.jpg");
  CHECK(data::read_raf_db(root / "basic", {.aligned = false}).samples[0].frames[0].filename() == "train_00001.jpg");
  const auto message = [&](const std::string& content) {
    put(root, "basic/EmoLabel/list_patition_label.txt", content);
    return message_of<FileError>([&] { data::read_raf_db(root.path()); });
  };
  CHECK(contains(message("train_00001.jpg 5\ntrain_00002.jpg 0\n"), "line 2: found `train_00002.jpg 0`"));
  CHECK(contains(message("train_00001.jpg 5\ntrain_00001.jpg 5\n"), "a second time"));
  CHECK(contains(message("5\n"), "line 1"));
  CHECK(contains(message("val_00001.jpg 5\n"), "val_00001"));
  CHECK(contains(message("train_00009.jpg 5\n"), "train_00009_aligned.jpg"));
  CHECK(data::read_raf_db(root.path(), {.allow_missing = true}).size() == 0);
}

TEST_CASE("sheets: valence and arousal, votes, and rows that are frames of one video") {
  const TemporaryFolder root;
  for (const char* name : {"1.png", "2.png", "3.png"}) put_picture(root, name);
  put(root, "s.csv",
      "path,v,a,clip,label,n glad,n low\n1.png,0.5,-1,x,glad,1,3\n2.png,0.5,-1,x,glad,1,3\n3.png,,,,low,0,0\n");
  const data::SheetOptions options{.valence = "v", .arousal = "a", .sequence = "clip", .votes = "n "};
  const auto set = data::from_sheet(root / "s.csv", root.path(), options);
  CHECK(sample_names(set) == Names{"x", "3.png"});
  CHECK(set.samples[0].frames.size() == 2);
  CHECK(set.samples[0].affect == data::Affect{0.5, -1});
  CHECK(set.samples[0].votes == std::vector<double>{0.25, 0.75});
  CHECK_FALSE(set.samples[1].affect.has_value());
  CHECK(set.samples[1].votes.empty());
  const auto no_class = data::from_sheet(root / "s.csv", root.path(), {.label = "", .valence = "v", .arousal = "a"});
  CHECK(no_class.labels() == std::vector<Index>(3, data::no_label));

  data::write_sheet(root / "again.csv", set);
  const auto again = data::from_sheet(root / "again.csv", root.path(), data::written_sheet(set.class_names, true));
  CHECK(sample_names(again) == sample_names(set));
  CHECK(again.labels() == set.labels());
  CHECK(again.samples[0].affect == set.samples[0].affect);
  CHECK(again.samples[0].votes == set.samples[0].votes);
  CHECK(std::filesystem::equivalent(again.samples[0].frames[1], set.samples[0].frames[1]));

  put(root, "s.csv", "path,v,a,clip,label\n1.png,0.5,-1,x,glad\n2.png,0.5,-1,x,low\n");
  CHECK(contains(message_of<FileError>([&] { data::from_sheet(root / "s.csv", root.path(), {.sequence = "clip"}); }),
                 "line 3, column `clip`"));
  put(root, "s.csv", "path,v,a\n1.png,0.5,-1.01\n");
  CHECK(contains(message_of<FileError>([&] {
                   data::from_sheet(root / "s.csv", root.path(), {.label = "", .valence = "v", .arousal = "a"});
                 }),
                 "column `a`"));
  CHECK_THROWS_AS(data::from_sheet(root / "s.csv", root.path(), {.label = "", .valence = "v"}), ValueError);
}

TEST_CASE("video files are samples without frames") {
  const TemporaryFolder root;
  put(root, "sad/2.mp4");
  put(root, "sad/10.AVI");
  put(root, "sad/notes.txt");
  put(root, "glad/a.mov");
  const auto set = data::video_files(root.path());
  CHECK(sample_names(set) == Names{"glad/a.mov", "sad/2.mp4", "sad/10.AVI"});
  CHECK(set.samples[1].video.filename() == "2.mp4");
  CHECK(set.samples[1].frames.empty());
  CHECK(set.skipped.other == 1);
  CHECK_THROWS_AS(data::write_sheet(root / "s.csv", set), ValueError);
}
