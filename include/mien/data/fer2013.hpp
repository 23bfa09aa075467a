#pragma once

/// FER2013 (Goodfellow et al., Challenges in representation learning, ICONIP 2013): 48 x 48 grey faces in one CSV file,
/// and the votes that FER+ adds to them (Barsoum et al., Training deep networks for facial expression recognition with
/// crowd-sourced label distribution, ICMI 2016).

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/emotion_labels.hpp"
#include "mien/data/picture_source.hpp"
#include "mien/io/csv.hpp"

namespace mien::data {

/// FER2013's labels in its CSV file. Releases as folders are sorted by name, which is another order.
inline constexpr std::array<OwnLabel, 7> fer2013_labels{{{0, "Angry", Emotion::anger},
                                                         {1, "Disgust", Emotion::disgust},
                                                         {2, "Fear", Emotion::fear},
                                                         {3, "Happy", Emotion::happiness},
                                                         {4, "Sad", Emotion::sadness},
                                                         {5, "Surprise", Emotion::surprise},
                                                         {6, "Neutral", Emotion::neutral}}};

/// FER+'s emotions; the number is that of the column among its ten, of which "unknown" and "NF" (no face) are the last.
inline constexpr std::array<OwnLabel, 8> ferplus_labels{{{0, "neutral", Emotion::neutral},
                                                         {1, "happiness", Emotion::happiness},
                                                         {2, "surprise", Emotion::surprise},
                                                         {3, "sadness", Emotion::sadness},
                                                         {4, "anger", Emotion::anger},
                                                         {5, "disgust", Emotion::disgust},
                                                         {6, "fear", Emotion::fear},
                                                         {7, "contempt", std::nullopt}}};

struct Fer2013Options {
  ClassOptions classes = {};
  Index side = 48;  ///< rows and columns of a picture
};

/// How votes become a label.
struct FerPlusOptions {
  ClassOptions classes = {};
  bool drop_single_votes = true;  ///< what one voter alone saw counts as a slip, as the authors take it
  /// The winner needs more than this share of all votes that are left, "unknown" and "NF" among them. 0: the most.
  double majority = 0.5;
  bool allow_missing = false;  ///< skips rows without their picture, and counts them
};

namespace detail {

/// "Training", "PublicTest" and "PrivateTest" under the library's names.
inline std::string fer2013_split(const io::CsvTable& table, Index row, Index column) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{{{"Training", "train"},
                                                                                {"PublicTest", "validation"},
                                                                                {"PrivateTest", "test"},
                                                                                {"train", "train"},
                                                                                {"valid", "validation"},
                                                                                {"validation", "validation"},
                                                                                {"test", "test"}}};
  std::string_view word = table.text(row, column);
  while (word.starts_with(' ')) word.remove_prefix(1);
  for (const auto& [own, ours] : names)
    if (word == own) return std::string(ours);
  table.fail(row, column, "Training, PublicTest or PrivateTest");
}

/// The name that FER+ gives the picture of a row of FER2013, counted from 0.
inline std::string fer2013_name(Index row) {
  const std::string digits = std::to_string(row);
  return "fer" + std::string(7 - std::min<std::size_t>(7, digits.size()), '0') + digits;
}

inline io::Image fer2013_picture(const io::CsvTable& table, Index row, Index column, Index side) {
  io::Image image(side, side, 1);
  const std::string_view field = table.text(row, column);
  const char* at = field.data();
  const char* const end = at + field.size();
  std::size_t count = 0;
  const auto skip_spaces = [&] {
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
  };
  for (skip_spaces(); at != end; skip_spaces(), ++count) {
    int value = -1;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value < 0 || value > 255)
      throw FileError(table.file(), table.place(row, column),
                      text("`", std::string_view(at, static_cast<std::size_t>(std::min<std::ptrdiff_t>(end - at, 20))),
                           "` for pixel ", count),
                      "0 to 255");
    if (count < image.pixels.size()) image.pixels[count] = static_cast<std::uint8_t>(value);
    at = next;
  }
  if (count != image.pixels.size())
    throw FileError(table.file(), table.place(row, column), text(count, " pixels"),
                    text(image.pixels.size(), " of a picture of ", side, " x ", side));
  return image;
}

/// All pictures of FER2013's table, the frame of row i being the file's path / "fer<i>".
inline std::shared_ptr<const MemoryPictures> fer2013_pictures(const io::CsvTable& table,
                                                              const std::filesystem::path& csv, Index side) {
  const Index column = table.column("pixels");
  auto pictures = std::make_shared<MemoryPictures>();
  for (Index row = 0; row < table.rows(); ++row)
    pictures->add(csv / fer2013_name(row), fer2013_picture(table, row, column, side));
  return pictures;
}

/// Reads FER+'s votes; see `read_ferplus`.
class FerPlusReader {
 public:
  FerPlusReader(const std::filesystem::path& votes, const std::filesystem::path& pictures,
                const FerPlusOptions& options)
      : table_(io::read_csv(votes)), pictures_(pictures), options_(options), labels_(ferplus_labels, options.classes) {
    if (!(options.majority >= 0 && options.majority < 1))
      throw ValueError(text("read_ferplus: a majority of ", options.majority, " is not from 0 to below 1"));
    const auto named = table_.find_column("Image name");
    name_ = named ? *named : table_.column("file");
    const auto usage = table_.find_column("Usage");
    split_ = usage ? usage : table_.find_column("split");
    for (std::size_t i = 0; i < columns_.size(); ++i)
      columns_[i] = table_.column(i < ferplus_labels.size() ? ferplus_labels[i].name : i == 8 ? "unknown" : "NF");
  }

  FrameSequences read() {
    FrameSequences data{.class_names = labels_.class_names()};
    const auto pictures = pictures_of_table();
    std::vector<std::string> missing;
    for (Index row = 0; row < table_.rows(); ++row) {
      FrameSequence sample{.name = std::string(table_.text(row, name_)), .pictures = pictures};
      if (split_) sample.split = fer2013_split(table_, row, *split_);
      const auto counts = votes_of(row);
      // The authors left no name to pictures without a face.
      if (sample.name.empty() || !decide(counts, sample, data.skipped)) {
        if (sample.name.empty()) ++data.skipped.undecided;
        continue;
      }
      sample.frames = {pictures ? pictures_ / fer2013_name(row) : picture_file(sample)};
      std::error_code unknown;
      if (!pictures && !std::filesystem::is_regular_file(sample.frames[0], unknown)) {
        missing.push_back(sample.name);
        continue;
      }
      data.samples.push_back(std::move(sample));
    }
    data.skipped.missing = static_cast<Index>(missing.size());
    if (!missing.empty() && !options_.allow_missing)
      throw FileError(
          table_.file(), "",
          text(missing.size(), " pictures missing under ", pictures_.string(), ", `", missing[0], "` first"),
          "all of them (FerPlusOptions::allow_missing skips such rows)");
    return data;
  }

 private:
  using Votes = std::array<double, 10>;

  /// The pixels of FER2013's own table, if that is where pictures are.
  std::shared_ptr<const MemoryPictures> pictures_of_table() const {
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(pictures_, unknown)) return nullptr;
    const io::CsvTable table = io::read_csv(pictures_);
    if (table.rows() != table_.rows())
      throw FileError(table_.file(), "", text(table_.rows(), " rows"),
                      text(table.rows(), " as in ", pictures_.string(), ", row by row"));
    return fer2013_pictures(table, pictures_, Fer2013Options{}.side);
  }

  /// In the folder itself, or in those that the authors' own program makes.
  std::filesystem::path picture_file(const FrameSequence& sample) const {
    std::error_code unknown;
    for (const char* part : {"", "FER2013Train", "FER2013Valid", "FER2013Test"})
      if (auto path = pictures_ / part / sample.name; std::filesystem::is_regular_file(path, unknown))
        return path;
    return pictures_ / sample.name;
  }

  Votes votes_of(Index row) const {
    Votes votes{};
    for (std::size_t i = 0; i < votes.size(); ++i) {
      votes[i] = table_.number(row, columns_[i]);
      if (votes[i] < 0) table_.fail(row, columns_[i], "a number of votes");
      if (options_.drop_single_votes && votes[i] <= 1) votes[i] = 0;
    }
    return votes;
  }

  /// Label and votes of a sample; false, and counted, if it is left out.
  bool decide(const Votes& votes, FrameSequence& sample, SkippedFiles& skipped) const {
    double total = 0;
    for (const double count : votes) total += count;
    const auto most = std::max_element(votes.begin(), votes.end());
    const auto winner = static_cast<std::size_t>(most - votes.begin());
    const bool tie = std::count(votes.begin(), votes.end(), *most) > 1;
    if (total == 0 || tie || winner >= ferplus_labels.size() || !(*most > options_.majority * total)) {
      ++skipped.undecided;
      return false;
    }
    const auto label = labels_.label(winner);
    if (!label) {
      ++skipped.other_class;
      return false;
    }
    sample.label = *label;
    sample.votes.assign(labels_.class_names().size(), 0.0);
    double counted = 0;
    for (std::size_t i = 0; i < ferplus_labels.size(); ++i)
      if (const auto voted = labels_.label(i)) {
        sample.votes[static_cast<std::size_t>(*voted)] = votes[i];
        counted += votes[i];
      }
    for (double& share : sample.votes) share /= counted;
    return true;
  }

  io::CsvTable table_;
  std::filesystem::path pictures_;
  FerPlusOptions options_;
  LabelMap labels_;
  Index name_ = 0;
  std::optional<Index> split_;
  std::array<Index, 10> columns_{};
};

}  // namespace detail

/// FER2013's `fer2013.csv` (`emotion,pixels,Usage`, in any order of columns): a sample a row, named "fer<row>" with
/// seven digits as FER+ does; Training is the split "train", PublicTest "validation", PrivateTest "test". Pictures stay
/// in memory, 2304 bytes each, and FaceClips reads them from there.
/// Throws FileError with line and column: a label beyond 0..6, pixels that are no picture, another Usage.
inline FrameSequences read_fer2013(const std::filesystem::path& csv, const Fer2013Options& options = {}) {
  const io::CsvTable table = io::read_csv(csv);
  const Index emotion = table.column("emotion");
  const Index usage = table.column("Usage");
  const LabelMap labels(fer2013_labels, options.classes);
  const auto pictures = detail::fer2013_pictures(table, csv, options.side);
  FrameSequences data{.class_names = labels.class_names()};
  for (Index row = 0; row < table.rows(); ++row) {
    const auto place = labels.find(table.integer(row, emotion));
    if (!place) table.fail(row, emotion, labels.expected());
    const std::string name = detail::fer2013_name(row);
    data.samples.push_back({.name = name,
                            .label = *labels.label(*place),
                            .split = detail::fer2013_split(table, row, usage),
                            .frames = {csv / name},
                            .pictures = pictures});
  }
  return data;
}

/// FER+'s votes for FER2013's pictures. `votes` is a table with the ten columns neutral, happiness, surprise, sadness,
/// anger, disgust, fear, contempt, unknown and NF, a column `Image name` (or `file`), and `Usage` (or `split`) if there
/// is one: the authors' `fer2013new.csv` is one. `pictures` is FER2013's own CSV file, whose rows are the table's, or
/// the folder of the named files, which may lie in FER2013Train, FER2013Valid and FER2013Test.
///
/// The label is the emotion with most votes. As in the authors' program votes of one person alone are dropped, and
/// samples without a majority, or whose majority saw "unknown" or no face, are left out (`skipped.undecided`); so are
/// ties. `votes` of a sample are the shares of its remaining votes for emotions. (The authors' own distributions end
/// where three quarters of the votes are reached; these do not.)
/// Throws FileError: columns or pictures that are missing, votes that are no numbers.
inline FrameSequences read_ferplus(const std::filesystem::path& votes, const std::filesystem::path& pictures,
                                   const FerPlusOptions& options = {}) {
  return detail::FerPlusReader(votes, pictures, options).read();
}

}  // namespace mien::data
