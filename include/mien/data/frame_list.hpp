#pragma once

/// Which pictures a video consists of.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/data/detail/bytes.hpp"

namespace mien::data {

/// A picture as it lies somewhere. The bytes live as long as the source that gave them.
struct StoredPicture {
  std::span<const std::byte> bytes = {};
  Index width = 0;
  Index height = 0;
  Index channels = 0;  ///< 1 or 3: the bytes are pixels, row by row; 0: they are those of an image file
};

/// Pictures that are numbered from 0, as in the index of a packed file. Any thread may ask.
class NumberedPictures {
 public:
  NumberedPictures() = default;
  NumberedPictures(const NumberedPictures&) = delete;
  NumberedPictures& operator=(const NumberedPictures&) = delete;
  virtual ~NumberedPictures() = default;

  /// The path that stands for a picture.
  virtual std::filesystem::path path_of(std::uint64_t number) const = 0;
  /// Throws FileError for a damaged one.
  virtual StoredPicture picture(std::uint64_t number) const = 0;
  /// Whether a picture lies there as pixels.
  virtual bool is_decoded(std::uint64_t number) const = 0;
  /// Says that pictures `first` to `last` will soon be asked for.
  virtual void read_ahead(std::uint64_t first, std::uint64_t last) const = 0;
};

/// The frames of a video in the order of time: paths, or the numbers of pictures in a packed file, which take no memory
/// and become paths when they are looked at. So a list of millions of frames costs what its samples do.
class FrameList {
 public:
  /// Over values: a path may be made for the occasion.
  class Iterator {
   public:
    using value_type = std::filesystem::path;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    Iterator(const FrameList& list, std::size_t at) : list_(&list), at_(at) {}
    value_type operator*() const { return (*list_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    void operator++(int) { ++at_; }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    const FrameList* list_;
    std::size_t at_;
  };

  FrameList() = default;
  FrameList(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)) {}
  FrameList(std::initializer_list<std::filesystem::path> paths) : paths_(paths) {}

  /// `numbers` has eight bytes for each picture, little-endian, and lives as long as `pictures` does.
  FrameList(std::shared_ptr<const NumberedPictures> pictures, std::span<const std::byte> numbers)
      : pictures_(std::move(pictures)), numbers_(numbers) {}

  std::size_t size() const { return pictures_ ? numbers_.size() / 8 : paths_.size(); }
  bool empty() const { return size() == 0; }

  /// The result is constant because a change to it would change nothing here.
  const std::filesystem::path operator[](std::size_t index) const {  // NOLINT(readability-const-return-type)
    return pictures_ ? pictures_->path_of(number(index)) : paths_[index];
  }
  const std::filesystem::path back() const { return (*this)[size() - 1]; }  // NOLINT(readability-const-return-type)
  Iterator begin() const { return Iterator(*this, 0); }
  Iterator end() const { return Iterator(*this, size()); }

  /// Whether all paths are the same.
  bool operator==(const FrameList& other) const {
    if (size() != other.size()) return false;
    for (std::size_t i = 0; i < size(); ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

  /// Whose numbers the frames are; null for paths.
  const NumberedPictures* numbered() const { return pictures_.get(); }
  /// The number of a frame, of a list that has numbers.
  std::uint64_t number(std::size_t index) const { return detail::little_endian(numbers_.subspan(8 * index, 8)); }

  void clear() { *this = FrameList(); }

  /// All frames are paths afterwards.
  void push_back(std::filesystem::path path) {
    if (pictures_) *this = FrameList(as_paths());
    paths_.push_back(std::move(path));
  }

 private:
  std::vector<std::filesystem::path> as_paths() const {
    std::vector<std::filesystem::path> out;
    for (const auto& path : *this) out.push_back(path);
    return out;
  }

  std::vector<std::filesystem::path> paths_;
  std::shared_ptr<const NumberedPictures> pictures_;
  std::span<const std::byte> numbers_;
};

}  // namespace mien::data
