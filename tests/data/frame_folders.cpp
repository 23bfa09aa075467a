#include <mien/data/frame_folders.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using data::FolderOptions;
using data::FrameSequences;
using data::SheetOptions;

namespace {

using Names = std::vector<std::string>;

Names sample_names(const FrameSequences& data) {
  Names names;
  for (const auto& sample : data.samples) names.push_back(sample.name);
  return names;
}

Names frame_names(const data::FrameSequence& sample) {
  Names names;
  for (const auto& frame : sample.frames) names.push_back(frame.filename().string());
  return names;
}

/// A file, and the folders that lead to it.
void write(const TemporaryFolder& root, const std::filesystem::path& name, const std::string& content = "") {
  std::filesystem::create_directories((root.path() / name).parent_path());
  std::ofstream(root.path() / name, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("videos are folders of frames, in natural order, under classes in natural order") {
  const TemporaryFolder root;
  for (const char* frame : {"2.png", "10.png", "1.PNG"}) write(root, std::filesystem::path("sad/clip 10") / frame);
  write(root, "sad/clip 9/7.jpg");
  write(root, "happy é/видео/0001.jpeg");
  const auto data = data::frame_sequences(root.path());
  CHECK(data.class_names == Names{"happy é", "sad"});
  CHECK(sample_names(data) == Names{"happy é/видео", "sad/clip 9", "sad/clip 10"});
  CHECK(data.labels() == std::vector<Index>{0, 1, 1});
  CHECK(frame_names(data.samples[2]) == Names{"1.PNG", "2.png", "10.png"});
  CHECK(std::filesystem::exists(data.samples[0].frames[0]));
  CHECK(data::class_counts(data) == std::vector<Index>{1, 2});
  CHECK(data.subjects() == Names{"", "", ""});
}

TEST_CASE("what does not belong is passed over and counted") {
  const TemporaryFolder root;
  write(root, "a/v/1.png");
  write(root, "a/v/.hidden.png");
  write(root, "a/v/Thumbs.db");
  write(root, "a/v/notes.txt");
  write(root, "a/v/inner/2.png");
  write(root, "a/loose.png");
  write(root, "a/.DS_Store");
  write(root, ".git/x/1.png");
  write(root, "__MACOSX/x/1.png");
  write(root, "readme.md");
  const auto data = data::frame_sequences(root.path());
  REQUIRE(data.size() == 1);
  CHECK(frame_names(data.samples[0]) == Names{"1.png"});
  CHECK(data.skipped.hidden == 5);
  CHECK(data.skipped.other == 4);
  CHECK(data.skipped.empty == 0);
}

TEST_CASE("named classes keep their order; folders without a name are an error") {
  const TemporaryFolder root;
  write(root, "a/v/1.png");
  write(root, "b/v/1.png");
  const auto data = data::frame_sequences(root.path(), {.class_names = {"b", "a"}});
  CHECK(data.class_names == Names{"b", "a"});
  CHECK(sample_names(data) == Names{"b/v", "a/v"});
  CHECK(data.labels() == std::vector<Index>{0, 1});
  CHECK(contains(message_of<FileError>([&] { data::frame_sequences(root.path(), {.class_names = {"b"}}); }),
                 "folders `a`"));
  CHECK(contains(message_of<FileError>([&] {
                   data::frame_sequences(root.path(), {.class_names = {"a", "b", "c"}});
                 }),
                 "`c`"));
  CHECK(data::frame_sequences(root.path(), {.class_names = {"a", "c", "b"}, .allow_empty = true}).labels() ==
        std::vector<Index>{0, 2});
  CHECK_THROWS_AS(data::frame_sequences(root.path(), {.class_names = {"a", "b", "a"}}), ValueError);
}

TEST_CASE("classes and videos without pictures are named, or allowed") {
  const TemporaryFolder root;
  write(root, "full/v/1.png");
  write(root, "full/hollow/readme.txt");
  std::filesystem::create_directories(root / "bare");
  std::filesystem::create_directories(root / "void");
  const std::string message = message_of<FileError>([&] { data::frame_sequences(root.path()); });
  CHECK(contains(message, "`bare`, `void`"));
  CHECK(contains(message, root.path().string()));
  std::filesystem::remove(root / "bare");
  std::filesystem::remove(root / "void");
  CHECK(contains(message_of<FileError>([&] { data::frame_sequences(root.path()); }), "`full/hollow`"));
  std::filesystem::create_directories(root / "bare");
  const auto data = data::frame_sequences(root.path(), {.allow_empty = true});
  CHECK(data.class_names == Names{"bare", "full"});
  CHECK(data.labels() == std::vector<Index>{1});
  CHECK(data.skipped.empty == 1);
}

TEST_CASE("folders that are not there, or hold nothing, are errors") {
  const TemporaryFolder root;
  CHECK(contains(message_of<FileError>([&] { data::frame_sequences(root / "nowhere"); }), "nowhere"));
  CHECK(contains(message_of<FileError>([&] { data::image_folder(root.path()); }), "no folders"));
  write(root, "file.png");
  CHECK_THROWS_AS(data::image_folder(root / "file.png"), FileError);
}

TEST_CASE("each picture of an image folder is a video of one frame") {
  const TemporaryFolder root;
  write(root, "b/10.png");
  write(root, "b/9.bmp");
  write(root, "a/x y.ppm");
  write(root, "a/film.mp4");
  write(root, "a/more/1.png");
  const auto data = data::image_folder(root.path());
  CHECK(sample_names(data) == Names{"a/x y.ppm", "b/9.bmp", "b/10.png"});
  CHECK(data.samples[2].frames.size() == 1);
  CHECK(data.skipped.other == 2);
  const auto films = data::image_folder(root.path(), {.allow_empty = true, .extensions = {".MP4"}});
  CHECK(sample_names(films) == Names{"a/film.mp4"});
}

TEST_CASE("names with subjects: grouped by subject and sequence, in the order of frame numbers") {
  const TemporaryFolder root;
  for (const char* name : {"S010_002_00000010.png", "S010_002_00000009.png", "S010_003_1.png", "S9_002_1.png"})
    write(root, std::filesystem::path("anger") / name);
  write(root, "joy/S010_004_00000001.png");
  write(root, "joy/the_S_1_2_3.png");
  const auto data = data::subject_sequences(root.path());
  CHECK(sample_names(data) ==
        Names{"anger/S010_002", "anger/S010_003", "anger/S9_002", "joy/S010_004", "joy/the_S_1_2"});
  CHECK(data.subjects() == Names{"S010", "S010", "S9", "S010", "the_S_1"});
  CHECK(frame_names(data.samples[0]) == Names{"S010_002_00000009.png", "S010_002_00000010.png"});
}

TEST_CASE("names with subjects: other forms and doubled frame numbers are errors") {
  for (const char* bad : {"S010.png", "S010_1.png", "S010_001_x.png", "_001_2.png", "S010__2.png", "S010_001_.png"}) {
    const TemporaryFolder root;
    write(root, std::filesystem::path("anger") / bad);
    CHECK(contains(message_of<FileError>([&] { data::subject_sequences(root.path()); }), bad));
  }
  const TemporaryFolder root;
  write(root, "anger/S1_1_07.png");
  write(root, "anger/S1_1_7.png");
  CHECK(contains(message_of<FileError>([&] { data::subject_sequences(root.path()); }), "S1_1_7.png"));
}

TEST_CASE("a sheet names pictures, labels, subjects and splits") {
  const TemporaryFolder root;
  write(root, "pictures/joy/a.jpg");
  write(root, "pictures/rage/b ü.jpg");
  write(root, "sheet.csv",
        "where,who,part,feeling\nfar/away/joy/a.png,ann,train,1\n\"far/away/rage/b ü.png\",bob,test,rage\n");
  const auto data = data::from_sheet(root / "sheet.csv", root / "pictures",
                                     {.path = "where",
                                      .label = "feeling",
                                      .subject = "who",
                                      .split = "part",
                                      .class_names = {"rage", "joy"},
                                      .path_components = 2,
                                      .extension = ".jpg"});
  CHECK(sample_names(data) == Names{"joy/a.jpg", "rage/b ü.jpg"});
  CHECK(data.labels() == std::vector<Index>{1, 0});
  CHECK(data.subjects() == Names{"ann", "bob"});
  CHECK(data.splits() == Names{"train", "test"});
  CHECK(std::filesystem::exists(data.samples[1].frames[0]));
}

TEST_CASE("a sheet without named classes takes those that occur") {
  const TemporaryFolder root;
  write(root, "1.png");
  write(root, "2.png");
  write(root, "sheet.csv", "path,label\n1.png,sad\n2.png,glad\n");
  const auto data = data::from_sheet(root / "sheet.csv", root.path());
  CHECK(data.class_names == Names{"glad", "sad"});
  CHECK(data.labels() == std::vector<Index>{1, 0});
}

TEST_CASE("a picture without a label has valence and arousal, or is refused with its line") {
  const TemporaryFolder root;
  write(root, "1.png");
  write(root, "2.png");
  const SheetOptions options{.valence = "v", .arousal = "a"};
  write(root, "sheet.csv", "path,label,v,a\n1.png,sad,,\n2.png,,0.5,-0.5\n");
  const auto data = data::from_sheet(root / "sheet.csv", root.path(), options);
  CHECK(data.class_names == Names{"sad"});
  CHECK(data.labels() == std::vector<Index>{0, data::no_label});
  write(root, "sheet.csv", "path,label,v,a\n1.png,sad,,\n2.png,,,\n");
  CHECK(contains(message_of<FileError>([&] { data::from_sheet(root / "sheet.csv", root.path(), options); }),
                 "line 3, column `label`: found ``"));
}

TEST_CASE("a sheet's faults are told with their line") {
  const TemporaryFolder root;
  write(root, "1.png");
  write(root, "2.png");
  const auto read = [&](const std::string& rows, SheetOptions options = {.class_names = {"a", "b"}}) {
    write(root, "sheet.csv", "path,label\n" + rows);
    return data::from_sheet(root / "sheet.csv", root.path(), options);
  };
  for (const char* label : {"2", "-1", "1.0", "", "c", "99999999999999999999"}) {
    const auto message = message_of<FileError>([&] { read(std::string("1.png,a\n2.png,") + label + "\n"); });
    CHECK(contains(message, "line 3"));
    CHECK(contains(message, "0..1"));
  }
  CHECK(contains(message_of<FileError>([&] { read("1.png,a\n2.png,a\n1.png,b\n"); }), "line 4"));
  CHECK(contains(message_of<FileError>([&] { read("1.png,a\n3.png,a\n4.png,a\n"); }), "2 of 3 files missing"));
  CHECK_THROWS_AS(read(",a\n"), FileError);
  CHECK_THROWS_AS(read("1.png,a\n", {.path = "file"}), FileError);
  CHECK_THROWS_AS(read("1.png,a\n", {.subject = "who"}), FileError);
  CHECK_THROWS_AS(data::from_sheet(root / "none.csv", root.path()), FileError);
  CHECK_THROWS_AS(read("1.png,a\n", {.class_names = {"a", "a"}}), ValueError);
  CHECK_THROWS_AS(read("1.png,a\n", {.path_components = -1}), ValueError);

  const auto some = read("1.png,a\n3.png,a\n", {.class_names = {"a", "b"}, .allow_missing = true});
  CHECK(some.size() == 1);
  CHECK(some.skipped.missing == 1);
  CHECK(read("").size() == 0);
}
