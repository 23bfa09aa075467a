#pragma once

/// PNGs by libpng, for who links it (MIEN_WITH_LIBPNG). As with libjpeg.hpp it jumps back into a function that has
/// nothing to destroy, and warnings are errors; chunks that have no part in the pixels are not even looked at, as most
/// warnings are of them.

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include <png.h>

#include "mien/io/detail/image_checks.hpp"

namespace mien::io::detail {

/// One PNG while it is decoded.
class PngDecompressor {
 public:
  explicit PngDecompressor(std::span<const std::byte> bytes) : left_(bytes) {}
  PngDecompressor(const PngDecompressor&) = delete;
  PngDecompressor& operator=(const PngDecompressor&) = delete;
  ~PngDecompressor() { ::png_destroy_read_struct(&png_, &info_, nullptr); }

  /// Up to the first row: then width, height and channels are known. No chunk may take more memory than `budget`.
  /// False if it cannot be decoded.
  bool start(std::size_t budget) {
    if (setjmp(gave_up_) != 0) return false;
    png_ = ::png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &give_up, &give_up);
    if (png_ == nullptr) return false;
    info_ = ::png_create_info_struct(png_);
    ::png_set_read_fn(png_, this, &take);
    ::png_set_user_limits(png_, static_cast<png_uint_32>(max_image_side), static_cast<png_uint_32>(max_image_side));
    ::png_set_chunk_malloc_max(png_, budget);
    ::png_set_benign_errors(png_, 0);
    constexpr int all_that_are_not_needed = -1;
    ::png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, all_that_are_not_needed);
    ::png_read_info(png_, info_);
    ::png_set_expand(png_);
    ::png_set_strip_16(png_);
    passes_ = ::png_set_interlace_handling(png_);
    ::png_read_update_info(png_, info_);
    return true;
  }

  Index width() const { return static_cast<Index>(::png_get_image_width(png_, info_)); }
  Index height() const { return static_cast<Index>(::png_get_image_height(png_, info_)); }
  int channels() const { return ::png_get_channels(png_, info_); }
  bool has_whole_bytes() const { return ::png_get_bit_depth(png_, info_) == 8; }

  /// All rows. False if they are damaged.
  bool read(std::uint8_t* pixels) {
    if (setjmp(gave_up_) != 0) return false;
    const std::size_t row_bytes = ::png_get_rowbytes(png_, info_);
    const png_uint_32 rows = ::png_get_image_height(png_, info_);
    for (int pass = 0; pass < passes_; ++pass)
      for (png_uint_32 row = 0; row < rows; ++row) ::png_read_row(png_, pixels + row * row_bytes, nullptr);
    ::png_read_end(png_, nullptr);
    return true;
  }

  /// Why something was false.
  const char* problem() const { return message_.data(); }

 private:
  [[noreturn]] static void give_up(png_structp png, png_const_charp message) {
    auto* const self = static_cast<PngDecompressor*>(::png_get_error_ptr(png));
    std::snprintf(self->message_.data(), self->message_.size(), "%s", message);
    std::longjmp(self->gave_up_, 1);
  }

  static void take(png_structp png, png_bytep to, std::size_t count) {
    auto* const self = static_cast<PngDecompressor*>(::png_get_io_ptr(png));
    if (count > self->left_.size()) give_up(png, "the end of the file");
    std::copy_n(reinterpret_cast<const png_byte*>(self->left_.data()), count, to);
    self->left_ = self->left_.subspan(count);
  }

  std::span<const std::byte> left_;
  std::jmp_buf gave_up_{};
  std::array<char, 200> message_{"no memory"};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

}  // namespace mien::io::detail
