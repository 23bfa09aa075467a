#pragma once

#include <mien/data/packed_pictures.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// The bytes with the hash that their index should have, so that a changed index is read.
inline std::vector<std::byte> with_right_index_hash(Bytes bytes) {
  std::vector<std::byte> out = copy_of(bytes);
  if (out.size() < data::detail::packed_tail) return out;
  const std::size_t end = out.size() - data::detail::packed_tail;
  const std::uint64_t place = data::detail::little_endian(std::span(out).subspan(end, 8));
  if (place > end) return out;
  const auto index = std::span(out).subspan(static_cast<std::size_t>(place), end - static_cast<std::size_t>(place));
  data::detail::ByteWriter tail;
  tail.u64(place);
  tail.u64(index.size());
  tail.u64(data::detail::content_hash(index));
  tail.u64(out.size());
  std::copy(tail.bytes().begin(), tail.bytes().end(), out.begin() + static_cast<std::ptrdiff_t>(end));
  return out;
}

/// The bytes with the hash that a list of shards should end with.
inline std::vector<std::byte> with_right_list_hash(Bytes bytes) {
  std::vector<std::byte> out(bytes.begin(),
                             bytes.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(8, bytes.size())));
  data::detail::ByteWriter hash;
  hash.u64(data::detail::content_hash(out));
  out.insert(out.end(), hash.bytes().begin(), hash.bytes().end());
  return out;
}

/// A packed data set, with all its pictures; or a list of shards.
inline const Target packed_pictures_target{
    [](Bytes bytes) {
      if (text_of(bytes).starts_with(data::detail::shard_list_magic)) {
        static_cast<void>(data::detail::read_shard_list(with_right_list_hash(bytes), "shards.list"));
        return;
      }
      const MemoryFile file(with_right_index_hash(bytes));
      const auto data = data::read_packed(file.path());
      for (const auto& sample : data.samples)
        for (Index frame = 0; frame < static_cast<Index>(sample.frames.size()); ++frame)
          static_cast<void>(data::read_frame(sample, frame, {.max_pixels = 1 << 16}));
    },
    [] {
      const MemoryFolder folder;
      io::Image picture(4, 3, 3, 9);
      picture.at(1, 1)[2] = 200;
      const auto file = folder.write("a.png", io::encode_png(picture));
      data::FrameSequences samples{.class_names = {"joy", "fear"}};
      samples.samples = {{.name = "one", .label = 1, .subject = "s", .split = "train", .frames = {file, file}},
                         {.name = "two",
                          .label = data::no_label,
                          .frames = {file},
                          .votes = {0.25, 0.75},
                          .affect = data::Affect{0.5, -1}}};
      std::vector<std::string> out;
      for (const auto form : {data::PackedForm::as_they_are, data::PackedForm::pixels}) {
        data::write_packed(folder.path() / "packed", samples, {.form = form});
        out.push_back(io::read_text(folder.path() / "packed"));
      }
      out.push_back(text_of(data::detail::shard_list({{"shard-00001.pack", 300, 1}, {"shard-00002.pack", 200, 2}})));
      return out;
    },
    {"MIENPAK1", "MIENSET1", "shard-00001.pack", std::string(8, '\0'), std::string(8, '\xff'), "one/a.png", "joy",
     "fear"}};

}  // namespace mien::fuzzing
