#include <mien/io/npy.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;

namespace {

std::vector<std::byte> npy(std::string_view header, std::string_view data, int version = 1) {
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  const std::uint64_t length = header.size();
  out.append(reinterpret_cast<const char*>(&length), version == 1 ? 2 : 4);
  out.append(header).append(data);
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

std::string header(std::string_view descr, std::string_view shape, std::string_view fortran = "False") {
  return mien::detail::text("{'descr': '", descr, "', 'fortran_order': ", fortran, ", 'shape': ", shape, ", }   \n");
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), values.begin(), out.size());
  return out;
}

std::vector<std::byte> gzip(std::span<const std::byte> data) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::vector<std::byte> out(::deflateBound(&stream, static_cast<uLong>(data.size())));
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("arrays of every type are read") {
  const auto read = [](std::string_view descr, const std::string& data) {
    return io::parse_npy<double>(npy(header(descr, "(2,)"), data));
  };
  CHECK(read("<f4", bytes_of<float>({0.5f, -2}))(1) == -2);
  CHECK(read("<f8", bytes_of<double>({0.1, -2}))(0) == 0.1);
  CHECK(read("<f2", bytes_of<std::uint16_t>({0x3c00, 0xc000}))(1) == -2);
  CHECK(read("|i1", bytes_of<std::int8_t>({-1, 2}))(0) == -1);
  CHECK(read("|u1", bytes_of<std::uint8_t>({255, 2}))(0) == 255);
  CHECK(read("<i2", bytes_of<std::int16_t>({-300, 2}))(0) == -300);
  CHECK(read("<u2", bytes_of<std::uint16_t>({65535, 2}))(0) == 65535);
  CHECK(read("<i4", bytes_of<std::int32_t>({-70000, 2}))(0) == -70000);
  CHECK(read("<u4", bytes_of<std::uint32_t>({4'000'000'000u, 2}))(0) == 4e9);
  CHECK(read("<i8", bytes_of<std::int64_t>({-5, 2}))(0) == -5);
  CHECK(read("|b1", std::string("\1\0", 2))(0) == 1);
  CHECK(io::parse_npy<std::int64_t>(npy(header("<i2", "(2,)"), bytes_of<std::int16_t>({-300, 2})))(0) == -300);
}

TEST_CASE("shapes, orders and versions are read") {
  const auto data = bytes_of<std::int16_t>({0, 1, 2, 3, 4, 5});
  for (const int version : {1, 2, 3}) {
    const auto c = io::parse_npy<float>(npy(header("<i2", "(2, 3)"), data, version));
    CHECK(c.shape() == Shape{2, 3});
    CHECK(c(1, 0) == 3);
  }
  const auto f = io::parse_npy<float>(npy(header("<i2", "(2, 3)", "True"), data));
  CHECK(f.shape() == Shape{2, 3});
  CHECK(f(1, 0) == 1);
  CHECK(f(0, 2) == 4);
  CHECK(io::parse_npy<float>(npy(header("<i2", "()"), bytes_of<std::int16_t>({9}))).item() == 9);
  CHECK(io::parse_npy<float>(npy(header("<i2", "(0, 3)"), "")).shape() == Shape{0, 3});
  CHECK(io::parse_npy<float>(npy(header("<i2", "(0, 3)", "True"), "")).shape() == Shape{0, 3});
  CHECK(io::parse_npy<float>(npy("{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<i2\"}", data))(1, 2) == 5);
}

TEST_CASE("what is written is read again") {
  const TemporaryFolder folder;
  Tensor<double> tensor({7, 1, 31});
  for (Index i = 0; i < tensor.elements(); ++i) tensor.data()[i] = 0.1 * static_cast<double>(i);
  io::write_npy(folder / "a.npy", tensor.permute({2, 0, 1}));
  const auto read = io::read_npy<double>(folder / "a.npy");
  CHECK(read.shape() == Shape{31, 7, 1});
  CHECK(read(30, 6, 0) == tensor(6, 0, 30));
  CHECK(io::serialize_npy(tensor).size() % 64 == tensor.elements() * 8 % 64);
  CHECK(io::parse_npy<float>(io::serialize_npy(Tensor<float>({}, 3.0f))).item() == 3);
  CHECK(io::parse_npy<std::int64_t>(io::serialize_npy(Tensor<std::int64_t>({5}, -1)))(4) == -1);
  CHECK(io::parse_npy<std::uint8_t>(io::serialize_npy(Tensor<std::uint8_t>({0, 2}))).shape() == Shape{0, 2});
}

TEST_CASE("packed arrays are read, in one member or several") {
  const TemporaryFolder folder;
  const auto tensor = Tensor<float>({65, 31}, 1.5f);
  const auto plain = io::serialize_npy(tensor);
  io::write_file(folder / "a.npy.gz", gzip(plain));
  CHECK(io::read_npy<float>(folder / "a.npy.gz")(64, 30) == 1.5f);

  auto members = gzip(std::span(plain).first(100));
  const auto second = gzip(std::span(plain).subspan(100));
  members.insert(members.end(), second.begin(), second.end());
  CHECK(io::gunzip(members, plain.size()) == plain);
}

TEST_CASE("packed data that is cut, damaged, followed by something or too large is refused") {
  std::vector<std::byte> plain(5'000'000, std::byte{7});
  for (std::size_t i = 0; i < plain.size(); i += 1 + i % 101) plain[i] = static_cast<std::byte>(i * i % 251);
  auto packed = gzip(plain);
  CHECK(io::gunzip(packed, plain.size()) == plain);
  CHECK(contains(message_of<FileError>([&] { io::gunzip(packed, plain.size() - 1, "a.gz"); }), "at most 4999999"));
  for (std::size_t size = 0; size < packed.size(); size += 1 + packed.size() / 17)
    CHECK_THROWS_AS(io::gunzip(std::span(packed).first(size), plain.size()), FileError);
  auto damaged = packed;
  damaged[damaged.size() / 2] ^= std::byte{0x10};
  CHECK_THROWS_AS(io::gunzip(damaged, plain.size()), FileError);
  packed.push_back(std::byte{0});
  CHECK_THROWS_AS(io::gunzip(packed, plain.size()), FileError);
}

TEST_CASE("headers that say something else are refused") {
  const auto data = bytes_of<std::int16_t>({0, 1, 2, 3, 4, 5});
  const auto refusal = [&](const std::string& text) {
    return message_of<FileError>([&] { io::parse_npy<double>(npy(text, data), "a.npy"); });
  };
  CHECK(refusal(header("<i2", "(2, 3)")) == "nothing thrown");
  CHECK(contains(refusal(header("<i2", "(2, 4)")), "12 bytes"));
  CHECK(contains(refusal(header(">i2", "(2, 3)")), ">i2"));
  for (const auto* descr : {"i2", "|i2", "<i3", "<U3", "|O", "<c8", "", "<f16"})
    CHECK(refusal(header(descr, "(2, 3)")) != "nothing thrown");
  for (const auto* shape : {"(2, 3", "2, 3", "(-2, -3)", "(2.0, 3)", "(2 3)", "(1,1,1,1,1,1,1,2,3)", "(,)",
                            "(4611686018427387904, 4)", "(99999999999999999999,)", "[2, 3]"})
    CHECK(refusal(header("<i2", shape)) != "nothing thrown");
  CHECK(refusal(header("<i2", "(2, 3)", "false")) != "nothing thrown");
  CHECK(refusal("{'descr': '<i2', 'shape': (2, 3)}") != "nothing thrown");
  CHECK(refusal("{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (2, 3)}") != "nothing thrown");
  CHECK(refusal("{'descr': '<i2', 'x': 1, 'fortran_order': False, 'shape': (2, 3)}") != "nothing thrown");
  CHECK(refusal(header("<i2", "(2, 3)") + "x") != "nothing thrown");
  CHECK(refusal("") != "nothing thrown");
  CHECK_THROWS_AS(io::parse_npy<std::int64_t>(npy(header("<f4", "(3,)"), data)), FileError);
  CHECK_THROWS_AS(io::parse_npy<double>(npy(header("<i2", "(2, 3)"), data, 4)), FileError);
}

TEST_CASE("a file cut or changed anywhere never does more than throw") {
  const auto whole = npy(header("<i2", "(2, 3)"), bytes_of<std::int16_t>({0, 1, 2, 3, 4, 5}));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(io::parse_npy<float>(std::span(whole).first(size)), FileError);
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {0x01, 0x04, 0x20, 0x80}) {
      auto damaged = whole;
      damaged[i] ^= static_cast<std::byte>(flip);
      try {
        io::parse_npy<float>(damaged);
      } catch (const FileError&) {
      }
    }
}
