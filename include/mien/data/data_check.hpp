#pragma once

/// What a data set holds, and what is wrong with it: the look before a long training.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/detail/bytes.hpp"
#include "mien/data/picture_source.hpp"

namespace mien::data {

/// The same content, or the same person, in two parts of a data set.
struct SplitLeak {
  std::string what;    ///< the subject's name; for content that of the one sample
  std::string other;   ///< for content: the other sample's name
  std::string splits;  ///< "train and test"
};

/// What `check_data` found.
struct DataReport {
  Index samples = 0;
  Index frames = 0;  ///< pictures, or frames of joints
  std::vector<std::string> class_names = {};
  std::map<std::string, std::vector<Index>> split_classes = {};  ///< samples of each class by split; "" without one
  std::map<std::string, Index> subjects = {};                    ///< samples by subject
  Index without_subject = 0;
  Index without_class = 0;  ///< samples with affect alone
  Index with_affect = 0;
  Index with_votes = 0;
  Index video_files = 0;                                ///< samples that are a file, not frames
  std::map<std::pair<Index, Index>, Index> sizes = {};  ///< pictures by width and height; or sequences by joints
  SkippedFiles skipped = {};
  Index repeated = 0;       ///< pictures or sequences met before in the same split
  Index contradicting = 0;  ///< those of equal content and another label
  Index absent_joints = 0;  ///< of all joints in all frames

  std::vector<SplitLeak> content_leaks = {};
  std::vector<SplitLeak> subject_leaks = {};
  std::vector<std::string> unreadable = {};  ///< a message for each file
  std::vector<std::string> unlabelled = {};  ///< names of samples with neither class nor affect

  /// Whether there is nothing wrong. Repetitions, contradictions and what readers skipped are told, and no fault.
  bool is_sound() const {
    return content_leaks.empty() && subject_leaks.empty() && unreadable.empty() && unlabelled.empty() && samples > 0;
  }
};

namespace detail {

/// Gathers a report sample by sample.
template <class Sample>
class DataChecker {
 public:
  explicit DataChecker(const DataSet<Sample>& data) {
    report_.class_names = data.class_names;
    report_.skipped = data.skipped;
    report_.samples = data.size();
  }

  void add(const Sample& sample) {
    auto& counts = report_.split_classes[sample.split];
    counts.resize(report_.class_names.size());
    if (sample.label >= 0 && sample.label < static_cast<Index>(counts.size()))
      ++counts[static_cast<std::size_t>(sample.label)];
    else if (sample.label == no_label && sample.affect)
      ++report_.without_class;
    else
      report_.unlabelled.push_back(sample.name);
    report_.with_affect += sample.affect.has_value();
    report_.with_votes += !sample.votes.empty();
    if (sample.subject.empty()) {
      ++report_.without_subject;
    } else {
      ++report_.subjects[sample.subject];
      subject_splits_[sample.subject].insert(sample.split);
    }
  }

  /// One picture's or recording's content.
  void add_content(const Sample& sample, std::uint64_t hash) {
    auto& seen = contents_[hash];
    bool known = false;
    for (const Sample* earlier : seen) {
      // A sequence that holds still repeats its own frames; that is no news.
      if (earlier == &sample) return;
      if (earlier->split == sample.split) {
        known = true;
        if (earlier->label != sample.label) ++report_.contradicting;
      } else if (leaking_.insert({earlier, &sample}).second) {
        report_.content_leaks.push_back({earlier->name, sample.name, both(earlier->split, sample.split)});
      }
    }
    report_.repeated += known;
    if (!known) seen.push_back(&sample);
  }

  DataReport finish() {
    for (const auto& [subject, splits] : subject_splits_)
      if (splits.size() > 1) report_.subject_leaks.push_back({subject, "", both(*splits.begin(), *splits.rbegin())});
    return std::move(report_);
  }

  DataReport& report() { return report_; }

 private:
  static std::string both(const std::string& a, const std::string& b) {
    const auto shown = [](const std::string& split) { return split.empty() ? std::string("no split") : split; };
    return shown(a) + " and " + shown(b);
  }

  DataReport report_;
  std::map<std::string, std::set<std::string>> subject_splits_;
  std::unordered_map<std::uint64_t, std::vector<const Sample*>> contents_;
  std::set<std::pair<const Sample*, const Sample*>> leaking_;
};

/// Of size and pixels, so that it does not matter how a picture was compressed.
inline std::uint64_t picture_hash(const io::Image& image) {
  ByteWriter size;
  size.u32(static_cast<std::uint64_t>(image.width));
  size.u32(static_cast<std::uint64_t>(image.height));
  return content_hash(std::as_bytes(std::span(image.pixels)), content_hash(size.bytes()));
}

}  // namespace detail

/// Opens every picture, and counts. Pictures are the same if all their pixels are; a picture that is in two splits is a
/// leak, and so is a subject. Of samples that are video files only that the file is there is looked at.
inline DataReport check_data(const FrameSequences& data) {
  detail::DataChecker checker(data);
  DataReport& report = checker.report();
  for (const FrameSequence& sample : data.samples) {
    checker.add(sample);
    if (!sample.video.empty() && sample.frames.empty()) {
      ++report.video_files;
      std::error_code unknown;
      const auto size = std::filesystem::file_size(sample.video, unknown);
      if (unknown || size == 0)
        report.unreadable.push_back(sample.video.string() + (unknown ? ": no file" : ": an empty file"));
    } else if (sample.frames.empty()) {
      report.unreadable.push_back("`" + sample.name + "`: no frames");
    }
    for (Index frame = 0; frame < static_cast<Index>(sample.frames.size()); ++frame) {
      ++report.frames;
      try {
        const io::Image image = read_frame(sample, frame);
        ++report.sizes[{image.width, image.height}];
        checker.add_content(sample, detail::picture_hash(image));
      } catch (const Error& error) {
        report.unreadable.emplace_back(error.what());
      }
    }
  }
  return checker.finish();
}

/// The same of recordings of joints, of which `sizes` counts those with so many joints (and 1).
inline DataReport check_data(const GestureSequences& data) {
  detail::DataChecker checker(data);
  DataReport& report = checker.report();
  for (const GestureSequence& sample : data.samples) {
    checker.add(sample);
    const Tensor<float> joints = sample.joints.joints.contiguous();
    if (joints.rank() != 3 || joints.size(2) != 3 || joints.size(0) < 1) {
      report.unreadable.push_back(detail::text("`", sample.name, "`: joints ", joints.shape(), " are not [T, J, 3]"));
      continue;
    }
    report.frames += joints.size(0);
    ++report.sizes[{joints.size(1), 1}];
    for (Index i = 2; i < joints.elements(); i += 3) report.absent_joints += !(joints.data()[i] > 0);
    checker.add_content(
        sample,
        detail::content_hash(std::as_bytes(std::span(joints.data(), static_cast<std::size_t>(joints.elements())))));
  }
  return checker.finish();
}

}  // namespace mien::data
