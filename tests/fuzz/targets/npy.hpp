#pragma once

#include <mien/io/npy.hpp>

#include <zlib.h>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// Text or bytes as a .gz file.
inline std::string gzipped(std::string_view content) {
  z_stream stream{};
  constexpr int with_gzip_header = 16 + MAX_WBITS;
  if (::deflateInit2(&stream, 6, Z_DEFLATED, with_gzip_header, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib cannot pack");
  std::string out(::deflateBound(&stream, content.size()) + 32, '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

/// Arrays, plain and packed, as every type.
inline const Target npy_target{
    [](Bytes bytes) {
      const MemoryFile file(bytes);
      constexpr std::uint64_t max_bytes = std::uint64_t{16} << 20;
      try {
        static_cast<void>(io::read_npy<float>(file.path(), max_bytes));
        static_cast<void>(io::read_npy<double>(file.path(), max_bytes));
      } catch (const FileError&) {
        static_cast<void>(io::read_npy<std::int64_t>(file.path(), max_bytes));
      }
    },
    [] {
      const auto floats = text_of(io::serialize_npy(Tensor<float>({2, 3}, 0.5F)));
      return std::vector{floats, text_of(io::serialize_npy(Tensor<std::int64_t>({2}, -1))), gzipped(floats)};
    },
    {"\x93NUMPY\1", "\x93NUMPY\2", "'descr'", "'fortran_order'", "'shape'", "True", "False", "'<f4'", "'<f8'", "'<i8'",
     "'|u1'", "'|b1'", "'>f4'", "(0,)", "()", "(99999999999999999999,)", ", "}};

}  // namespace mien::fuzzing
