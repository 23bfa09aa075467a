#pragma once

/// The records of a .zip file in memory, stored or deflated, with zip64. Nothing that the file says about offsets and
/// sizes is believed before it was checked against the file itself.
///
/// The format is that of PKWARE's APPNOTE.TXT 6.3: records one behind the other, each after a local header, then the
/// central directory that lists them, then the end record that says where the directory is.

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include "mien/io/file.hpp"
#include "mien/io/gzip.hpp"

namespace mien::io::detail {

/// Bytes that whoever holds a copy of `first` keeps alive.
struct SharedBytes {
  std::shared_ptr<const std::byte> first;
  std::size_t size = 0;
};

class ZipArchive {
 public:
  static constexpr std::size_t max_records = 1'000'000;
  static constexpr std::size_t max_name_bytes = 1024;

  /// `file` is only named in errors. `max_unpacked` bounds the bytes of all records together. Throws FileError.
  ZipArchive(std::vector<std::byte> bytes, std::string file, std::uint64_t max_unpacked)
      : bytes_(std::make_shared<const std::vector<std::byte>>(std::move(bytes))), file_(std::move(file)) {
    read_directory(find_directory());
    check_sizes(max_unpacked);
    check_overlaps();
  }

  bool contains(std::string_view name) const { return records_.find(name) != records_.end(); }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, unused] : records_) out.push_back(name);
    return out;
  }

  /// A record's content, whose checksum was compared. Throws FileError if there is none of that name, or it is damaged.
  SharedBytes content(std::string_view name) const {
    const auto found = records_.find(name);
    if (found == records_.end()) fail(text("record `", name.substr(0, 200), "`"), "no such record", "");
    const Record& record = found->second;
    SharedBytes out{{bytes_, bytes_->data() + record.begin}, record.size};
    if (record.method == deflated) out = unpack(record, found->first);
    if (checksum(out) != record.checksum)
      fail(text("record `", name, "`"), "content that does not match its checksum", "an undamaged file");
    return out;
  }

 private:
  static constexpr std::uint32_t local_signature = 0x04034b50;
  static constexpr std::uint32_t central_signature = 0x02014b50;
  static constexpr std::uint32_t end_signature = 0x06054b50;
  static constexpr std::uint32_t end64_signature = 0x06064b50;
  static constexpr std::uint32_t locator64_signature = 0x07064b50;
  static constexpr std::size_t local_bytes = 30;
  static constexpr std::size_t central_bytes = 46;
  static constexpr std::size_t end_bytes = 22;
  static constexpr std::size_t end64_bytes = 56;
  static constexpr std::size_t locator64_bytes = 20;
  static constexpr std::uint16_t stored = 0;
  static constexpr std::uint16_t deflated = 8;

  struct Directory {
    std::uint64_t records = 0;
    std::uint64_t size = 0;
    std::uint64_t begin = 0;
  };

  struct Record {
    std::uint16_t method = stored;
    std::uint32_t checksum = 0;
    std::size_t header = 0;  ///< of the local header
    std::size_t begin = 0;   ///< of the content
    std::size_t packed = 0;
    std::size_t size = 0;
  };

  [[noreturn]] void fail(std::string_view where, std::string_view found, std::string_view expected) const {
    throw FileError(file_, where, found, expected);
  }

  std::size_t file_bytes() const { return bytes_->size(); }

  /// An unsigned number at a place that was checked to be in the file.
  template <class Number>
  Number number_at(std::size_t place) const {
    Number out;
    std::memcpy(&out, bytes_->data() + place, sizeof out);
    return out;
  }

  std::string_view text_at(std::size_t place, std::size_t size) const {
    return {reinterpret_cast<const char*>(bytes_->data()) + place, size};
  }

  /// Whether `size` bytes from `begin` lie before `end`, whatever the numbers.
  static bool lies_before(std::uint64_t begin, std::uint64_t size, std::uint64_t end) {
    return begin <= end && size <= end - begin;
  }

  /// The end record stands at the very end, but for a comment whose length it tells.
  Directory find_directory() const {
    const std::size_t latest = file_bytes() < end_bytes ? 0 : file_bytes() - end_bytes;
    for (std::size_t back = 0; back <= std::min<std::size_t>(latest, 0xffff) && file_bytes() >= end_bytes; ++back) {
      const std::size_t at = latest - back;
      if (number_at<std::uint32_t>(at) != end_signature || number_at<std::uint16_t>(at + 20) != back) continue;
      if (number_at<std::uint16_t>(at + 4) != 0 || number_at<std::uint16_t>(at + 6) != 0)
        fail(text("byte ", at), "one of several volumes", "a whole zip archive");
      Directory directory{number_at<std::uint16_t>(at + 10), number_at<std::uint32_t>(at + 12),
                          number_at<std::uint32_t>(at + 16)};
      if (at >= locator64_bytes && number_at<std::uint32_t>(at - locator64_bytes) == locator64_signature)
        directory = directory_of_zip64(at - locator64_bytes);
      if (!lies_before(directory.begin, directory.size, at))
        fail(text("byte ", at), text("a directory of ", directory.size, " bytes at ", directory.begin),
             "one that lies in the file");
      return directory;
    }
    fail("", "no end record of a zip archive", "a whole zip archive (was the file cut?)");
  }

  Directory directory_of_zip64(std::size_t locator) const {
    const auto at = number_at<std::uint64_t>(locator + 8);
    if (!lies_before(at, end64_bytes, locator) ||
        number_at<std::uint32_t>(static_cast<std::size_t>(at)) != end64_signature)
      fail(text("byte ", locator), text("an end record at ", at), "one that lies in the file");
    const auto end = static_cast<std::size_t>(at);
    return {number_at<std::uint64_t>(end + 32), number_at<std::uint64_t>(end + 40), number_at<std::uint64_t>(end + 48)};
  }

  void read_directory(const Directory& directory) {
    if (directory.records > max_records) fail("", text(directory.records, " records"), text("at most ", max_records));
    auto at = static_cast<std::size_t>(directory.begin);
    const std::size_t end = at + static_cast<std::size_t>(directory.size);
    for (std::uint64_t i = 0; i < directory.records; ++i) {
      if (!lies_before(at, central_bytes, end) || number_at<std::uint32_t>(at) != central_signature)
        fail(text("byte ", at), "no entry of the directory", text("entry ", i, " of ", directory.records));
      at = read_entry(at, end, directory.begin);
    }
    if (at != end) fail(text("byte ", at), "other data behind the directory's last entry", "the directory's end");
  }

  /// Reads the entry at `at`; returns where the next one begins.
  std::size_t read_entry(std::size_t at, std::size_t end, std::uint64_t directory_begin) {
    const auto name_bytes = number_at<std::uint16_t>(at + 28);
    const auto extra_bytes = number_at<std::uint16_t>(at + 30);
    const auto comment_bytes = number_at<std::uint16_t>(at + 32);
    const std::size_t next = at + central_bytes + name_bytes + extra_bytes + comment_bytes;
    if (next > end) fail(text("byte ", at), "an entry that leaves the directory", "one that lies in it");
    const std::string name(text_at(at + central_bytes, name_bytes));
    const std::string where = text("record `", name.substr(0, 200), "`");
    if (name.empty() || name.size() > max_name_bytes || name.find('\0') != std::string::npos)
      fail(text("byte ", at), "an impossible name", text("1 to ", max_name_bytes, " bytes"));

    if ((number_at<std::uint16_t>(at + 8) & 1) != 0) fail(where, "an encrypted record", "one without a password");
    Record record;
    record.method = number_at<std::uint16_t>(at + 10);
    if (record.method != stored && record.method != deflated)
      fail(where, text("compression ", record.method), "0 (stored) or 8 (deflated)");
    record.checksum = number_at<std::uint32_t>(at + 16);
    std::uint64_t packed = number_at<std::uint32_t>(at + 20);
    std::uint64_t size = number_at<std::uint32_t>(at + 24);
    std::uint64_t header = number_at<std::uint32_t>(at + 42);
    take_wide_numbers(where, at + central_bytes + name_bytes, extra_bytes, {&size, &packed, &header});

    if (!lies_before(header, local_bytes, directory_begin) ||
        number_at<std::uint32_t>(static_cast<std::size_t>(header)) != local_signature)
      fail(where, text("a header at byte ", header), "one that lies before the directory");
    record.header = static_cast<std::size_t>(header);
    const auto local_name = number_at<std::uint16_t>(record.header + 26);
    const std::uint64_t before = std::uint64_t{local_name} + number_at<std::uint16_t>(record.header + 28);
    const std::uint64_t begin = header + local_bytes + before;
    if (!lies_before(header + local_bytes, before, directory_begin) || !lies_before(begin, packed, directory_begin))
      fail(where, text(packed, " bytes from byte ", begin), "content that lies before the directory");
    if (text_at(record.header + local_bytes, local_name) != name)
      fail(where, "another name in its header", "the name that the directory says");
    if (record.method == stored && packed != size) fail(where, text(packed, " stored bytes"), text(size, ", its size"));
    record.begin = static_cast<std::size_t>(begin);
    record.packed = static_cast<std::size_t>(packed);
    record.size = static_cast<std::size_t>(size);
    if (!records_.emplace(name, record).second) fail(where, "a second record of that name", "each name once");
    return next;
  }

  /// Numbers that 32 bits cannot hold are in an extra field, in this order.
  void take_wide_numbers(const std::string& where, std::size_t at, std::size_t size,
                         std::initializer_list<std::uint64_t*> numbers) const {
    constexpr std::uint64_t elsewhere = 0xffffffff;
    const std::size_t end = at + size;
    std::size_t field = end;
    std::size_t field_end = end;
    while (end - at >= 4) {
      const std::size_t bytes = number_at<std::uint16_t>(at + 2);
      if (bytes > end - at - 4) fail(where, "an extra field that is too long", "one that lies in the directory");
      if (number_at<std::uint16_t>(at) == 1) {
        field = at + 4;
        field_end = field + bytes;
        break;
      }
      at += 4 + bytes;
    }
    for (std::uint64_t* const number : numbers) {
      if (*number != elsewhere) continue;
      if (field_end - field < 8) fail(where, "no 64-bit number", "one in a zip64 field");
      *number = number_at<std::uint64_t>(field);
      field += 8;
    }
  }

  void check_sizes(std::uint64_t max_unpacked) const {
    std::uint64_t left = max_unpacked;
    for (const auto& [name, record] : records_) {
      if (record.size > left)
        fail(text("record `", name.substr(0, 200), "`"), text(record.size, " bytes when unpacked"),
             text("at most ", left, ", what is left of the ", max_unpacked, " of all records"));
      left -= record.size;
    }
  }

  /// Two records over the same bytes would make a small file large.
  void check_overlaps() const {
    std::vector<const std::pair<const std::string, Record>*> ordered;
    for (const auto& entry : records_) ordered.push_back(&entry);
    std::sort(ordered.begin(), ordered.end(),
              [](const auto* a, const auto* b) { return a->second.header < b->second.header; });
    for (std::size_t i = 1; i < ordered.size(); ++i) {
      const Record& before = ordered[i - 1]->second;
      if (before.begin + before.packed > ordered[i]->second.header)
        fail(text("record `", ordered[i]->first, "`"), text("an overlap with `", ordered[i - 1]->first, "`"),
             "records that lie apart");
    }
  }

  static std::uint32_t checksum(const SharedBytes& content) {
    uLong sum = ::crc32(0, nullptr, 0);
    for (std::size_t done = 0; done < content.size;) {
      const std::size_t piece = std::min<std::size_t>(content.size - done, INT_MAX);
      sum = ::crc32(sum, reinterpret_cast<const Bytef*>(content.first.get() + done), static_cast<uInt>(piece));
      done += piece;
    }
    return static_cast<std::uint32_t>(sum);
  }

  SharedBytes unpack(const Record& record, const std::string& name) const {
    const auto out = std::make_shared<std::vector<std::byte>>(record.size);
    InflateStream stream(InflateStream::without_header);
    std::size_t taken = 0;
    std::size_t filled = 0;
    int status = Z_OK;
    while (status == Z_OK) {
      const std::size_t offered = std::min<std::size_t>(record.packed - taken, INT_MAX);
      const std::size_t room = std::min<std::size_t>(out->size() - filled, INT_MAX);
      // zlib does not write to its input; its older interface lacks the const. It wants a place even for no bytes.
      std::byte nothing{};
      stream->next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes_->data() + record.begin + taken));
      stream->avail_in = static_cast<uInt>(offered);
      stream->next_out = reinterpret_cast<Bytef*>(room > 0 ? out->data() + filled : &nothing);
      stream->avail_out = static_cast<uInt>(room);
      status = ::inflate(&*stream, Z_NO_FLUSH);
      const std::size_t step = offered - stream->avail_in + room - stream->avail_out;
      taken += offered - stream->avail_in;
      filled += room - stream->avail_out;
      if (status == Z_OK && step == 0) status = Z_BUF_ERROR;
    }
    if (status != Z_STREAM_END || taken != record.packed || filled != record.size)
      fail(text("record `", name, "`"), "damaged data", text(record.size, " bytes when unpacked"));
    return {{out, out->data()}, out->size()};
  }

  std::shared_ptr<const std::vector<std::byte>> bytes_;
  std::string file_;
  std::map<std::string, Record, std::less<>> records_;
};

}  // namespace mien::io::detail
