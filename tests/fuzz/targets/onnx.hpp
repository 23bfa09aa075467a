#pragma once

#include <mien/io/onnx_file.hpp>

#include "fuzz/targets/safetensors.hpp"

namespace mien::fuzzing {

inline const Target onnx_target{[](Bytes bytes) {
                                  const auto file = io::OnnxFile::parse(copy_of(bytes));
                                  static_cast<void>(file.nodes().size());
                                  use(file);
                                },
                                [] {
                                  using Message = io::detail::ProtobufMessage;
                                  const auto initialiser = [](const std::string& name, int field) {
                                    Message out;
                                    out.add_integer(1, 1);
                                    out.add_integer(1, 2);
                                    out.add_integer(2, 1);
                                    out.add_bytes(8, name);
                                    out.add_bytes(field, "\1\2\3\4\5\6\7\x8");
                                    return out;
                                  };
                                  Message node;
                                  for (const int field : {1, 1, 2, 4}) node.add_bytes(field, field == 4 ? "Conv" : "x");
                                  Message graph;
                                  graph.add_message(1, node);
                                  graph.add_message(5, initialiser("w", 9));
                                  graph.add_message(5, initialiser("b", 4));
                                  Message model;
                                  model.add_integer(1, 8);
                                  model.add_bytes(2, "somebody");
                                  model.add_message(7, graph);
                                  return std::vector{model.bytes()};
                                },
                                {"\x0a", "\x12", "\x22", "\x2a", "\x3a", "\x42", "\x4a", "Conv"}};

}  // namespace mien::fuzzing
