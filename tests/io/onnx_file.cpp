#include <mien/io/onnx_file.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

using namespace mien;
using Message = io::detail::ProtobufMessage;

namespace {

std::string_view bytes_of(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

/// A TensorProto; `field` holds its numbers, 9 for raw_data and 4 for float_data.
Message tensor(const std::string& name, const std::vector<std::int64_t>& extents, const std::vector<float>& numbers,
               int field = 9) {
  Message out;
  for (const std::int64_t extent : extents) out.add_integer(1, extent);
  out.add_integer(2, 1);
  out.add_bytes(8, name);
  out.add_bytes(field, bytes_of(numbers));
  return out;
}

Message graph_of(const std::vector<Message>& initialisers) {
  Message graph;
  Message node;
  node.add_bytes(1, "x");
  node.add_bytes(1, "w");
  node.add_bytes(2, "y");
  node.add_bytes(3, "first");
  node.add_bytes(4, "Conv");
  graph.add_message(1, node);
  for (const Message& initialiser : initialisers) graph.add_message(5, initialiser);
  return graph;
}

io::OnnxFile parse(const std::string& bytes) {
  const auto* const first = reinterpret_cast<const std::byte*>(bytes.data());
  return io::OnnxFile::parse({first, first + bytes.size()}, "some.onnx");
}

std::string model_of(const Message& graph) {
  Message model;
  model.add_integer(1, 8);
  model.add_bytes(2, "somebody");
  model.add_message(7, graph);
  return model.bytes();
}

}  // namespace

TEST_CASE("initialisers and nodes of an ONNX file") {
  const std::vector<float> numbers{1, -2, 3.5F, 4, 5, 6};
  const auto file = parse(model_of(graph_of({tensor("w", {2, 3}, numbers), tensor("b", {2}, {7, 8}, 4),
                                             tensor("none", {0}, {}), tensor("scalar", {}, {9})})));
  CHECK(file.names() == std::vector<std::string>{"w", "b", "none", "scalar"});
  CHECK(file.metadata().at("producer") == "somebody");
  REQUIRE(file.shape("w") == Shape{2, 3});
  CHECK(file.tensor<float>("w")(1, 0) == 4);
  CHECK(file.tensor<double>("b")(1) == 8);
  CHECK(file.tensor<float>("none").empty());
  CHECK(file.tensor<float>("scalar").item() == 9);
  REQUIRE(file.nodes().size() == 1);
  CHECK(file.nodes()[0].operation == "Conv");
  CHECK(file.nodes()[0].inputs == std::vector<std::string>{"x", "w"});
  CHECK(file.nodes()[0].outputs == std::vector<std::string>{"y"});
}

TEST_CASE("packed extents, other types, and fields that nobody asks for") {
  Message packed;
  packed.add_bytes(1, std::string_view("\x02\x03", 2));
  packed.add_integer(2, 7);
  packed.add_bytes(8, "integers");
  packed.add_bytes(12, "what they are");
  const std::vector<std::int64_t> numbers{1, -1, 2, -2, 3, std::int64_t{1} << 40};
  packed.add_bytes(9, {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(std::int64_t)});
  packed.add_float(99, 1);
  const auto file = parse(model_of(graph_of({packed})));
  REQUIRE(file.shape("integers") == Shape{2, 3});
  CHECK(file.tensor<std::int64_t>("integers")(1, 2) == std::int64_t{1} << 40);
}

TEST_CASE("the network file of OpenCV's model zoo") {
  const auto file = io::read_onnx(MIEN_TEST_DATA_DIR "/face/face_detection_yunet_2023mar.onnx");
  CHECK(file.metadata().at("producer") == "pytorch");
  CHECK(file.shape("420") == Shape{16, 3, 3, 3});
  CHECK(file.shape("bbox_head.multi_level_kps.2.conv1.weight") == Shape{10, 64, 1, 1});
  Index convolutions = 0;
  for (const io::OnnxNode& node : file.nodes()) convolutions += node.operation == "Conv" ? 1 : 0;
  CHECK(convolutions == 53);
}

TEST_CASE("every cut and many changed bytes are errors of the library, or another file") {
  const std::string whole = model_of(graph_of({tensor("w", {2, 3}, {1, 2, 3, 4, 5, 6}), tensor("b", {2}, {7, 8}, 4)}));
  std::size_t refused = 0;
  const auto try_out = [&](const std::string& bytes) {
    try {
      for (const auto file = parse(bytes); const std::string& name : file.names()) static_cast<void>(file.data(name));
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t size = 0; size < whole.size(); ++size) try_out(whole.substr(0, size));
  CHECK(refused == whole.size());  // a file without its last byte has no whole graph
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {1, 2, 7, 0x40, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      try_out(changed);
    }
  CHECK(refused > 2 * whole.size());
}

TEST_CASE("what cannot be read is named") {
  const auto refused = [](const Message& initialiser, const char* words) {
    CHECK_THROWS_WITH_AS(parse(model_of(graph_of({initialiser}))), doctest::Contains(words), FileError);
  };
  refused(tensor("w", {2, 2}, {1, 2, 3}), "tensor `w`: found 12 bytes of data, expected 16");
  refused(tensor("", {1}, {1}), "no name");
  refused(tensor("w", {-1}, {}), "extent -1");
  refused(tensor("w", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}), "9 axes");
  refused(tensor("w", {std::int64_t{1} << 40, std::int64_t{1} << 40}, {1}), "tensor `w`");
  refused(tensor(std::string(1025, 'w'), {1}, {1}), "1025 bytes");
  Message elsewhere = tensor("w", {1}, {});
  elsewhere.add_integer(14, 1);
  refused(elsewhere, "another file");
  Message words = tensor("w", {1}, {});
  words.add_bytes(6, "text");
  refused(words, "field 6");
  Message twice = tensor("w", {1}, {1});
  twice.add_bytes(4, bytes_of({2}));
  refused(twice, "several parts");
  Message complex;
  complex.add_integer(2, 14);
  complex.add_bytes(8, "w");
  refused(complex, "data type 14");
  Message wrong_kind;
  wrong_kind.add_bytes(2, "float");
  refused(wrong_kind, "an integer there");
  CHECK_THROWS_WITH_AS(parse(model_of(graph_of({tensor("w", {1}, {1}), tensor("w", {1}, {1})}))),
                       doctest::Contains("second initialiser"), FileError);
  CHECK_THROWS_WITH_AS(parse(""), doctest::Contains("no graph"), FileError);
  CHECK_THROWS_WITH_AS(parse("not a model at all"), doctest::Contains("some.onnx"), FileError);
  CHECK_THROWS_AS(parse(std::string(64, '\xff')), FileError);
  Message two;
  two.add_message(7, graph_of({}));
  two.add_message(7, graph_of({}));
  CHECK_THROWS_WITH_AS(parse(two.bytes()), doctest::Contains("two graphs"), FileError);
}
