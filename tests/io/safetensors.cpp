#include <mien/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using io::Safetensors;
using io::SafetensorsWriter;

namespace {

std::vector<std::byte> as_file(std::string_view header, std::string_view data) {
  std::string out(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  out.append(header).append(data);
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

std::string refusal(std::string_view header, std::string_view data = "") {
  return message_of<FileError>([&] { Safetensors::parse(as_file(header, data), "w.safetensors"); });
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), values.begin(), out.size());
  return out;
}

std::string one(std::string_view dtype, std::string_view shape, std::size_t bytes) {
  return mien::detail::text("{\"a\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":[0,", bytes,
                            "]}}");
}

template <class T>
Tensor<T> counting(const Shape& shape, T step) {
  Tensor<T> out(shape);
  for (Index i = 0; i < out.elements(); ++i) out.data()[i] = static_cast<T>(i) * step;
  return out;
}

template <class T>
bool same(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.elements()) * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("tensors, names and metadata come back as they were") {
  const TemporaryFolder folder;
  const auto weight = counting<float>({3, 1, 7}, 0.37f);
  const auto precise = counting<double>({65}, 0.1);
  const auto count = counting<std::int64_t>({2, 2}, -5);
  const auto picture = counting<std::uint8_t>({5, 31}, 1);
  const auto scalar = Tensor<float>({}, 2.5f);
  const Tensor<float> empty({0, 4});
  auto special = Tensor<float>::from(
      {3}, {std::numeric_limits<float>::infinity(), -0.0f, std::numeric_limits<float>::quiet_NaN()});
  SafetensorsWriter writer;
  writer.set_metadata({{"epoch", "3"}, {"note \"q\" é", "line\nline"}});
  writer.add("weight", weight);
  writer.add("précis \"x\"", precise);
  writer.add("count", count);
  writer.add("picture", picture);
  writer.add("scalar", scalar);
  writer.add("empty", empty);
  writer.add("special", special);
  writer.add("view", weight.permute({2, 0, 1}));
  writer.write(folder / "a.safetensors");

  const auto file = io::read_safetensors(folder / "a.safetensors");
  CHECK(file.metadata() == io::Metadata{{"epoch", "3"}, {"note \"q\" é", "line\nline"}});
  CHECK(file.names().size() == 8);
  CHECK(file.contains("weight"));
  CHECK_FALSE(file.contains("weigh"));
  CHECK(file.shape("weight") == Shape{3, 1, 7});
  CHECK(file.type("précis \"x\"") == io::ElementType::float64);
  CHECK(same(file.tensor<float>("weight"), weight));
  CHECK(same(file.tensor<double>("précis \"x\""), precise));
  CHECK(same(file.tensor<std::int64_t>("count"), count));
  CHECK(same(file.tensor<std::uint8_t>("picture"), picture));
  CHECK(file.tensor<float>("scalar").item() == 2.5f);
  CHECK(file.tensor<float>("scalar").rank() == 0);
  CHECK(file.tensor<float>("empty").shape() == Shape{0, 4});
  CHECK(same(file.tensor<float>("special"), special));
  CHECK(same(file.tensor<float>("view"), weight.permute({2, 0, 1}).contiguous()));
}

TEST_CASE("the header is padded to 8 bytes, wide types come first, the same input gives the same bytes") {
  SafetensorsWriter writer;
  for (const auto* name : {"b", "a"}) writer.add(name, counting<std::uint8_t>({3}, 1));
  for (const auto* name : {"z", "y"}) writer.add(name, counting<float>({1}, 1));
  writer.add("d", counting<double>({1}, 1));
  const auto bytes = writer.serialize();
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(Safetensors::parse(bytes).names() == std::vector<std::string>{"d", "z", "y", "b", "a"});
  CHECK(writer.serialize() == bytes);
}

TEST_CASE("a file without tensors is a file") {
  const auto file = Safetensors::parse(SafetensorsWriter().serialize());
  CHECK(file.names().empty());
  CHECK_THROWS_AS(file.tensor<float>("a"), FileError);
}

TEST_CASE("all stored types convert to what can hold them") {
  const auto read = [](std::string_view dtype, const std::string& data, std::size_t count) {
    return Safetensors::parse(as_file(one(dtype, "[" + std::to_string(count) + "]", data.size()), data));
  };
  CHECK(read("F16", bytes_of<std::uint16_t>({0x3c00, 0xc000}), 2).tensor<double>("a")(1) == -2.0);
  CHECK(read("BF16", bytes_of<std::uint16_t>({0x3f80, 0x4000}), 2).tensor<float>("a")(1) == 2.0f);
  CHECK(read("F64", bytes_of<double>({0.1}), 1).tensor<float>("a")(0) == 0.1f);
  CHECK(read("F32", bytes_of<float>({0.1f}), 1).tensor<double>("a")(0) == static_cast<double>(0.1f));
  CHECK(read("I8", bytes_of<std::int8_t>({-1, 5}), 2).tensor<std::int64_t>("a")(0) == -1);
  CHECK(read("U8", bytes_of<std::uint8_t>({255}), 1).tensor<std::int64_t>("a")(0) == 255);
  CHECK(read("I16", bytes_of<std::int16_t>({-300}), 1).tensor<float>("a")(0) == -300.0f);
  CHECK(read("U16", bytes_of<std::uint16_t>({65535}), 1).tensor<double>("a")(0) == 65535.0);
  CHECK(read("I32", bytes_of<std::int32_t>({-70000}), 1).tensor<std::int64_t>("a")(0) == -70000);
  CHECK(read("U32", bytes_of<std::uint32_t>({4'000'000'000u}), 1).tensor<std::int64_t>("a")(0) == 4'000'000'000);
  CHECK(read("I64", bytes_of<std::int64_t>({-9}), 1).tensor<double>("a")(0) == -9.0);
  CHECK(read("U64", bytes_of<std::uint64_t>({9}), 1).tensor<std::int64_t>("a")(0) == 9);
  const auto flags = read("BOOL", std::string("\0\1", 2), 2).tensor<std::uint8_t>("a");
  CHECK(flags(0) == 0);
  CHECK(flags(1) == 1);
}

TEST_CASE("conversions that would change a number are refused by name and element") {
  const auto fractions = Safetensors::parse(as_file(one("F32", "[1]", 4), bytes_of<float>({1})), "w.safetensors");
  const std::string said = message_of<FileError>([&] { fractions.tensor<std::int64_t>("a"); });
  CHECK(contains(said, "w.safetensors"));
  CHECK(contains(said, "`a`"));
  CHECK(contains(said, "F32"));
  CHECK_THROWS_AS(fractions.tensor<std::uint8_t>("a"), FileError);

  const auto large = Safetensors::parse(as_file(one("I64", "[2]", 16), bytes_of<std::int64_t>({1, 16'777'217})));
  CHECK(large.tensor<double>("a")(1) == 16'777'217.0);
  CHECK(contains(message_of<FileError>([&] { large.tensor<float>("a"); }), "element 1"));
  const auto huge = Safetensors::parse(as_file(one("F64", "[1]", 8), bytes_of<double>({1e300})));
  CHECK_THROWS_AS(huge.tensor<float>("a"), FileError);
}

TEST_CASE("a tensor that is not there is answered with those that are") {
  SafetensorsWriter writer;
  writer.add("layer.weight", counting<float>({2}, 1));
  const auto file = Safetensors::parse(writer.serialize());
  const std::string said = message_of<FileError>([&] { file.shape("layer.weigth"); });
  CHECK(contains(said, "layer.weigth"));
  CHECK(contains(said, "layer.weight"));
}

TEST_CASE("headers that are cut, too long or no JSON are refused") {
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 7, 8, 9})
    CHECK_THROWS_AS(Safetensors::parse(std::vector<std::byte>(size)), FileError);
  auto bytes = as_file("{}", "");
  CHECK_NOTHROW(Safetensors::parse(bytes));
  for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::memcpy(bytes.data(), &length, 8);
    CHECK_THROWS_AS(Safetensors::parse(bytes), FileError);
  }
  CHECK(refusal("{}      ") == "nothing thrown");
  for (const auto* header : {" {}", "[]", "{}x", "{\"a\":1}", "{\"a\":}", "\xef\xbb\xbf{}", "{\"\xff\":{}}", "{]"})
    CHECK(refusal(header) != "nothing thrown");
}

TEST_CASE("every field of a tensor's description is checked") {
  CHECK(refusal(one("F32", "[1]", 4), "abcd") == "nothing thrown");
  CHECK(contains(refusal(one("F31", "[1]", 4), "abcd"), "F31"));
  CHECK(contains(refusal(one("F32", "[2]", 4), "abcd"), "[2]"));
  for (const auto* shape : {"[-1]", "[1.0]", "[\"1\"]", "1", "{}", "[1,1,1,1,1,1,1,1,1]", "[9223372036854775807,3]",
                            "[4294967296,4294967296]", "[18446744073709551615]", "[null]"})
    CHECK(contains(refusal(one("F32", shape, 4), "abcd"), "`a`"));
  const auto with = [](std::string_view fields) { return refusal("{\"a\":{" + std::string(fields) + "}}", "abcd"); };
  CHECK(with(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])") == "nothing thrown");
  CHECK(with(R"("dtype":"F32","shape":[1])") != "nothing thrown");
  CHECK(with(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1)") != "nothing thrown");
  CHECK(with(R"("dtype":7,"shape":[1],"data_offsets":[0,4])") != "nothing thrown");
  for (const auto* offsets :
       {"[0]", "[0,4,4]", "[4,0]", "[0,5]", "[-4,0]", "[0,4.0]", "4", "[1,5]", "[18446744073709551612,0]"})
    CHECK(with(R"("dtype":"F32","shape":[1],"data_offsets":)" + std::string(offsets)) != "nothing thrown");
  CHECK(refusal("{\"" + std::string(1025, 'n') + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                "abcd") != "nothing thrown");
}

TEST_CASE("data with overlaps, holes or a rest is refused") {
  const auto two = [](std::string_view first, std::string_view second, std::string_view data) {
    return refusal(mien::detail::text(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", first,
                                      R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", second, "}}"),
                   data);
  };
  CHECK(two("[0,2]", "[2,4]", "abcd") == "nothing thrown");
  CHECK(two("[2,4]", "[0,2]", "abcd") == "nothing thrown");
  CHECK(contains(two("[0,2]", "[1,3]", "abc"), "overlap"));
  CHECK(contains(two("[0,2]", "[0,2]", "ab"), "overlap"));
  CHECK(contains(two("[0,2]", "[3,5]", "abcde"), "hole"));
  CHECK(contains(two("[1,3]", "[3,5]", "abcde"), "hole"));
  CHECK(contains(two("[0,2]", "[2,4]", "abcde"), "no tensor"));
  CHECK(two("[0,2]", "[2,4]", "abc") != "nothing thrown");
  CHECK(contains(refusal("{}", "x"), "no tensor"));
}

TEST_CASE("duplicate names and metadata that is no text are refused") {
  CHECK(contains(refusal(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                         R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
                 "twice"));
  CHECK(refusal(R"({"__metadata__":{"a":"b"}})") == "nothing thrown");
  CHECK(refusal(R"({"__metadata__":{"a":1}})") != "nothing thrown");
  CHECK(refusal(R"({"__metadata__":[]})") != "nothing thrown");
}

TEST_CASE("a file cut anywhere, or with any byte of its header changed, never does more than throw") {
  SafetensorsWriter writer;
  writer.set_metadata("k", "v");
  writer.add("a", counting<float>({3}, 1));
  writer.add("b", counting<std::uint8_t>({2, 2}, 1));
  const auto whole = writer.serialize();
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(Safetensors::parse({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), FileError);
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {0x01, 0x02, 0x20, 0x80}) {
      auto damaged = whole;
      damaged[i] ^= static_cast<std::byte>(flip);
      try {
        const auto file = Safetensors::parse(damaged);
        for (const auto& name : file.names()) file.tensor<double>(name);
      } catch (const FileError&) {
      }
    }
}

TEST_CASE("names that could not be read again are not written") {
  SafetensorsWriter writer;
  const auto tensor = counting<float>({1}, 1);
  writer.add("a", tensor);
  CHECK_THROWS_AS(writer.add("a", tensor), ValueError);
  CHECK_THROWS_AS(writer.add("__metadata__", tensor), ValueError);
  CHECK_THROWS_AS(writer.add("\xff", tensor), ValueError);
  CHECK_THROWS_AS(writer.add(std::string(1025, 'n'), tensor), ValueError);
  CHECK_THROWS_AS(writer.set_metadata("k", "\xff"), ValueError);
  CHECK(Safetensors::parse(writer.serialize()).names().size() == 1);
}
