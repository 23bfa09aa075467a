#pragma once

#include <mien/io/safetensors.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// Whatever a file of tensors offers, once.
inline void use(const io::StoredTensors& file) {
  for (const std::string& name : file.names()) {
    static_cast<void>(file.data(name));
    if (is_floating_point(file.type(name))) {
      static_cast<void>(file.tensor<float>(name));
    } else {
      static_cast<void>(file.tensor<double>(name));
    }
  }
}

inline const Target safetensors_target{
    [](Bytes bytes) { use(io::Safetensors::parse(copy_of(bytes))); },
    [] {
      io::SafetensorsWriter writer;
      writer.add("weight", Tensor<float>({2, 3}, 0.5F));
      writer.add("steps", Tensor<std::int64_t>({1}, 7));
      writer.add("none", Tensor<double>({0, 4}));
      writer.add("half", io::ElementType::bfloat16, {2}, std::vector<std::byte>(4));
      writer.set_metadata("format", "pt");
      return std::vector{text_of(writer.serialize()), text_of(io::SafetensorsWriter().serialize())};
    },
    {"\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"F32\"", "\"F64\"", "\"F16\"", "\"BF16\"",
     "\"I64\"", "\"U8\"", "\"BOOL\"", "[0,0]", "[18446744073709551615]", "{}"}};

}  // namespace mien::fuzzing
