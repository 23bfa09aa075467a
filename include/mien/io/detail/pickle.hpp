#pragma once

/// As much of Python's pickle format as tensors in plain containers need. A pickle is a program; this interpreter knows
/// no instruction that calls anything, and refuses by name whatever a file wants to have called.
///
/// The instructions are those of Python's Lib/pickletools.py, protocols 2 to 5.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/io/element_type.hpp"
#include "mien/io/file.hpp"

namespace mien::io::detail {

/// A tensor's numbers, in a record of the archive.
struct PickledStorage {
  ElementType type = ElementType::float32;
  std::string_view key = {};
  Index count = 0;
};

/// A window over a storage, in elements.
struct PickledTensor {
  std::size_t storage = 0;
  Index offset = 0;
  std::vector<Index> extents = {};
  std::vector<Index> strides = {};
};

enum class PickleKind { none, boolean, integer, real, text, tuple, list, dictionary, name, storage, tensor };

/// "a list": what messages call it.
inline std::string_view kind_name(PickleKind kind) {
  static constexpr std::array<std::string_view, 11> names = {
      "None",   "a truth",      "an integer",          "a real number", "a text",  "a tuple",
      "a list", "a dictionary", "a function or class", "a storage",     "a tensor"};
  return names[static_cast<std::size_t>(kind)];
}

/// Small enough to copy; what is larger lies in the `Pickle` and is told by its number.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::int64_t integer = 0;  ///< the number, or the place of what is larger
  double real = 0;

  std::size_t place() const { return static_cast<std::size_t>(integer); }
};

/// A pickle's root and all that hangs from it. Containers may hold themselves, so whoever walks has to count.
struct Pickle {
  PickleValue root = {};
  std::vector<std::string_view> texts = {};  ///< in the pickle's bytes
  std::vector<std::string> names = {};       ///< of Python's functions and classes, as in "collections.OrderedDict"
  std::vector<std::vector<PickleValue>> containers = {};  ///< a dictionary's keys and values take turns
  std::vector<PickledStorage> storages = {};
  std::vector<PickledTensor> tensors = {};
};

/// The type of a storage by its class in Python.
struct StorageClass {
  std::string_view name;
  ElementType type;
};
inline constexpr std::array<StorageClass, 10> storage_classes = {{{"torch.FloatStorage", ElementType::float32},
                                                                  {"torch.DoubleStorage", ElementType::float64},
                                                                  {"torch.HalfStorage", ElementType::float16},
                                                                  {"torch.BFloat16Storage", ElementType::bfloat16},
                                                                  {"torch.LongStorage", ElementType::int64},
                                                                  {"torch.IntStorage", ElementType::int32},
                                                                  {"torch.ShortStorage", ElementType::int16},
                                                                  {"torch.CharStorage", ElementType::int8},
                                                                  {"torch.ByteStorage", ElementType::uint8},
                                                                  {"torch.BoolStorage", ElementType::boolean}}};

inline const StorageClass* storage_class(std::string_view name) {
  for (const StorageClass& known : storage_classes)
    if (known.name == name) return &known;
  return nullptr;
}

class PickleReader {
 public:
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;
  static constexpr std::size_t max_values = 4'000'000;

  /// The bytes have to outlive the result. `file` and `record` are only named in errors.
  PickleReader(std::span<const std::byte> bytes, std::string file, std::string record)
      : bytes_(bytes), file_(std::move(file)), record_(std::move(record)) {
    if (bytes_.size() > max_bytes) fail(text("a pickle of ", bytes_.size(), " bytes"), text("at most ", max_bytes));
  }

  Pickle read() {
    while (!finished_) {
      begin_of_instruction_ = at_;
      step(static_cast<std::uint8_t>(take(1)[0]));
    }
    return std::move(out_);
  }

 private:
  using Values = std::vector<PickleValue>;

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, text(record_, ", byte ", begin_of_instruction_), found, expected);
  }
  /// Nothing in a file is ever called; the reader only says what it would have been.
  [[noreturn]] void refuse(std::string_view name) const {
    fail(text("a use of `", name.substr(0, 200), "`"),
         "tensors in plain containers; nothing else is read, and no code run");
  }

  // --- the bytes ---

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("the end of the pickle", "the rest of an instruction");
    const std::string_view out(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return out;
  }

  template <class Number>
  Number number() {
    Number out;
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }

  /// Python writes these numbers with their first byte first.
  double big_endian_real() {
    std::uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | static_cast<std::uint8_t>(byte);
    return std::bit_cast<double>(bits);
  }

  std::int64_t integer_of(std::string_view little_endian) {
    if (little_endian.size() > 8) fail(text("an integer of ", little_endian.size(), " bytes"), "at most 8");
    if (little_endian.empty()) return 0;
    const bool negative = (static_cast<std::uint8_t>(little_endian.back()) & 0x80) != 0;
    std::uint64_t bits = negative ? ~std::uint64_t{0} : 0;
    std::memcpy(&bits, little_endian.data(), little_endian.size());
    return static_cast<std::int64_t>(bits);
  }

  std::string_view line() {
    const auto rest = std::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()).substr(at_);
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) fail("the end of the pickle", "the end of a line");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  // --- the stack ---

  void push(PickleValue value) {
    if (++pushed_ > max_values) fail("more values", text("at most ", max_values));
    stack_.push_back(value);
  }

  PickleValue pop() {
    if (stack_.size() <= floor()) fail("no value on the stack", "one that an instruction put there");
    const PickleValue out = stack_.back();
    stack_.pop_back();
    return out;
  }

  PickleValue& top() {
    if (stack_.size() <= floor()) fail("no value on the stack", "one that an instruction put there");
    return stack_.back();
  }

  /// What lies below the last mark belongs to an outer container.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Values pop_to_mark() {
    if (marks_.empty()) fail("no mark on the stack", "one that an instruction put there");
    Values out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }

  // --- what is made ---

  template <class Thing>
  PickleValue keep(PickleKind kind, std::vector<Thing>& where, Thing thing) {
    where.push_back(std::move(thing));
    return {kind, static_cast<std::int64_t>(where.size() - 1), 0};
  }
  PickleValue container(PickleKind kind, Values values = {}) { return keep(kind, out_.containers, std::move(values)); }
  PickleValue words(std::string_view characters) { return keep(PickleKind::text, out_.texts, characters); }

  Values& values_of(const PickleValue& value, PickleKind kind, const char* expected) {
    if (value.kind != kind) fail(kind_name(value.kind), expected);
    return out_.containers[value.place()];
  }
  std::string_view text_of(const PickleValue& value) {
    if (value.kind != PickleKind::text) fail(kind_name(value.kind), "a text");
    return out_.texts[value.place()];
  }
  Index index_of(const PickleValue& value) {
    if (value.kind != PickleKind::integer) fail(kind_name(value.kind), "a number from 0 on");
    if (value.integer < 0) fail(text(value.integer), "a number from 0 on");
    return value.integer;
  }
  /// A number for each axis. Any number of tensors may share one tuple, so its length is looked at before it is copied.
  std::vector<Index> indices_of(const PickleValue& value) {
    const Values& values = values_of(value, PickleKind::tuple, "a tuple of numbers");
    if (values.size() > static_cast<std::size_t>(Shape::max_rank))
      fail(text("a tuple of ", values.size(), " numbers"), text("at most ", Shape::max_rank, ", one an axis"));
    std::vector<Index> out;
    for (const PickleValue& one : values) out.push_back(index_of(one));
    return out;
  }

  /// Functions and classes by their names, if they are of those that make up tensors.
  void push_name(std::string_view module, std::string_view name) {
    const std::string whole = text(module, ".", name);
    static constexpr std::array<std::string_view, 3> known = {
        "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"};
    if (std::find(known.begin(), known.end(), whole) == known.end() && storage_class(whole) == nullptr) refuse(whole);
    push(keep(PickleKind::name, out_.names, whole));
  }

  /// What a call would return.
  void reduce() {
    const PickleValue arguments = pop();
    const PickleValue function = pop();
    if (function.kind != PickleKind::name) fail("a call of something without a name", "a function");
    const std::string& name = out_.names[function.place()];
    const Values& values = values_of(arguments, PickleKind::tuple, "a tuple of arguments");
    if (name == "collections.OrderedDict") {
      if (!values.empty()) fail("an OrderedDict with arguments", "an empty one");
      push(container(PickleKind::dictionary));
    } else if (name == "torch._utils._rebuild_tensor_v2") {
      push(tensor(values));
    } else if (name == "torch._utils._rebuild_parameter") {
      if (values.empty() || values[0].kind != PickleKind::tensor) fail("a parameter of something else", "a tensor");
      push(values[0]);
    } else {
      refuse(name);
    }
  }

  /// (storage, offset, extents, strides, whether it wants a gradient, hooks, metadata)
  PickleValue tensor(const Values& arguments) {
    if (arguments.size() < 4 || arguments[0].kind != PickleKind::storage)
      fail("other arguments of a tensor", "a storage, an offset, extents and strides");
    if (arguments.size() > 6) require_plain_numbers(arguments[6]);
    return keep(PickleKind::tensor, out_.tensors,
                PickledTensor{arguments[0].place(), index_of(arguments[1]), indices_of(arguments[2]),
                              indices_of(arguments[3])});
  }

  /// Metadata say that the storage's numbers are not the tensor's: that these are negated, or conjugate.
  void require_plain_numbers(const PickleValue& metadata) {
    if (metadata.kind == PickleKind::none) return;
    if (!values_of(metadata, PickleKind::dictionary, "a tensor's metadata, a dictionary").empty())
      fail("a tensor with metadata (a negative or conjugate view)", "plain numbers: save tensor.resolve_neg()");
  }

  /// ("storage", its class, its key, the device it was on, how many elements)
  void push_persistent() {
    const PickleValue identity = pop();
    const Values& parts = values_of(identity, PickleKind::tuple, "a storage's description");
    if (parts.size() != 5 || text_of(parts[0]) != "storage" || parts[1].kind != PickleKind::name)
      fail("another persistent object", "a storage");
    const std::string& class_name = out_.names[parts[1].place()];
    const StorageClass* const known = storage_class(class_name);
    if (known == nullptr) refuse(class_name);
    push(keep(PickleKind::storage, out_.storages, PickledStorage{known->type, text_of(parts[2]), index_of(parts[4])}));
  }

  void append(Values added) {
    Values& list = values_of(top(), PickleKind::list, "a list");
    list.insert(list.end(), added.begin(), added.end());
  }

  void set_items(Values added) {
    if (added.size() % 2 != 0) fail("a key without a value", "pairs");
    Values& dictionary = values_of(top(), PickleKind::dictionary, "a dictionary");
    dictionary.insert(dictionary.end(), added.begin(), added.end());
  }

  void remember(std::uint64_t place) {
    if (memory_.size() == max_values) fail("more remembered values", text("at most ", max_values));
    memory_[place] = top();
  }

  void recall(std::uint64_t place) {
    const auto found = memory_.find(place);
    if (found == memory_.end()) fail(text("memory ", place, ", which was never written"), "an earlier value");
    push(found->second);
  }

  void push_tuple(std::size_t size) {
    Values values(size);
    for (std::size_t i = size; i-- > 0;) values[i] = pop();
    push(container(PickleKind::tuple, std::move(values)));
  }

  void push_integer(std::int64_t value) { push({PickleKind::integer, value, 0}); }
  void push_boolean(bool value) { push({PickleKind::boolean, value ? 1 : 0, 0}); }

  // --- the instructions; each function hands on what it does not know ---

  void step(std::uint8_t instruction) {
    switch (instruction) {
      case 0x80:  // PROTO
        if (const auto protocol = number<std::uint8_t>(); protocol < 2 || protocol > 5)
          fail(text("protocol ", static_cast<int>(protocol)), "2 to 5");
        return;
      case 0x95:  // FRAME
        take(8);
        return;
      case '.':  // STOP
        out_.root = pop();
        finished_ = true;
        return;
      default:
        push_constant(instruction);
    }
  }

  void push_constant(std::uint8_t instruction) {
    switch (instruction) {
      case 'N':  // NONE
        return push({});
      case 0x88:  // NEWTRUE
        return push_boolean(true);
      case 0x89:  // NEWFALSE
        return push_boolean(false);
      case 'J':  // BININT
        return push_integer(number<std::int32_t>());
      case 'K':  // BININT1
        return push_integer(number<std::uint8_t>());
      case 'M':  // BININT2
        return push_integer(number<std::uint16_t>());
      case 0x8a:  // LONG1
        return push_integer(integer_of(take(number<std::uint8_t>())));
      case 'G':  // BINFLOAT
        return push({PickleKind::real, 0, big_endian_real()});
      case 0x8c:  // SHORT_BINUNICODE
        return push(words(take(number<std::uint8_t>())));
      case 'X':  // BINUNICODE
        return push(words(take(number<std::uint32_t>())));
      default:
        make_container(instruction);
    }
  }

  void make_container(std::uint8_t instruction) {
    switch (instruction) {
      case '(':  // MARK
        if (marks_.size() == max_values) fail("more marks", text("at most ", max_values));
        return marks_.push_back(stack_.size());
      case '}':  // EMPTY_DICT
        return push(container(PickleKind::dictionary));
      case ']':  // EMPTY_LIST
        return push(container(PickleKind::list));
      case ')':  // EMPTY_TUPLE
        return push(container(PickleKind::tuple));
      case 't':  // TUPLE
        return push(container(PickleKind::tuple, pop_to_mark()));
      case 0x85:  // TUPLE1
        return push_tuple(1);
      case 0x86:  // TUPLE2
        return push_tuple(2);
      case 0x87:  // TUPLE3
        return push_tuple(3);
      case 'a':  // APPEND
        return append({pop()});
      case 'e':  // APPENDS
        return append(pop_to_mark());
      case 's':  // SETITEM
        return set_items(last_two());
      case 'u':  // SETITEMS
        return set_items(pop_to_mark());
      default:
        use_memory(instruction);
    }
  }

  void use_memory(std::uint8_t instruction) {
    switch (instruction) {
      case 'q':  // BINPUT
        return remember(number<std::uint8_t>());
      case 'r':  // LONG_BINPUT
        return remember(number<std::uint32_t>());
      case 0x94:  // MEMOIZE
        return remember(memory_.size());
      case 'h':  // BINGET
        return recall(number<std::uint8_t>());
      case 'j':  // LONG_BINGET
        return recall(number<std::uint32_t>());
      default:
        use_name(instruction);
    }
  }

  void use_name(std::uint8_t instruction) {
    switch (instruction) {
      case 'c': {  // GLOBAL
        const std::string_view module = line();
        return push_name(module, line());
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue name = pop();
        const PickleValue module = pop();
        return push_name(text_of(module), text_of(name));
      }
      case 'R':  // REDUCE
        return reduce();
      case 'Q':  // BINPERSID
        return push_persistent();
      case 'b':  // BUILD: attributes of a container say nothing about its tensors
        pop();
        static_cast<void>(values_of(top(), PickleKind::dictionary, "attributes of a dictionary"));
        return;
      default:
        fail(text("instruction ", static_cast<int>(instruction)),
             "one that tensors in plain containers need; no other is known");
    }
  }

  Values last_two() {
    Values out(2);
    out[1] = pop();
    out[0] = pop();
    return out;
  }

  std::span<const std::byte> bytes_;
  std::string file_;
  std::string record_;
  std::size_t at_ = 0;
  std::size_t begin_of_instruction_ = 0;
  bool finished_ = false;
  Values stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue> memory_;
  std::size_t pushed_ = 0;
  Pickle out_;
};

}  // namespace mien::io::detail
