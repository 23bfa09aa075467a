#pragma once

/// What is done about training samples that cannot be read. Validation and test samples are never left out or changed:
/// a figure over other samples than those that it is said to be over is worth nothing.
///
///     data::BadSamplesReport report;
///     const auto train = data::without_bad_samples(all.subset(parts.train), data::BadSamples::skip, report);
///     for (const auto& [sample, reason] : report.skipped) std::cerr << sample << ": " << reason << "\n";

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/picture_source.hpp"

namespace mien::data {

enum class BadSamples {
  error,  ///< FileError that names them
  skip,   ///< leaves a sample out if anything of it cannot be used
  mask    ///< leaves out its frames, or takes its joints for unseen; a sample of which nothing is left is skipped
};

struct BadSamplesReport {
  /// A sample and why.
  struct Entry {
    std::string sample;
    std::string reason;
  };
  std::vector<Entry> skipped = {};
  std::vector<Entry> masked = {};
};

namespace detail {

/// What is wrong with a sample, first of all, and how much of it is.
struct SampleFaults {
  std::string first = {};
  Index count = 0;
  Index of = 0;

  void add(const std::string& what) {
    if (count++ == 0) first = what;
  }
  std::string to_string(const char* things) const { return text(count, " of ", of, " ", things, ": ", first); }
};

/// The pictures of a video that can be read.
inline SampleFaults drop_bad_parts(FrameSequence& sample) {
  SampleFaults faults{.of = static_cast<Index>(sample.frames.size())};
  std::vector<std::filesystem::path> sound;
  for (const auto& frame : sample.frames) {
    try {
      read_picture(sample.pictures.get(), frame);
      sound.push_back(frame);
    } catch (const FileError& error) {
      faults.add(error.what());
    }
  }
  sample.frames = std::move(sound);
  return faults;
}
inline bool has_anything(const FrameSequence& sample) { return !sample.frames.empty(); }
inline const char* parts_of(const FrameSequence&) { return "frames"; }

/// Joints that are absent, or whose numbers are finite; the others become unseen.
inline SampleFaults drop_bad_parts(GestureSequence& sample) {
  Tensor<float> joints = sample.joints.joints.clone();
  SampleFaults faults{.of = joints.elements() / 3};
  for (Index i = 0; i < faults.of; ++i) {
    float* const joint = joints.data() + 3 * i;
    // A joint that was not seen may be anywhere.
    if (joint[2] <= 0 || std::all_of(joint, joint + 3, [](float number) { return std::isfinite(number); })) continue;
    faults.add(text("frame ", i / joints.size(1), ", joint ", i % joints.size(1), " at (", joint[0], ", ", joint[1],
                    ") with confidence ", joint[2]));
    std::fill_n(joint, 3, 0.0F);
  }
  sample.joints.joints = joints;
  return faults;
}
inline bool has_anything(const GestureSequence& sample) {
  const Tensor<float>& joints = sample.joints.joints;
  for (Index i = 2; i < joints.elements(); i += 3)
    if (joints.data()[i] > 0) return true;
  return false;
}
inline const char* parts_of(const GestureSequence&) { return "joints"; }

}  // namespace detail

/// Reads all of some samples, pictures or joints, and returns those that can be used: an error, fewer of them, or some
/// with less in them, as asked for. The report tells each that is left out or changed. Throws FileError.
template <class Sample>
DataSet<Sample> without_bad_samples(DataSet<Sample> data, BadSamples policy, BadSamplesReport& report) {
  std::vector<Sample> kept;
  kept.reserve(data.samples.size());
  for (Sample& sample : data.samples) {
    Sample sound = sample;
    const detail::SampleFaults faults = detail::drop_bad_parts(sound);
    if (faults.count == 0) {
      kept.push_back(std::move(sample));
      continue;
    }
    const std::string reason = faults.to_string(detail::parts_of(sample));
    if (policy == BadSamples::error) throw FileError(detail::text("sample `", sample.name, "`: ", reason));
    const bool is_masked = policy == BadSamples::mask && detail::has_anything(sound);
    (is_masked ? report.masked : report.skipped).push_back({sample.name, reason});
    if (is_masked) kept.push_back(std::move(sound));
  }
  data.samples = std::move(kept);
  return data;
}

/// The same samples. Throws FileError for the first that cannot be used: for validation and test.
template <class Sample>
DataSet<Sample> require_good_samples(DataSet<Sample> data) {
  BadSamplesReport none;
  return without_bad_samples(std::move(data), BadSamples::error, none);
}

}  // namespace mien::data
