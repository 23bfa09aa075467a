#pragma once

// Tables and lists of the data sets. The first byte of an input chooses whose file the rest is.

#include <array>

#include <mien/data/aff_wild2.hpp>
#include <mien/data/ck_plus.hpp>
#include <mien/data/dfew.hpp>
#include <mien/data/fer2013.hpp>
#include <mien/data/frame_folders.hpp>
#include <mien/data/raf_db.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

struct AnnotationReader {
  void (*read)(const MemoryFolder&, Bytes);
  std::string_view seed;
};

inline constexpr std::array annotation_readers{
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       const auto sheet = folder.write("plain.csv", bytes);
                       static_cast<void>(data::from_sheet(
                           sheet, folder.path(), {.subject = "subject", .split = "split", .allow_missing = true}));
                     },
                     "path,label,subject,split\na.png,joy,s,train\nb.png,fear,t,test\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       const auto sheet = folder.write("films.csv", bytes);
                       data::SheetOptions options = data::written_sheet({"joy", "fear"}, true);
                       options.allow_missing = true;
                       static_cast<void>(data::from_sheet(sheet, folder.path(), options));
                     },
                     "path,label,subject,split,sequence,valence,arousal,votes joy,votes fear\n"
                     "a.png,0,s,train,one,0.5,-1,0.25,0.75\nb.png,1,t,test,one,,,1,0\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       static_cast<void>(data::read_fer2013(folder.write("fer2013.csv", bytes), {.side = 2}));
                     },
                     "emotion,pixels,Usage\n0,0 1 128 255,Training\n6,9 9 9 9,PrivateTest\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       static_cast<void>(data::read_ferplus(folder.write("fer2013new.csv", bytes), folder.path(),
                                                            {.allow_missing = true}));
                     },
                     "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
                     "Training,a.png,9,1,0,0,0,0,0,0,0,0\nPublicTest,b.png,2,2,2,2,2,0,0,0,0,0\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       folder.write("dfew/EmoLabel_DataSplit/train(single-labeled)/set_1.csv", bytes);
                       folder.write("dfew/EmoLabel_DataSplit/test(single-labeled)/set_1.csv",
                                    bytes_of("video_name,label\n3,1\n"));
                       folder.write("dfew/Clip/clip_224x224/00001.mp4", {});
                       static_cast<void>(data::read_dfew(folder.path() / "dfew", {.allow_missing = true}));
                     },
                     "video_name,label\n1,7\n00002,1\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       folder.write("basic/EmoLabel/list_patition_label.txt", bytes);
                       folder.write("basic/Image/aligned/train_00001_aligned.jpg", {});
                       static_cast<void>(data::read_raf_db(folder.path(), {.allow_missing = true}));
                     },
                     "train_00001.jpg 5\ntest_0001.jpg 7\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       folder.write("ck/cohn-kanade-images/S005/001/S005_001_00000011.png", {});
                       folder.write("ck/Emotion/S005/001/S005_001_00000011_emotion.txt", bytes);
                       static_cast<void>(data::read_ck_plus(folder.path() / "ck"));
                     },
                     "   3.0000000e+00\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       folder.write("affect/Train_Set/1-30-1280x720.txt", bytes);
                       folder.write("crops/1-30-1280x720/00001.jpg", {});
                       static_cast<void>(
                           data::read_aff_wild2_affect(folder.path() / "affect", folder.path() / "crops"));
                     },
                     "valence,arousal\n0.5,-1\n-5,-5\n"},
    AnnotationReader{[](const MemoryFolder& folder, Bytes bytes) {
                       folder.write("classes/1-30-1280x720.txt", bytes);
                       folder.write("crops/1-30-1280x720/00001.jpg", {});
                       static_cast<void>(
                           data::read_aff_wild2_expressions(folder.path() / "classes", folder.path() / "crops"));
                     },
                     "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n4\n-1\n7\n"},
};

inline const Target annotations_target{[](Bytes bytes) {
                                         static const MemoryFolder folder;
                                         if (bytes.empty()) throw ValueError("no byte that chooses a reader");
                                         const auto chosen =
                                             std::to_integer<std::size_t>(bytes.front()) % annotation_readers.size();
                                         annotation_readers[chosen].read(folder, bytes.subspan(1));
                                       },
                                       [] {
                                         std::vector<std::string> out;
                                         for (const AnnotationReader& reader : annotation_readers)
                                           out.push_back(static_cast<char>(out.size()) + std::string(reader.seed));
                                         return out;
                                       },
                                       {"path",       "label",   "subject",   "split",      "sequence",
                                        "valence",    "arousal", "votes joy", "votes fear", "emotion",
                                        "pixels",     "Usage",   "Training",  "Image name", "NF",
                                        "video_name", "train_",  "test_",     ".jpg ",      "..",
                                        "/",          "-5",      "1e308",     "nan",        "99999999999999999999",
                                        "Neutral",    "Other"}};

}  // namespace mien::fuzzing
