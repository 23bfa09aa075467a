#pragma once

/// ONNX files as other programs wrote them: their weights, and which operation takes which of them. Nothing is computed
/// here; io/onnx.hpp writes such files.
///
///     const io::OnnxFile file = io::read_onnx("network.onnx");
///     for (const io::OnnxNode& node : file.nodes())
///       if (node.operation == "Conv") use(file.tensor<float>(node.inputs[1]));

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/io/detail/protobuf.hpp"
#include "mien/io/file.hpp"
#include "mien/io/stored_tensors.hpp"

namespace mien::io {

/// An operation of the graph and the values that it reads and makes. An input may be an initialiser, what another node
/// makes, or, where it is optional, nothing.
struct OnnxNode {
  std::string operation;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

/// A checked ONNX file in memory. Its initialisers are the tensors, under their own names, in the file's order; the
/// producer's name and version are metadata. Refused are files without a graph, initialisers without a name or of one
/// that is taken, those that lie in another file, those of strings and of complex numbers, and numbers other than
/// floats that are not stored as plain bytes. Limits: a million tensors and a million nodes, names of 1024 bytes,
/// rank 8.
class OnnxFile : public StoredTensors {
 public:
  static constexpr std::size_t max_entries = 1'000'000;
  static constexpr std::size_t max_name_bytes = 1024;

  /// Takes the bytes of a whole file. `file` is only named in errors. Throws FileError.
  static OnnxFile parse(std::vector<std::byte> bytes, std::string file = "ONNX file in memory") {
    return OnnxFile(std::move(bytes), std::move(file));
  }

  /// In the order of computation.
  const std::vector<OnnxNode>& nodes() const { return nodes_; }

 private:
  /// Numbers of the fields in onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
  struct Field {
    static constexpr int model_producer_name = 2;
    static constexpr int model_producer_version = 3;
    static constexpr int model_graph = 7;
    static constexpr int graph_node = 1;
    static constexpr int graph_initializer = 5;
    static constexpr int node_input = 1;
    static constexpr int node_output = 2;
    static constexpr int node_op_type = 4;
    static constexpr int tensor_dims = 1;
    static constexpr int tensor_data_type = 2;
    static constexpr int tensor_segment = 3;
    static constexpr int tensor_float_data = 4;
    static constexpr int tensor_string_data = 6;
    static constexpr int tensor_name = 8;
    static constexpr int tensor_raw_data = 9;
    static constexpr int tensor_external_data = 13;
    static constexpr int tensor_data_location = 14;
  };

  OnnxFile(std::vector<std::byte> bytes, std::string file)
      : StoredTensors(std::move(file)), bytes_(std::make_shared<const std::vector<std::byte>>(std::move(bytes))) {
    const std::string_view content(reinterpret_cast<const char*>(bytes_->data()), bytes_->size());
    std::optional<std::string_view> graph;
    for (detail::ProtobufReader fields(content, file_, "model"); fields.next();) {
      if (fields.field() == Field::model_producer_name) metadata_["producer"] = fields.bytes();
      if (fields.field() == Field::model_producer_version) metadata_["producer_version"] = fields.bytes();
      if (fields.field() != Field::model_graph) continue;
      if (graph) throw FileError(file_, "model", "two graphs", "one");
      graph = fields.bytes();
    }
    if (!graph) throw FileError(file_, "model", "no graph", "an ONNX file");
    for (detail::ProtobufReader fields(*graph, file_, "graph"); fields.next();) {
      if (fields.field() == Field::graph_node) read_node(fields.bytes());
      if (fields.field() == Field::graph_initializer) read_initialiser(fields.bytes());
    }
  }

  void read_node(std::string_view message) {
    if (nodes_.size() == max_entries)
      throw FileError(file_, "graph", "more nodes", mien::detail::text("at most ", max_entries));
    const std::string where = mien::detail::text("node ", nodes_.size());
    OnnxNode node;
    for (detail::ProtobufReader fields(message, file_, where); fields.next();) {
      if (fields.field() == Field::node_input) node.inputs.push_back(checked_name(fields.bytes(), where));
      if (fields.field() == Field::node_output) node.outputs.push_back(checked_name(fields.bytes(), where));
      if (fields.field() == Field::node_op_type) node.operation = checked_name(fields.bytes(), where);
    }
    nodes_.push_back(std::move(node));
  }

  void read_initialiser(std::string_view message) {
    if (names_.size() == max_entries)
      throw FileError(file_, "graph", "more initialisers", mien::detail::text("at most ", max_entries));
    const std::string where = mien::detail::text("initialiser ", names_.size());
    std::string name;
    std::vector<std::int64_t> extents;
    std::int64_t type = 0;
    std::string_view data;
    for (detail::ProtobufReader fields(message, file_, where); fields.next();) {
      switch (fields.field()) {
        case Field::tensor_dims:
          fields.append_integers_to(extents);
          break;
        case Field::tensor_data_type:
          type = fields.integer();
          break;
        case Field::tensor_name:
          name = checked_name(fields.bytes(), where);
          break;
        case Field::tensor_float_data:
        case Field::tensor_raw_data:
          if (!data.empty()) throw FileError(file_, where, "its numbers in several parts", "in one");
          data = fields.bytes();
          break;
        case Field::tensor_data_location:
          if (fields.integer() != 0) throw FileError(file_, where, "data in another file", "data in this one");
          break;
        default:
          refuse_other_data(fields.field(), where);
      }
    }
    add_initialiser(where, std::move(name), element_type(type, where), extents, data);
  }

  /// Fields of numbers in other forms, or in parts; documentation and the like is passed over.
  void refuse_other_data(int field, const std::string& where) const {
    constexpr int last_of_numbers = 11;
    const bool numbers = field > Field::tensor_float_data && field <= last_of_numbers && field != Field::tensor_name &&
                         field != Field::tensor_raw_data;
    if (numbers || field == Field::tensor_segment || field == Field::tensor_external_data)
      throw FileError(file_, where, mien::detail::text("field ", field, " of TensorProto"),
                      "numbers as plain bytes (raw_data) or floats (float_data)");
  }

  void add_initialiser(const std::string& where, std::string name, ElementType type,
                       const std::vector<std::int64_t>& extents, std::string_view data) {
    if (name.empty()) throw FileError(file_, where, "no name", "one");
    Entry entry{type, shape_of(extents, name), {}};
    if (data.size() != entry.bytes())
      throw FileError(
          file_, place(name), mien::detail::text(data.size(), " bytes of data"),
          mien::detail::text(entry.bytes(), " for shape ", entry.shape, " of ", element_name(type), " numbers"));
    entry.data = {bytes_, reinterpret_cast<const std::byte*>(data.data())};
    if (!entries_.emplace(name, std::move(entry)).second)
      throw FileError(file_, place(name), "a second initialiser of this name", "names that differ");
    names_.push_back(std::move(name));
  }

  Shape shape_of(const std::vector<std::int64_t>& extents, const std::string& name) const {
    if (extents.size() > static_cast<std::size_t>(Shape::max_rank))
      throw FileError(file_, place(name), mien::detail::text(extents.size(), " axes"),
                      mien::detail::text("at most ", Shape::max_rank));
    Shape shape;
    for (const std::int64_t extent : extents) {
      if (extent < 0) throw FileError(file_, place(name), mien::detail::text("extent ", extent), "0 or more");
      try {
        shape.append(extent);
      } catch (const ShapeError& error) {
        throw FileError(file_, place(name), error.what(), "a shape that fits in memory");
      }
    }
    return shape;
  }

  ElementType element_type(std::int64_t number, const std::string& where) const {
    using enum ElementType;
    /// By TensorProto.DataType.
    static constexpr std::array<std::pair<std::int64_t, ElementType>, 13> types{{{1, float32},
                                                                                 {2, uint8},
                                                                                 {3, int8},
                                                                                 {4, uint16},
                                                                                 {5, int16},
                                                                                 {6, int32},
                                                                                 {7, int64},
                                                                                 {9, boolean},
                                                                                 {10, float16},
                                                                                 {11, float64},
                                                                                 {12, uint32},
                                                                                 {13, uint64},
                                                                                 {16, bfloat16}}};
    for (const auto& [known, type] : types)
      if (known == number) return type;
    throw FileError(file_, where, mien::detail::text("data type ", number), "a type of real numbers");
  }

  std::string checked_name(std::string_view name, const std::string& where) const {
    if (name.size() > max_name_bytes)
      throw FileError(file_, where, mien::detail::text("a name of ", name.size(), " bytes"),
                      mien::detail::text("at most ", max_name_bytes));
    return std::string(name);
  }

  std::shared_ptr<const std::vector<std::byte>> bytes_;
  std::vector<OnnxNode> nodes_;
};

/// Reads a whole ONNX file. Throws FileError.
inline OnnxFile read_onnx(const std::filesystem::path& path, std::uint64_t max_bytes = default_max_file_bytes) {
  return OnnxFile::parse(read_file(path, max_bytes), path.string());
}

}  // namespace mien::io
