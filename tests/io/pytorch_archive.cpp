#include <mien/io/pytorch_archive.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/message.hpp"
#include "io/stored_zip.hpp"

using namespace mien;
using namespace std::string_literals;
using io::ElementType;
using testing::little_endian;
using testing::stored_zip;

namespace {

const std::string folder = MIEN_TEST_DATA_DIR "/io/pytorch/";

io::PytorchArchive parse(const std::string& bytes) {
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  return io::PytorchArchive::parse({first, first + bytes.size()}, "made.pt");
}

/// What is said about an archive of this pickle and one storage "0" of six floats.
std::string refusal(const std::string& pickle) {
  return message_of<FileError>([&] {
    parse(stored_zip({{"a/data.pkl", pickle}, {"a/data/0", std::string(24, 'x')}}));
  });
}

std::string word(const std::string& text) { return "X" + little_endian(text.size(), 4) + text; }
std::string name(const std::string& module, const std::string& function) {
  return "c" + module + "\n" + function + "\n";
}
std::string integer(std::int32_t value) { return "J" + little_endian(static_cast<std::uint32_t>(value), 4); }
const std::string protocol = "\x80\x02";

/// Instructions for a tensor of storage "0".
std::string tensor(const std::string& extents, const std::string& strides, std::int32_t offset = 0,
                   std::int32_t count = 6) {
  return name("torch._utils", "_rebuild_tensor_v2") + "((" + word("storage") + name("torch", "FloatStorage") +
         word("0") + word("cpu") + integer(count) + "tQ" + integer(offset) + "(" + extents + "t(" + strides +
         "t\x89Nt" + "R";
}

template <class T>
std::vector<T> values(const io::StoredTensors& file, const std::string& tensor_name) {
  const Tensor<T> out = file.tensor<T>(tensor_name);
  return {out.span().begin(), out.span().end()};
}

}  // namespace

TEST_CASE("a checkpoint's tensors are named by their path, and its numbers and texts are metadata") {
  for (const char* file : {"checkpoint.pth", "deflated.pth"}) {
    CAPTURE(file);
    const auto read = io::read_pytorch_archive(folder + file);
    CHECK(read.names() == std::vector<std::string>{"state_dict.0.weight", "state_dict.1.weight", "state_dict.1.bias",
                                                   "state_dict.1.running_mean", "state_dict.1.running_var",
                                                   "state_dict.1.num_batches_tracked"});
    CHECK(read.shape("state_dict.0.weight") == Shape{3, 2, 3, 3});
    CHECK(values<float>(read, "state_dict.0.weight").back() == 53 * 0.5F - 3);
    CHECK(values<double>(read, "state_dict.1.running_var") == std::vector<double>{1, 1.5, 2});
    CHECK(read.type("state_dict.1.num_batches_tracked") == ElementType::int64);
    CHECK(read.shape("state_dict.1.num_batches_tracked") == Shape{});
    CHECK(read.metadata() == io::Metadata{{"best", "0.625"},
                                          {"done", "true"},
                                          {"epoch", "3"},
                                          {"name", "tiny"},
                                          {"sizes.0", "1"},
                                          {"sizes.1.0", "2"},
                                          {"sizes.1.1", "-70000"}});
  }
}

TEST_CASE("views become row-major, and every type is read") {
  const auto read = io::read_pytorch_archive(folder + "tensors.pt");
  const auto base = [](Index row, Index column) { return 0.5F * static_cast<float>(5 * row + column) - 3; };
  const auto transposed = read.tensor<float>("transposed");
  REQUIRE(transposed.shape() == Shape{5, 4});
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 4; ++j) CHECK(transposed(i, j) == base(j, i));
  CHECK(values<float>(read, "part") ==
        std::vector<float>{base(1, 0), base(1, 2), base(1, 4), base(2, 0), base(2, 2), base(2, 4)});
  CHECK(read.shape("part") == Shape{2, 3});
  CHECK(values<float>(read, "row") == std::vector<float>{base(2, 0), base(2, 1), base(2, 2), base(2, 3), base(2, 4)});
  CHECK(values<float>(read, "spread") == std::vector<float>(6, -3));
  CHECK(values<float>(read, "scalar") == std::vector<float>{7.5});
  CHECK(read.shape("empty") == Shape{0, 3});
  CHECK(values<float>(read, "parameter") == std::vector<float>{-3, -2.5, -2});
  const std::vector<std::pair<std::string, ElementType>> types{
      {"float64", ElementType::float64}, {"float16", ElementType::float16}, {"bfloat16", ElementType::bfloat16},
      {"int64", ElementType::int64},     {"int32", ElementType::int32},     {"int16", ElementType::int16},
      {"int8", ElementType::int8}};
  for (const auto& known : types) {
    const std::string& type_name = known.first;
    CAPTURE(type_name);
    CHECK(read.type(type_name) == known.second);
    CHECK(values<double>(read, type_name) == std::vector<double>{-2, 0, 5});
  }
  CHECK(values<std::uint8_t>(read, "uint8") == std::vector<std::uint8_t>{0, 200});
  CHECK(values<std::uint8_t>(read, "bool") == std::vector<std::uint8_t>{1, 0});
}

TEST_CASE("what a file wants to call is refused by its name, and nothing is run") {
  const std::string message = message_of<FileError>([] { io::read_pytorch_archive(folder + "calls.pt"); });
  CHECK(contains(message, "calls.pt: calls/data.pkl, byte "));
  CHECK(contains(message, "a use of `posix.system`"));
  CHECK(contains(message, "no code run"));
  // By a name that is put together on the stack, and as a class whose object is made.
  CHECK(contains(refusal(protocol + word("os") + word("system") + "\x93("s + word("x") + "tR."), "`os.system`"));
  CHECK(contains(refusal(protocol + name("torch.nn.modules.linear", "Linear") + ")\x81."),
                 "`torch.nn.modules.linear.Linear`"));
  CHECK(contains(refusal(protocol + name("collections", "OrderedDict") + ")\x81."), "instruction 129"));
  CHECK(contains(refusal(protocol + name("torch", "FloatStorage") + ")R."), "`torch.FloatStorage`"));
}

TEST_CASE("older files, programs and other archives say how to convert them") {
  CHECK(contains(message_of<FileError>([] { io::read_pytorch_archive(folder + "old.pth"); }),
                 "a file of PyTorch before 1.6, expected a zip archive: convert it in Python with torch.save"));
  CHECK(
      contains(message_of<FileError>([] { io::read_pytorch_archive(folder + "script.pt"); }), "a TorchScript program"));
  CHECK(contains(message_of<FileError>([] { parse("neither"); }), "another format"));
  CHECK(contains(message_of<FileError>([] { parse(stored_zip({{"readme", "x"}})); }), "without `data.pkl`"));
  const std::string empty = protocol + "}.";
  CHECK(parse(stored_zip({{"a/data.pkl", empty}, {"a/byteorder", "little"}})).names().empty());
  CHECK(contains(message_of<FileError>([&] {
                   parse(stored_zip({{"a/data.pkl", empty}, {"a/byteorder", "big"}}));
                 }),
                 "big-endian"));
  CHECK(contains(message_of<FileError>([&] {
                   parse(stored_zip({{"a/data.pkl", empty}, {"a/data.pkl", empty}}));
                 }),
                 "a second record of that name"));
  CHECK(contains(message_of<FileError>([&] {
                   parse(stored_zip({{"a/data.pkl", empty}, {"b/data.pkl", empty}}));
                 }),
                 "several records `data.pkl`"));
}

TEST_CASE("a tensor alone, lists, and keys that are numbers have names") {
  const std::string two = tensor(integer(2), integer(3), 1);
  const auto read = [&](const std::string& pickle) {
    return parse(stored_zip({{"data.pkl", protocol + pickle + "."}, {"data/0", std::string(24, '\0')}})).names();
  };
  CHECK(read(two) == std::vector<std::string>{"tensor"});
  CHECK(read("](" + two + two + "e") == std::vector<std::string>{"0", "1"});
  CHECK(read("}K\x07" + two + "s") == std::vector<std::string>{"7"});
}

TEST_CASE("tensors outside their storage, and storages that are not what they say") {
  CHECK(refusal(protocol + tensor(integer(2) + integer(3), integer(3) + integer(1)) + ".") == "nothing thrown");
  CHECK(contains(refusal(protocol + tensor(integer(7), integer(1)) + "."), "elements beyond its storage"));
  CHECK(contains(refusal(protocol + tensor(integer(2), integer(5), 1) + "."), "elements beyond its storage"));
  CHECK(contains(refusal(protocol + tensor(integer(2), integer(1), -1) + "."), "a number from 0 on"));
  CHECK(contains(refusal(protocol + tensor(integer(2), integer(-1), 2) + "."), "a number from 0 on"));
  CHECK(contains(refusal(protocol + tensor(integer(2), "") + "."), "1 extents and 0 strides"));
  CHECK(contains(refusal(protocol + tensor(integer(7), integer(1), 0, 7) + "."), "24 bytes, expected 7 elements"));
  CHECK(contains(refusal(protocol + tensor("(" + integer(2) + "t", integer(1)) + "."), "a number from 0 on"));
  // The stride of a single element is never taken.
  const std::string far = "\x8a\x08" + little_endian(0x7fffffffffffffff, 8);
  CHECK(refusal(protocol + tensor(integer(1) + integer(2) + integer(2), far + integer(1) + integer(2)) + ".") ==
        "nothing thrown");
  CHECK(contains(refusal(protocol + tensor(integer(2) + integer(2), far + integer(1)) + "."), "beyond its storage"));
}

TEST_CASE("tensors whose metadata change their numbers are refused") {
  const auto with_metadata = [](const std::string& metadata) {
    std::string pickle = tensor(integer(2), integer(1));
    pickle.insert(pickle.size() - 2, metadata);
    return refusal(protocol + pickle + ".");
  };
  CHECK(with_metadata("}") == "nothing thrown");
  CHECK(with_metadata("N") == "nothing thrown");
  CHECK(contains(with_metadata("}" + word("neg") + "\x88s"),
                 "a tensor with metadata (a negative or conjugate view), expected plain numbers: save "
                 "tensor.resolve_neg()"));
  CHECK(contains(with_metadata("]"), "found a list, expected a tensor's metadata"));
}

TEST_CASE("little that asks for much is refused") {
  // One element seen 2^31 times in each of three axes, and 2^31 times in one.
  const std::string zero = integer(0);
  const std::string most = integer(0x7fffffff);
  CHECK(contains(refusal(protocol + tensor(most + most + most, zero + zero + zero) + "."), "too many elements"));
  CHECK(contains(refusal(protocol + tensor(most, zero) + "."), "that are not in the file"));
  // Lists that hold the one before twice, forty times over; one that holds itself; and one that is deep.
  std::string doubled = protocol + "]q\x01";
  for (char i = 1; i < 40; ++i) doubled += "](h"s + i + "h"s + i + "eq"s + static_cast<char>(i + 1);
  CHECK(contains(refusal(doubled + "."), "more values"));
  CHECK(contains(refusal(protocol + "]q\x01h\x01" + "a."), "more containers in each other"));
  CHECK(contains(refusal(protocol + std::string(100'000, ']') + std::string(99'999, 'a') + "."),
                 "more containers in each other"));
  CHECK(contains(refusal(protocol + std::string(5'000'000, ')') + "."), "more values"));
  // One long tuple as extents and strides of many tensors: five bytes each.
  std::string shared = protocol + name("torch._utils", "_rebuild_tensor_v2") + "q\x01((" + word("storage") +
                       name("torch", "FloatStorage") + word("0") + word("cpu") + integer(6) + "tQK\0("s;
  for (int i = 0; i < 1000; ++i) shared += "K\x01";
  shared += "tq\x02h\x02tq\x03](";
  for (int i = 0; i < 1000; ++i) shared += "h\x01h\x03R";
  CHECK(contains(refusal(shared + "e."), "a tuple of 1000 numbers, expected at most 8, one an axis"));
  // A long text under many names.
  std::string repeated = protocol + "](" + word(std::string(1'000'000, 'x')) + "q\x01";
  for (int i = 0; i < 200; ++i) repeated += "h\x01";
  CHECK(contains(refusal(repeated + "e."), "that are not in the file"));
}

TEST_CASE("damaged pickles end in an error that says where") {
  CHECK(contains(refusal(""), "byte 0: found the end of the pickle"));
  CHECK(contains(refusal("\x80\x01."), "protocol 1"));
  CHECK(contains(refusal(protocol + "."), "no value on the stack"));
  CHECK(contains(refusal(protocol + "](."), "no value on the stack"));
  CHECK(contains(refusal(protocol + "]e."), "no mark"));
  CHECK(contains(refusal(protocol + "h\x05."), "memory 5"));
  CHECK(contains(refusal(protocol + "}K\x01" + "a."), "a list"));
  CHECK(contains(refusal(protocol + "}(K\x01u."), "a key without a value"));
  CHECK(contains(refusal(protocol + "}NK\x01s."), "a key of another kind"));
  CHECK(
      contains(refusal(protocol + "}(" + word("a") + "K\x01" + word("a") + "K\x02u."), "a second value of that name"));
  CHECK(contains(refusal(protocol + "](" + word("\xff") + "e."), "UTF-8"));
  CHECK(contains(refusal(protocol + "\x8a\x09" + std::string(9, 'x') + "."), "an integer of 9 bytes"));
  CHECK(contains(refusal(protocol + "(" + word("module") + "tQ."), "another persistent object"));
}

TEST_CASE("archives that lie about offsets and sizes are refused") {
  const std::string good = stored_zip({{"a/data.pkl", protocol + "}."}, {"a/data/0", "12345678"}});
  REQUIRE(parse(good).names().empty());
  const std::size_t directory = good.find("PK\1\2");
  const std::size_t second = good.find("PK\1\2", directory + 1);
  const std::size_t end = good.find("PK\5\6");
  const auto with = [&](std::size_t at, std::uint64_t number, int bytes) {
    std::string changed = good;
    changed.replace(at, static_cast<std::size_t>(bytes), little_endian(number, bytes));
    return message_of<FileError>([&] { parse(changed); });
  };
  CHECK(contains(with(end + 16, 0xfffffff0, 4), "a directory of"));
  CHECK(contains(with(end + 10, 3, 2), "entry 2 of 3"));
  CHECK(contains(with(end + 10, 1, 2), "other data behind the directory's last entry"));
  CHECK(contains(with(second + 42, 0, 4), "another name in its header"));
  CHECK(contains(with(second + 42, 0xfffffff0, 4), "a header at byte"));
  CHECK(contains(with(second + 42, 0xffffffff, 4), "no 64-bit number"));
  CHECK(contains(with(second + 24, 9, 4), "8 stored bytes"));
  CHECK(contains(with(second + 20, 0xffffff, 4), "content that lies before the directory"));
  CHECK(contains(with(second + 8, 1, 2), "encrypted"));
  CHECK(contains(with(second + 10, 12, 2), "compression 12"));
  CHECK(contains(with(directory + 16, 0, 4), "does not match its checksum"));
  CHECK(contains(with(second + 28, 0xffff, 2), "an entry that leaves the directory"));
  CHECK(contains(with(end + 4, 1, 2), "one of several volumes"));
}

TEST_CASE("sizes and places in 64 bits are read, and are not believed either") {
  const std::string pickle = protocol + tensor(integer(6), integer(1)) + ".";
  const std::string good =
      stored_zip({{"a/data.pkl", pickle}, {"a/data/0", std::string(24, 'x')}}, testing::ZipNumbers::wide);
  CHECK(parse(good).shape("tensor") == Shape{6});
  const std::size_t end = good.find("PK\6\6");
  const std::size_t locator = good.find("PK\6\7");
  const std::size_t second = good.find("PK\1\2", good.find("PK\1\2") + 1);
  const std::size_t wide_size = second + 46 + std::string("a/data/0").size() + 4;
  const auto with = [&](std::size_t at, std::uint64_t number) {
    std::string changed = good;
    changed.replace(at, 8, little_endian(number, 8));
    return message_of<FileError>([&] { parse(changed); });
  };
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(contains(with(locator + 8, most), "an end record at 18446744073709551615"));
  CHECK(contains(with(end + 48, most - 3), "a directory of"));
  CHECK(contains(with(end + 32, most), "18446744073709551615 records"));
  CHECK(contains(with(wide_size, most), "24 stored bytes, expected 18446744073709551615, its size"));
  CHECK(contains(with(wide_size + 8, most), "content that lies before the directory"));
  CHECK(contains(with(wide_size + 16, most - 7), "a header at byte"));
}

TEST_CASE("a deflated record that unpacks to another size than it says is refused") {
  const std::string good = io::read_text(folder + "deflated.pth");
  const std::size_t entry = good.find("PK\1\2");
  std::uint64_t size = 0;
  for (std::size_t i = 4; i-- > 0;) size = size << 8 | static_cast<unsigned char>(good[entry + 24 + i]);
  const auto with = [&](std::uint64_t other) {
    std::string changed = good;
    changed.replace(entry + 24, 4, little_endian(other, 4));
    return message_of<FileError>([&] { parse(changed); });
  };
  CHECK(with(size) == "nothing thrown");
  CHECK(contains(with(size - 1), "damaged data, expected " + std::to_string(size - 1) + " bytes when unpacked"));
  CHECK(contains(with(size + 1), "damaged data, expected " + std::to_string(size + 1) + " bytes when unpacked"));
  CHECK(contains(with(0xfffffff0), "data.pkl`: found 4294967280 bytes when unpacked, expected at most"));
}

TEST_CASE("no cut and no changed byte does anything but throw FileError") {
  for (const char* file : {"checkpoint.pth", "deflated.pth", "calls.pt"}) {
    const std::string whole = io::read_text(folder + file);
    const auto try_it = [](const std::string& bytes) {
      try {
        parse(bytes);
      } catch (const FileError&) {
      }
    };
    for (std::size_t size = 0; size < whole.size(); ++size) try_it(whole.substr(0, size));
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int change : {0x01, 0x80, 0xff}) {
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ change);
        try_it(changed);
      }
  }
  // Behind the checksum: the pickle itself.
  const std::string pickle = protocol + "}(" + word("epoch") + "K\x03" + word("weights") + "](" +
                             tensor(integer(2) + integer(3), integer(1) + integer(2)) + tensor(integer(6), integer(1)) +
                             "eq\x01" + word("again") + "h\x01u.";
  REQUIRE(refusal(pickle) == "nothing thrown");
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    for (int byte = static_cast<int>(i % 5); byte < 256; byte += 5) {
      std::string changed = pickle;
      changed[i] = static_cast<char>(byte);
      static_cast<void>(refusal(changed));
    }
    static_cast<void>(refusal(pickle.substr(0, i)));
  }
}
