#pragma once

/// Aff-Wild2 (Kollias and Zafeiriou; the ABAW competitions): films annotated frame by frame, with crops of the face.

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/emotion_labels.hpp"
#include "mien/data/frame_folders.hpp"

namespace mien::data {

/// The expressions, in the order of the files' headers. Earlier editions have no "Other".
inline constexpr std::array<OwnLabel, 8> aff_wild2_labels{{{0, "Neutral", Emotion::neutral},
                                                           {1, "Anger", Emotion::anger},
                                                           {2, "Disgust", Emotion::disgust},
                                                           {3, "Fear", Emotion::fear},
                                                           {4, "Happiness", Emotion::happiness},
                                                           {5, "Sadness", Emotion::sadness},
                                                           {6, "Surprise", Emotion::surprise},
                                                           {7, "Other", std::nullopt}}};

struct AffWild2Options {
  ClassOptions classes = {};   ///< of expressions
  Index every = 1;             ///< takes every n-th of the frames that can be used
  bool allow_missing = false;  ///< skips films without any crops, and counts their frames
};

namespace detail {

/// One annotation file and the part of the data set that it belongs to.
struct AffWild2File {
  std::filesystem::path path;
  std::string split;
};

/// Those in Train_Set, Validation_Set and Test_Set, or in the folder itself.
inline std::vector<AffWild2File> aff_wild2_files(const std::filesystem::path& root, SkippedFiles& skipped) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> parts{
      {{"Train_Set", "train"}, {"Validation_Set", "validation"}, {"Test_Set", "test"}, {"", ""}}};
  std::vector<AffWild2File> files;
  for (const auto& [folder, split] : parts) {
    std::error_code unknown;
    if ((folder.empty() && !files.empty()) || !std::filesystem::is_directory(root / folder, unknown)) continue;
    for (const std::string& name : list_folder(root / folder, {.extensions = {".txt"}}, skipped).pictures)
      files.push_back({root / folder / name, std::string(split)});
  }
  if (files.empty())
    throw FileError(root.string(), "", "no annotations", "<video>.txt in Train_Set, Validation_Set or the folder");
  return files;
}

/// The film that a file is of: some show two people, in files <film>_left and <film>_right.
inline std::string aff_wild2_film(std::string stem) {
  for (const std::string_view side : {"_left", "_right"})
    if (stem.ends_with(side)) return stem.substr(0, stem.size() - side.size());
  return stem;
}

/// Says whether a frame is to be used, and fills its sample from its line.
using AffWild2Annotate = std::function<bool(const std::filesystem::path&, const TextLine&, FrameSequence&)>;
using AffWild2CheckHeader = std::function<void(const std::filesystem::path&, const TextLine&)>;

/// Reads frame after frame.
inline void read_aff_wild2(const std::filesystem::path& annotations, const std::filesystem::path& crops,
                           const AffWild2Options& options, FrameSequences& data,
                           const AffWild2CheckHeader& check_header, const AffWild2Annotate& annotate) {
  if (options.every < 1) throw ValueError(text("Aff-Wild2: every ", options.every, "th frame"));
  for (const AffWild2File& file : aff_wild2_files(annotations, data.skipped)) {
    const auto lines = text_lines(file.path);
    if (lines.empty()) throw FileError(file.path.string(), "", "no lines", "a header");
    check_header(file.path, lines[0]);
    const std::string film = file.path.stem().string();
    std::error_code unknown;
    std::vector<std::string> pictures;
    if (std::filesystem::is_directory(crops / film, unknown)) {
      pictures = list_folder(crops / film, {}, data.skipped).pictures;
    } else if (!options.allow_missing) {
      throw FileError((crops / film).string(), "", "no folder",
                      "the crops of " + file.path.string() + " (AffWild2Options::allow_missing skips such films)");
    }
    // Line i behind the header is frame i, counted from 1, and so is the picture's name.
    auto picture = pictures.begin();
    Index usable = 0;
    const auto number_of = [](const std::string& name) {
      return whole_number(std::filesystem::path(name).stem().string());
    };
    for (std::size_t i = 1; i < lines.size(); ++i) {
      if (lines[i].text.empty()) continue;
      const auto frame = static_cast<Index>(i);
      for (; picture != pictures.end() && number_of(*picture).value_or(0) < frame; ++picture) ++data.skipped.other;
      const bool is_there = picture != pictures.end() && number_of(*picture) == frame;
      FrameSequence sample{.subject = aff_wild2_film(film), .split = file.split};
      const std::string name = is_there ? *picture++ : std::string();
      if (!annotate(file.path, lines[i], sample)) {
        ++data.skipped.ignored;
      } else if (!is_there) {
        ++data.skipped.missing;
      } else if (usable++ % options.every == 0) {
        sample.name = film + "/" + std::filesystem::path(name).stem().string();
        sample.frames = {crops / film / name};
        data.samples.push_back(std::move(sample));
      }
    }
    data.skipped.unlabelled += static_cast<Index>(pictures.end() - picture);
  }
}

}  // namespace detail

/// Aff-Wild2's valence and arousal: `annotations` is the folder VA_Estimation_Challenge, whose Train_Set and
/// Validation_Set hold `<video>.txt` (a header `valence,arousal`, then a line a frame), and `crops` the folder of
/// `<video>/00001.jpg`. A sample is one frame, named "<video>/00001"; it has no class (`no_label`). Its subject is the
/// film, of which `<video>_left` and `<video>_right` are two faces, so that a film is never in two parts.
///
/// Frames of -5 are left out (`skipped.ignored`), and so are frames without a crop (`skipped.missing`: where no face
/// was found, numbers are skipped) and crops behind the last line (`skipped.unlabelled`).
/// Throws FileError with the line: another header, numbers beyond -1..1; and a film without crops.
inline FrameSequences read_aff_wild2_affect(const std::filesystem::path& annotations,
                                            const std::filesystem::path& crops, const AffWild2Options& options = {}) {
  FrameSequences data;
  detail::read_aff_wild2(
      annotations, crops, options, data,
      [](const auto& file, const detail::TextLine& line) {
        if (detail::words(detail::lowered(line.text), ", \t") != std::vector<std::string_view>{"valence", "arousal"})
          throw FileError(file.string(), line.place(), "`" + line.text.substr(0, 60) + "`", "valence,arousal");
      },
      [](const auto& file, const detail::TextLine& line, FrameSequence& sample) {
        const auto fields = detail::words(line.text, ", \t");
        const auto valence = fields.size() == 2 ? detail::finite_number(fields[0]) : std::nullopt;
        const auto arousal = fields.size() == 2 ? detail::finite_number(fields[1]) : std::nullopt;
        if (valence == -5.0 || arousal == -5.0) return false;
        if (!valence || !arousal || std::abs(*valence) > 1 || std::abs(*arousal) > 1)
          throw FileError(file.string(), line.place(), "`" + line.text.substr(0, 60) + "`",
                          "valence and arousal from -1 to 1, or -5");
        sample.label = no_label;
        sample.affect = Affect{*valence, *arousal};
        return true;
      });
  return data;
}

/// Aff-Wild2's expressions: as `read_aff_wild2_affect`, from the folder EXPR_Recognition_Challenge, whose files have a
/// header of the classes, with or without "Other", and a number a frame. Frames of -1 are left out
/// (`skipped.ignored`), those of "Other" as `ClassOptions` say.
inline FrameSequences read_aff_wild2_expressions(const std::filesystem::path& annotations,
                                                 const std::filesystem::path& crops,
                                                 const AffWild2Options& options = {}) {
  const LabelMap labels(aff_wild2_labels, options.classes);
  FrameSequences data{.class_names = labels.class_names()};
  Index classes = 0;
  detail::read_aff_wild2(
      annotations, crops, options, data,
      [&](const auto& file, const detail::TextLine& line) {
        const auto names = detail::words(line.text, ", \t");
        classes = static_cast<Index>(names.size());
        bool same = classes == 7 || classes == 8;
        for (std::size_t i = 0; same && i < names.size(); ++i) same = labels.find(names[i]) == i;
        if (!same)
          throw FileError(file.string(), line.place(), "`" + line.text.substr(0, 80) + "`",
                          "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise, and Other if there is one");
      },
      [&](const auto& file, const detail::TextLine& line, FrameSequence& sample) {
        const auto number = detail::whole_number(line.text);
        if (number == -1) return false;
        if (!number || *number < 0 || *number >= classes)
          throw FileError(file.string(), line.place(), "`" + line.text.substr(0, 60) + "`",
                          detail::text("0 to ", classes - 1, ", or -1"));
        sample.label = *number;
        return true;
      });
  // Frames of a class that was not asked for go now, when all lines are checked.
  std::vector<FrameSequence> kept;
  for (FrameSequence& sample : data.samples) {
    const auto label = labels.label(static_cast<std::size_t>(sample.label));
    if (label) {
      sample.label = *label;
      kept.push_back(std::move(sample));
    } else {
      ++data.skipped.other_class;
    }
  }
  data.samples = std::move(kept);
  return data;
}

}  // namespace mien::data
