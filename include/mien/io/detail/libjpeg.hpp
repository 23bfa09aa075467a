#pragma once

/// JPEGs by libjpeg, most likely libjpeg-turbo, for who links it (MIEN_WITH_LIBJPEG).
///
/// It is C, through which no exception may pass: where it gives up it jumps back into a function of ours that has
/// nothing to destroy, and only then something is thrown. What it merely warns of is an error: damaged data would
/// otherwise become grey blocks, and cost an attacker's victim hours (libjpeg-turbo's security policy).

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include <jpeglib.h>

#include "mien/io/detail/image_checks.hpp"

namespace mien::io::detail {

/// One JPEG while it is decoded.
class JpegDecompressor {
 public:
  explicit JpegDecompressor(std::size_t budget) : budget_(budget) {
    state_.err = ::jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = &give_up;
    errors_.manager.emit_message = &hear_message;
    errors_.manager.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = &count_scans;
  }
  JpegDecompressor(const JpegDecompressor&) = delete;
  JpegDecompressor& operator=(const JpegDecompressor&) = delete;
  ~JpegDecompressor() { ::jpeg_destroy_decompress(&state_); }

  /// Up to the first row: then width, height and channels are known. False if it cannot be decoded.
  bool start(std::span<const std::byte> bytes) {
    if (setjmp(errors_.gave_up) != 0) return false;
    jpeg_create_decompress(&state_);
    state_.progress = &progress_;
    state_.mem->max_memory_to_use = static_cast<long>(budget_);
    ::jpeg_mem_src(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                   static_cast<unsigned long>(bytes.size()));
    ::jpeg_read_header(&state_, TRUE);
    if (state_.out_color_space != JCS_GRAYSCALE) state_.out_color_space = JCS_RGB;
    ::jpeg_start_decompress(&state_);
    return true;
  }

  Index width() const { return static_cast<Index>(state_.output_width); }
  Index height() const { return static_cast<Index>(state_.output_height); }
  int channels() const { return state_.output_components; }

  /// All rows. False if they are damaged.
  bool read(std::uint8_t* pixels) {
    const std::size_t row_bytes = std::size_t{state_.output_width} * static_cast<std::size_t>(state_.output_components);
    if (setjmp(errors_.gave_up) != 0) return false;
    while (state_.output_scanline < state_.output_height) {
      JSAMPROW row = pixels + state_.output_scanline * row_bytes;
      ::jpeg_read_scanlines(&state_, &row, 1);
    }
    ::jpeg_finish_decompress(&state_);
    return true;
  }

  /// Why something was false.
  const char* problem() const { return errors_.message.data(); }

 private:
  struct Errors {
    jpeg_error_mgr manager{};
    std::jmp_buf gave_up{};
    std::array<char, JMSG_LENGTH_MAX> message{};
  };

  /// The manager is the first of its members, so its place is that of all.
  [[noreturn]] static void give_up(j_common_ptr state) {
    auto* const errors = reinterpret_cast<Errors*>(state->err);
    errors->manager.format_message(state, errors->message.data());
    std::longjmp(errors->gave_up, 1);
  }

  static void hear_message(j_common_ptr state, int level) {
    if (level < 0) give_up(state);
  }

  /// Each scan may touch every pixel. The checks before have counted them, with a parser of their own.
  static void count_scans(j_common_ptr state) {
    if (reinterpret_cast<j_decompress_ptr>(state)->input_scan_number <= max_jpeg_scans) return;
    auto* const errors = reinterpret_cast<Errors*>(state->err);
    std::snprintf(errors->message.data(), errors->message.size(), "more than %d scans", max_jpeg_scans);
    std::longjmp(errors->gave_up, 1);
  }

  std::size_t budget_;
  Errors errors_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct state_{};
};

}  // namespace mien::io::detail
