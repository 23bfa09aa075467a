#pragma once

/// Unpacking .gz data with a limit, because a few kilobytes can unpack to terabytes.

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "mien/io/file.hpp"

namespace mien::io {

/// Whether data begins as a gzip file does.
inline bool is_gzip(std::span<const std::byte> data) {
  return data.size() >= 2 && data[0] == std::byte{0x1f} && data[1] == std::byte{0x8b};
}

namespace detail {

/// zlib's state, released on every way out.
class InflateStream {
 public:
  static constexpr int gzip_only = 16 + MAX_WBITS;
  static constexpr int without_header = -MAX_WBITS;

  explicit InflateStream(int format = gzip_only) {
    if (::inflateInit2(&stream_, format) != Z_OK) throw Error("zlib could not be initialised");
  }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  ~InflateStream() { ::inflateEnd(&stream_); }

  z_stream& operator*() { return stream_; }
  z_stream* operator->() { return &stream_; }

 private:
  z_stream stream_{};
};

}  // namespace detail

/// Unpacks a gzip file of one or more members. `file` is only named in errors. Throws FileError for damaged or cut data
/// and for more than `max_bytes` of output.
inline std::vector<std::byte> gunzip(std::span<const std::byte> data, std::uint64_t max_bytes,
                                     std::string_view file = "gzip data in memory") {
  constexpr std::size_t piece = std::size_t{1} << 20;
  detail::InflateStream stream;
  std::vector<std::byte> out;
  std::size_t filled = 0;
  std::size_t taken = 0;
  for (;;) {
    if (out.size() - filled < piece / 2) out.resize(std::max(piece, out.size() * 3 / 2));
    const std::size_t offered = std::min<std::size_t>(data.size() - taken, INT_MAX);
    const std::size_t room = std::min<std::size_t>(out.size() - filled, INT_MAX);
    // zlib does not write to its input; its older interface lacks the const.
    stream->next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data() + taken));
    stream->avail_in = static_cast<uInt>(offered);
    stream->next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream->avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&*stream, Z_NO_FLUSH);
    taken += offered - stream->avail_in;
    filled += room - stream->avail_out;
    if (filled > max_bytes)
      throw FileError(file, "", "more data than allowed when unpacked", detail::text("at most ", max_bytes, " bytes"));
    if (status == Z_STREAM_END) {
      if (!is_gzip(data.subspan(taken))) break;
      ::inflateReset(&*stream);
    } else if (status == Z_BUF_ERROR || (status == Z_OK && taken == data.size() && stream->avail_out > 0)) {
      throw FileError(file, detail::text("byte ", taken), "the end of the data", "the rest of a gzip file");
    } else if (status != Z_OK) {
      throw FileError(file, detail::text("byte ", taken),
                      detail::text("damaged data (", stream->msg != nullptr ? stream->msg : "no reason given", ")"),
                      "a whole gzip file");
    }
  }
  if (taken != data.size())
    throw FileError(file, detail::text("byte ", taken), "other data behind the end", "the end of the file");
  out.resize(filled);
  return out;
}

}  // namespace mien::io
