#pragma once

/// A graph in the terms of ONNX: nodes of the standard operators, version 17, and constants. Field numbers are those of
/// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/io/detail/protobuf.hpp"

namespace mien::io::detail {

/// An integer, a number, a word or several integers.
struct OnnxAttribute {
  enum class Kind { real = 1, integer = 2, word = 3, integers = 7 };  ///< numbered as in onnx.proto

  OnnxAttribute(std::int64_t value) : kind(Kind::integer), integers{value} {}
  OnnxAttribute(float value) : kind(Kind::real), real(value) {}
  OnnxAttribute(std::string value) : kind(Kind::word), word(std::move(value)) {}
  OnnxAttribute(std::vector<Index> values) : kind(Kind::integers), integers(std::move(values)) {}

  Kind kind;
  float real = 0;
  std::string word = {};
  std::vector<Index> integers = {};
};
using OnnxAttributes = std::vector<std::pair<std::string_view, OnnxAttribute>>;

class OnnxGraph {
 public:
  static constexpr int operators_version = 17;
  static constexpr int format_version = 8;

  /// Adds a node with one output, and names that.
  std::string add(std::string_view operation, const std::vector<std::string>& inputs,
                  const OnnxAttributes& attributes = {}) {
    return add(operation, inputs, attributes, 1).front();
  }

  std::vector<std::string> add(std::string_view operation, const std::vector<std::string>& inputs,
                               const OnnxAttributes& attributes, std::size_t output_count) {
    std::vector<std::string> outputs;
    for (std::size_t i = 0; i < output_count; ++i) outputs.push_back(fresh_name(std::string(operation)));
    add_node(operation, inputs, outputs, attributes);
    return outputs;
  }

  /// Adds a node that gives `value` a name of our choice.
  void add_named(const std::string& value, const std::string& name) { add_node("Identity", {value}, {name}, {}); }

  /// A constant. The name that is asked for gets a number if it is taken.
  std::string constant(const std::string& name, const std::vector<Index>& extents, std::span<const float> values) {
    return add_tensor(name, extents, 1, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  std::string constant(const std::string& name, const std::vector<Index>& extents, std::span<const Index> values) {
    return add_tensor(name, extents, 7, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Index)});
  }
  std::string number(float value) { return constant("number", {}, std::span<const float>(&value, 1)); }
  /// A list of integers; the same ones are one constant.
  std::string integers(const std::vector<Index>& values) {
    auto& name = lists_[values];
    if (name.empty()) name = constant("integers", {static_cast<Index>(values.size())}, std::span<const Index>(values));
    return name;
  }

  /// An extent of -1 is free, and called `free_extent`.
  void add_input(const std::string& name, const std::vector<Index>& extents, std::string_view free_extent) {
    inputs_.add_message(11, value(name, extents, free_extent));
  }
  void add_output(const std::string& name, const std::vector<Index>& extents, std::string_view free_extent) {
    inputs_.add_message(12, value(name, extents, free_extent));
  }

  /// Keeps a name from being given to something else. Throws ValueError if it was already, or if it is empty: that
  /// stands for what is left out.
  void reserve(const std::string& name) {
    if (name.empty()) throw ValueError("io::save_onnx: inputs and outputs need names");
    if (!names_.insert(name).second) throw ValueError(mien::detail::text("io::save_onnx: two are named `", name, "`"));
  }

  /// The bytes of the whole file.
  std::string serialize(std::string_view graph_name, std::string_view words, std::string_view producer_version,
                        const std::map<std::string, std::string>& metadata) const {
    ProtobufMessage graph;
    std::string content = nodes_.bytes();
    ProtobufMessage facts;
    facts.add_bytes(2, graph_name);
    facts.add_bytes(10, words);
    content += facts.bytes() + constants_.bytes() + inputs_.bytes();

    ProtobufMessage operators;
    operators.add_bytes(1, "");
    operators.add_integer(2, operators_version);
    ProtobufMessage model;
    model.add_integer(1, format_version);
    model.add_bytes(2, "mien");
    model.add_bytes(3, producer_version);
    model.add_bytes(7, content);
    model.add_message(8, operators);
    for (const auto& [key, text] : metadata) {
      ProtobufMessage entry;
      entry.add_bytes(1, key);
      entry.add_bytes(2, text);
      model.add_message(14, entry);
    }
    return model.bytes();
  }

 private:
  static constexpr int float_type = 1;

  std::string fresh_name(const std::string& wanted) {
    std::string name = wanted;
    for (std::size_t& next = next_[wanted]; !names_.insert(name).second; ++next)
      name = wanted + "_" + std::to_string(next);
    return name;
  }

  void add_node(std::string_view operation, const std::vector<std::string>& inputs,
                const std::vector<std::string>& outputs, const OnnxAttributes& attributes) {
    ProtobufMessage node;
    for (const auto& name : inputs) node.add_bytes(1, name);
    for (const auto& name : outputs) node.add_bytes(2, name);
    node.add_bytes(3, "node_" + outputs.front());
    node.add_bytes(4, operation);
    for (const auto& [name, value] : attributes) node.add_message(5, attribute(name, value));
    nodes_.add_message(1, node);
  }

  static ProtobufMessage attribute(std::string_view name, const OnnxAttribute& value) {
    ProtobufMessage out;
    out.add_bytes(1, name);
    switch (value.kind) {
      case OnnxAttribute::Kind::real:
        out.add_float(2, value.real);
        break;
      case OnnxAttribute::Kind::integer:
        out.add_integer(3, value.integers[0]);
        break;
      case OnnxAttribute::Kind::word:
        out.add_bytes(4, value.word);
        break;
      case OnnxAttribute::Kind::integers:
        for (const Index one : value.integers) out.add_integer(8, one);
        break;
    }
    out.add_integer(20, static_cast<int>(value.kind));
    return out;
  }

  std::string add_tensor(const std::string& wanted, const std::vector<Index>& extents, int type,
                         std::string_view bytes) {
    std::string name = fresh_name(wanted);
    ProtobufMessage tensor;
    for (const Index extent : extents) tensor.add_integer(1, extent);
    tensor.add_integer(2, type);
    tensor.add_bytes(8, name);
    tensor.add_bytes(9, bytes);
    constants_.add_message(5, tensor);
    return name;
  }

  static ProtobufMessage value(const std::string& name, const std::vector<Index>& extents,
                               std::string_view free_extent) {
    ProtobufMessage shape;
    for (const Index extent : extents) {
      ProtobufMessage axis;
      if (extent < 0) {
        axis.add_bytes(2, free_extent);
      } else {
        axis.add_integer(1, extent);
      }
      shape.add_message(1, axis);
    }
    ProtobufMessage tensor;
    tensor.add_integer(1, float_type);
    tensor.add_message(2, shape);
    ProtobufMessage type;
    type.add_message(1, tensor);
    ProtobufMessage out;
    out.add_bytes(1, name);
    out.add_message(2, type);
    return out;
  }

  ProtobufMessage nodes_;
  ProtobufMessage constants_;
  ProtobufMessage inputs_;  ///< and outputs
  std::set<std::string> names_;
  std::map<std::string, std::size_t> next_;
  std::map<std::vector<Index>, std::string> lists_;
};

}  // namespace mien::io::detail
