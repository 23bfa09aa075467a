#pragma once

#include <mien/io/joint_table.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// An array of joints and the list of its recordings: the list up to the first zero byte, the array behind it.
inline const Target joint_recordings_target{
    [](Bytes bytes) {
      const auto zero = std::find(bytes.begin(), bytes.end(), std::byte{0});
      const auto list = bytes.first(static_cast<std::size_t>(zero - bytes.begin()));
      const MemoryFile list_file(list);
      const MemoryFile array_file(bytes.subspan(std::min(list.size() + 1, bytes.size())));
      for (const io::ThirdNumber third : {io::ThirdNumber::confidence, io::ThirdNumber::depth})
        static_cast<void>(io::read_joint_recordings(
            array_file.path(), list_file.path(),
            {.third = third, .layout = gesture::JointLayout::other, .max_bytes = std::uint64_t{16} << 20}));
    },
    [] {
      const std::string list = "start,length,label,subject\n0,2,joy,a\n2,1,fear,b\n";
      return std::vector{list + '\0' + text_of(io::serialize_npy(Tensor<float>({3, 2, 3}, 1.0F))),
                         list + '\0' + text_of(io::serialize_npy(Tensor<float>({3, 2, 3}, -1.0F)))};
    },
    {"start", "length", "label", "subject", "split", "'descr': '<f4'", "'shape': (3, 2, 3)", "9223372036854775807"}};

}  // namespace mien::fuzzing
