// CK+, eNTERFACE'05, Aff-Wild2, AFEW-VA and DFEW, in small copies of their layouts.

#include <mien/data/afew_va.hpp>
#include <mien/data/aff_wild2.hpp>
#include <mien/data/ck_plus.hpp>
#include <mien/data/dfew.hpp>
#include <mien/data/enterface.hpp>

#include <doctest/doctest.h>

#include "data/layout_files.hpp"
#include "io/message.hpp"

using namespace mien;
using data::ClassOrder;

namespace {

using Names = std::vector<std::string>;

Names frame_names(const data::FrameSequence& sample) {
  Names names;
  for (const auto& frame : sample.frames) names.push_back(frame.filename().string());
  return names;
}

void put_ck_plus(const TemporaryFolder& root) {
  for (const char* frame :
       {"S005/001/S005_001_00000002.png", "S005/001/S005_001_00000001.png", "S005/001/S005_001_00000011.png",
        "S005/002/S005_002_00000001.png", "S010/001/S010_001_00000001.png", "S010/003/S010_003_00000001.png"})
    put_picture(root, std::string("cohn-kanade-images/") + frame);
  put(root, "cohn-kanade-images/S005/001/.DS_Store");
  put(root, "Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n");
  std::filesystem::create_directories(root / "Emotion/S005/002");
  put(root, "Emotion/S010/003/S010_003_00000001_emotion.txt", "   2.0000000e+00\n");
}

const std::string expressions = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise";

}  // namespace

TEST_CASE("CK+: sequences with their label, and those without one counted") {
  const TemporaryFolder root;
  put_ck_plus(root);
  const auto set = data::read_ck_plus(root.path());
  CHECK(sample_names(set) == Names{"S005/001"});
  CHECK(sample_classes(set) == Names{"disgust"});
  CHECK(set.subjects() == Names{"S005"});
  CHECK(frame_names(set.samples[0]).back() == "S005_001_00000011.png");
  CHECK(set.skipped.unlabelled == 2);
  CHECK(set.skipped.other_class == 1);
  CHECK(set.skipped.hidden == 1);
  CHECK(sample_classes(data::read_ck_plus(root.path(), {.classes = {.keep_other = true}})) ==
        Names{"disgust", "contempt"});
  const auto last = data::read_ck_plus(root.path(), {.classes = {.order = ClassOrder::own}, .last_frames = 2});
  CHECK(last.labels() == std::vector<Index>{3, 2});
  CHECK(frame_names(last.samples[0]) == Names{"S005_001_00000002.png", "S005_001_00000011.png"});
}

TEST_CASE("CK+: labels that say something else, and folders that are not there") {
  const TemporaryFolder root;
  CHECK(contains(message_of<FileError>([&] { data::read_ck_plus(root.path()); }), "`cohn-kanade-images`"));
  put_ck_plus(root);
  for (const char* content : {"8", "3.5", "", "three", "3 4"}) {
    put(root, "Emotion/S005/001/S005_001_00000011_emotion.txt", content);
    CHECK(contains(message_of<FileError>([&] { data::read_ck_plus(root.path()); }), "S005_001_00000011_emotion.txt"));
  }
  put(root, "Emotion/S005/001/other_emotion.txt", "3");
  CHECK(contains(message_of<FileError>([&] { data::read_ck_plus(root.path()); }), "`other_emotion.txt`"));
}

TEST_CASE("eNTERFACE: folders tell subject and emotion, however they are spelt") {
  const TemporaryFolder root;
  put(root, "enterface database/subject 1/anger/sentence 1/s1_an_1.avi");
  put(root, "enterface database/subject 1/anger/sentence 10/s1_an_10.avi");
  put(root, "enterface database/subject 6/Fear/s6_fe_2.avi");
  put(root, "enterface database/Subject6/sadness /sentence 1/s_6_sa_1.AVI");
  put(root, "enterface database/subject 7/surprise/sentence 1/s7_ha_1.avi");
  put(root, "enterface database/loose/s11_di_3.avi");
  put(root, "enterface database/subject 1/anger/sentence 1/Thumbs.db");
  const auto set = data::read_enterface(root.path());
  CHECK(sample_classes(set) == Names{"sadness", "disgust", "anger", "anger", "fear", "surprise"});
  CHECK(set.subjects() == Names{"6", "11", "1", "1", "6", "7"});
  CHECK(set.samples[2].name == "enterface database/subject 1/anger/sentence 1/s1_an_1");
  CHECK(set.samples[2].video.filename() == "s1_an_1.avi");
  CHECK(set.samples[2].frames.empty());
  CHECK(set.skipped.disagreeing == 1);
  CHECK(set.skipped.hidden == 1);
  CHECK(data::read_enterface(root.path(), {.classes = {.order = ClassOrder::own}}).classes() == 6);
}

TEST_CASE("eNTERFACE: frames that were taken out beforehand") {
  const TemporaryFolder root;
  put(root, "videos/subject 1/anger/sentence 1/s1_an_1.avi");
  put(root, "videos/subject 1/fear/sentence 1/s1_fe_1.avi");
  put_picture(root, "frames/subject 1/anger/sentence 1/s1_an_1/2.png");
  put_picture(root, "frames/subject 1/anger/sentence 1/s1_an_1/10.png");
  CHECK(contains(message_of<FileError>([&] { data::read_enterface(root / "videos", {.frames = root / "frames"}); }),
                 "s1_fe_1.avi"));
  const auto set = data::read_enterface(root / "videos", {.frames = root / "frames", .allow_missing = true});
  REQUIRE(set.size() == 1);
  CHECK(frame_names(set.samples[0]) == Names{"2.png", "10.png"});
  CHECK(set.skipped.missing == 1);
  put(root, "videos/nobody.avi");
  CHECK(contains(message_of<FileError>([&] { data::read_enterface(root / "videos"); }), "no emotion in its path"));
  CHECK(contains(message_of<FileError>([&] { data::read_enterface(root / "frames"); }), "no videos"));
}

TEST_CASE("Aff-Wild2: line i is frame i, with ignored frames and gaps in the crops") {
  const TemporaryFolder root;
  put(root, "VA/Train_Set/1-30.txt", "valence,arousal\n0.5,-0.25\n-5,-5\n0.1,0.2\n-5.0,0.3\n1,-1\n");
  put(root, "VA/Validation_Set/video9_left.txt", "valence,arousal\r\n0.25,0.75\r\n");
  for (const char* crop : {"00001.jpg", "00002.jpg", "00005.jpg", "00006.jpg", "00007.jpg"})
    put_picture(root, std::string("crops/1-30/") + crop);
  put_picture(root, "crops/video9_left/00001.jpg");
  const auto set = data::read_aff_wild2_affect(root / "VA", root / "crops");
  CHECK(sample_names(set) == Names{"1-30/00001", "1-30/00005", "video9_left/00001"});
  CHECK(set.samples[0].affect == data::Affect{0.5, -0.25});
  CHECK(set.samples[1].affect == data::Affect{1, -1});
  CHECK(set.samples[1].frames[0].filename() == "00005.jpg");
  CHECK(set.labels() == std::vector<Index>(3, data::no_label));
  CHECK(set.splits() == Names{"train", "train", "validation"});
  CHECK(set.subjects() == Names{"1-30", "1-30", "video9"});
  CHECK(set.skipped.ignored == 2);
  CHECK(set.skipped.missing == 1);
  CHECK(set.skipped.unlabelled == 2);
  CHECK(sample_names(data::read_aff_wild2_affect(root / "VA/Train_Set", root / "crops", {.every = 2})) ==
        Names{"1-30/00001"});

  const auto message = [&](const std::string& content) {
    put(root, "VA/Train_Set/1-30.txt", content);
    return message_of<FileError>([&] { data::read_aff_wild2_affect(root / "VA", root / "crops"); });
  };
  CHECK(contains(message("valence,arousal\n0.5,0.5\n1.01,0\n"), "line 3: found `1.01,0`"));
  CHECK(contains(message("valence,arousal\n0.5\n"), "line 2"));
  CHECK(contains(message("valence,arousal\nnan,0\n"), "line 2"));
  CHECK(contains(message("0.5,0.5\n"), "valence,arousal"));
  CHECK(contains(message(""), "no lines"));
  put(root, "VA/Train_Set/1-30.txt", "valence,arousal\n0,0\n");
  put(root, "VA/Train_Set/gone.txt", "valence,arousal\n0,0\n0,0\n");
  CHECK(contains(message_of<FileError>([&] { data::read_aff_wild2_affect(root / "VA", root / "crops"); }), "gone"));
  CHECK(data::read_aff_wild2_affect(root / "VA", root / "crops", {.allow_missing = true}).skipped.missing == 2);
}

TEST_CASE("Aff-Wild2: expressions, with and without `Other`") {
  const TemporaryFolder root;
  put(root, "EXPR/Train_Set/a.txt", expressions + ",Other\n4\n-1\n7\n0\n");
  put(root, "EXPR/Train_Set/b_right.txt", expressions + "\n6\n");
  for (const char* crop : {"a/00001.jpg", "a/00002.jpg", "a/00003.jpg", "a/00004.jpg", "b_right/00001.jpg"})
    put_picture(root, std::string("crops/") + crop);
  const auto set = data::read_aff_wild2_expressions(root / "EXPR", root / "crops");
  CHECK(sample_classes(set) == Names{"happiness", "neutral", "surprise"});
  CHECK(set.skipped.ignored == 1);
  CHECK(set.skipped.other_class == 1);
  CHECK(set.samples[2].subject == "b");
  const auto kept = data::read_aff_wild2_expressions(root / "EXPR", root / "crops", {.classes = {.keep_other = true}});
  CHECK(sample_classes(kept) == Names{"happiness", "Other", "neutral", "surprise"});
  const auto own =
      data::read_aff_wild2_expressions(root / "EXPR", root / "crops", {.classes = {.order = ClassOrder::own}});
  CHECK(own.labels() == std::vector<Index>{4, 7, 0, 6});

  const auto message = [&](const std::string& content) {
    put(root, "EXPR/Train_Set/a.txt", content);
    return message_of<FileError>([&] { data::read_aff_wild2_expressions(root / "EXPR", root / "crops"); });
  };
  CHECK(contains(message(expressions + "\n7\n"), "line 2: found `7`, expected 0 to 6, or -1"));
  CHECK(contains(message(expressions + ",Other\n8\n"), "0 to 7"));
  CHECK(contains(message(expressions + "\n1.5\n"), "line 2"));
  CHECK(contains(message("Anger,Neutral,Disgust,Fear,Happiness,Sadness,Surprise\n1\n"), "line 1"));
}

TEST_CASE("AFEW-VA: numbers from -10 to 10 become -1 to 1") {
  const TemporaryFolder root;
  std::string landmarks = "[[1,2]";
  for (int i = 1; i < 68; ++i) landmarks += ",[1.5,2]";
  landmarks += "]";
  put(root, "01/001/001.json",
      R"({"video_id":"001","actor":"Somebody","frames":{"00000":{"valence":-10,"arousal":3,"landmarks":)" + landmarks +
          R"(},"00001":{"valence":0,"arousal":0},"00002":{"valence":5.0,"arousal":10}}})");
  put(root, "02/051/051.json", R"({"frames":{"00000":{"valence":1,"arousal":2}}})");
  for (const char* picture :
       {"01/001/00000.png", "01/001/00001.png", "01/001/00002.png", "01/001/00003.png", "02/051/00000.png"})
    put_picture(root, picture);
  const auto set = data::read_afew_va(root.path());
  CHECK(sample_names(set) == Names{"001/00000", "001/00001", "001/00002", "051/00000"});
  CHECK(set.samples[0].affect == data::Affect{-1, 0.3});
  CHECK(set.samples[2].affect == data::Affect{0.5, 1});
  CHECK(set.subjects() == Names{"Somebody", "Somebody", "Somebody", "051"});
  CHECK(set.skipped.unlabelled == 1);
  CHECK(data::read_afew_va(root.path(), {.every = 2}).size() == 3);

  // Frames go by their numbers, with zeros before them or without.
  put(root, "02/051/051.json",
      R"({"frames":{"10":{"valence":1,"arousal":2},"9":{"valence":1,"arousal":2},"2":{"valence":1,"arousal":2}}})");
  for (const char* picture : {"02/051/2.png", "02/051/9.png", "02/051/10.png"}) put_picture(root, picture);
  const Names numbered = sample_names(data::read_afew_va(root.path()));
  CHECK(Names(numbered.begin() + 3, numbered.end()) == Names{"051/2", "051/9", "051/10"});

  const auto message = [&](const std::string& content) {
    put(root, "02/051/051.json", content);
    return message_of<FileError>([&] { data::read_afew_va(root.path()); });
  };
  CHECK(contains(message(R"({"frames":{"00000":{"valence":11,"arousal":2}}})"), "frame 00000, valence: found 11"));
  CHECK(contains(message(R"({"frames":{"00000":{"valence":1}}})"), "arousal: found nothing"));
  CHECK(contains(message(R"({"frames":{"00000":{"valence":"1","arousal":1}}})"), "found string"));
  CHECK(contains(message(R"({"frames":{"00000":{"valence":1,"arousal":1,"landmarks":[[1,2]]}}})"), "68 pairs"));
  CHECK(contains(message(R"({"frames":[]})"), "no object `frames`"));
  CHECK(contains(message("{"), "051.json"));
  CHECK(contains(message(R"({"frames":{"00009":{"valence":1,"arousal":1}}})"), "frame 00009: found no picture"));
  CHECK(data::read_afew_va(root.path(), {.allow_missing = true}).skipped.missing == 1);
}

TEST_CASE("DFEW: numbers without zeros in tables, with five digits in folders") {
  const TemporaryFolder root;
  const auto table = [&](const char* part, int fold, const std::string& rows) {
    put(root, std::string("EmoLabel_DataSplit/") + part + "(single-labeled)/set_" + std::to_string(fold) + ".csv",
        "video_name,label\n" + rows);
  };
  table("train", 1, "1,1\n12,7\n");
  table("test", 1, "3,3\n");
  for (const char* frame :
       {"00001/00001_00010.jpg", "00001/00001_00002.jpg", "00012/00012_00001.jpg", "00003/00003_00001.jpg"})
    put_picture(root, std::string("Clip/clip_224x224/") + frame);
  put(root, "Clip/original/1.mp4");
  put(root, "Clip/original/3.mp4");
  put(root, "Clip/original/12.mp4");
  const auto set = data::read_dfew(root.path());
  CHECK(sample_names(set) == Names{"00001", "00012", "00003"});
  CHECK(sample_classes(set) == Names{"happiness", "fear", "neutral"});
  CHECK(set.splits() == Names{"train", "train", "test"});
  CHECK(frame_names(set.samples[0]) == Names{"00001_00002.jpg", "00001_00010.jpg"});
  const auto files = data::read_dfew(root.path(), {.clips = root / "Clip/original"});
  CHECK(files.samples[1].video.filename() == "12.mp4");
  CHECK(files.samples[1].frames.empty());

  const auto message = [&](Index fold) {
    return message_of<FileError>([&] { data::read_dfew(root.path(), {.fold = fold}); });
  };
  CHECK(contains(message(2), "set_2.csv"));
  table("train", 2, "1,1\n4,2\n");
  table("test", 2, "3,3\n");
  CHECK(contains(message(2), "line 3, column `video_name`: found `4`"));
  CHECK(data::read_dfew(root.path(), {.fold = 2, .allow_missing = true}).skipped.missing == 1);
  table("train", 3, "1,1\n");
  table("test", 3, "1,1\n");
  CHECK(contains(message(3), "not in `train` already"));
  table("train", 3, "1,8\n");
  CHECK(contains(message(3), "7 Fear"));
  CHECK_THROWS_AS(data::read_dfew(root.path(), {.fold = 6}), ValueError);
}
