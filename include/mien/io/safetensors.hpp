#pragma once

/// Named tensors in one file: the .safetensors format of models, checkpoints and reference vectors.
///
/// Bytes of a file:
///
///     0 .. 7         N, the header's length, unsigned 64-bit, little-endian
///     8 .. 8 + N     JSON: {"__metadata__": {text: text, ...},
///                           name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
///     8 + N .. end   the tensors' elements, row-major, little-endian; offsets count from 8 + N
///
/// Tensors follow each other without holes or overlap up to the file's end. A scalar has the shape []; NaN and infinity
/// are values like others. The reader holds to all of it (a file that says anything else is refused with the tensor's
/// name), and to limits of its own: header of at most 100 MB, rank at most 8, names of at most 1024 bytes, at most a
/// million tensors. The format is that of https://github.com/huggingface/safetensors.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mien/io/file.hpp"
#include "mien/io/json.hpp"
#include "mien/io/stored_tensors.hpp"

namespace mien::io {

/// A checked .safetensors file in memory. Copies share the bytes.
class Safetensors : public StoredTensors {
 public:
  static constexpr std::uint64_t max_header_bytes = 100'000'000;
  static constexpr std::size_t max_name_bytes = 1024;
  static constexpr std::size_t max_tensors = 1'000'000;

  /// Takes the bytes of a whole file. `file` is only named in errors. Throws FileError.
  static Safetensors parse(std::vector<std::byte> bytes, std::string file = "safetensors in memory") {
    return Safetensors(std::move(bytes), std::move(file));
  }

 private:
  Safetensors(std::vector<std::byte> bytes, std::string file)
      : StoredTensors(std::move(file)), bytes_(std::make_shared<const std::vector<std::byte>>(std::move(bytes))) {
    const std::uint64_t header_bytes = read_header_length();
    const std::string_view header(reinterpret_cast<const char*>(bytes_->data()) + 8,
                                  static_cast<std::size_t>(header_bytes));
    if (header.front() != '{') throw FileError(file_, "byte 8", "no `{`", "a header in JSON");
    const nlohmann::json document = parse_json(header, file_);
    for (const auto& [name, description] : document.items()) {
      if (name == "__metadata__") {
        read_metadata(description);
      } else {
        read_entry(name, description, static_cast<std::size_t>(8 + header_bytes));
      }
    }
    order_and_check_layout(static_cast<std::size_t>(8 + header_bytes));
  }

  std::uint64_t read_header_length() const {
    if (bytes_->size() < 8) throw FileError(file_, "", detail::text(bytes_->size(), " bytes"), "at least 8");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_->data(), 8);
    if (length > max_header_bytes || length > bytes_->size() - 8 || length < 2)
      throw FileError(file_, "byte 0", detail::text("a header length of ", length),
                      detail::text("2 to ", std::min<std::uint64_t>(max_header_bytes, bytes_->size() - 8)));
    return length;
  }

  void read_metadata(const nlohmann::json& description) {
    if (!description.is_object()) throw FileError(file_, "__metadata__", description.type_name(), "an object");
    for (const auto& [key, value] : description.items()) {
      if (!value.is_string())
        throw FileError(file_, detail::text("__metadata__, key `", key, "`"), value.type_name(), "a string");
      metadata_.emplace(key, value.get<std::string>());
    }
  }

  void read_entry(const std::string& name, const nlohmann::json& description, std::size_t data_begin) {
    if (name.size() > max_name_bytes)
      throw FileError(file_, place(name), detail::text("a name of ", name.size(), " bytes"),
                      detail::text("at most ", max_name_bytes));
    if (entries_.size() == max_tensors)
      throw FileError(file_, "", "more tensors", detail::text("at most ", max_tensors));
    if (!description.is_object() || description.size() != 3 || !description.contains("dtype") ||
        !description.contains("shape") || !description.contains("data_offsets"))
      throw FileError(file_, place(name), "another description",
                      "an object of `dtype`, `shape` and `data_offsets`, nothing else");
    Entry entry{read_type(name, description["dtype"]), read_shape(name, description["shape"])};
    read_offsets(name, description["data_offsets"], data_begin, entry);
    entries_.emplace(name, std::move(entry));
  }

  ElementType read_type(const std::string& name, const nlohmann::json& dtype) const {
    if (dtype.is_string()) {
      const auto& spelled = dtype.get_ref<const std::string&>();
      for (const auto& facts : detail::element_types)
        if (facts.name == spelled) return facts.type;
      throw FileError(file_, place(name), detail::text("dtype `", spelled.substr(0, 40), "`"),
                      "BOOL, U8 to U64, I8 to I64, F16, BF16, F32 or F64");
    }
    throw FileError(file_, place(name), detail::text("a dtype that is ", dtype.type_name()), "a string");
  }

  Shape read_shape(const std::string& name, const nlohmann::json& extents) const {
    if (!extents.is_array() || extents.size() > static_cast<std::size_t>(Shape::max_rank))
      throw FileError(file_, place(name), extents.is_array() ? "too many axes" : "a shape that is no list",
                      detail::text("a list of at most ", Shape::max_rank, " extents"));
    Shape shape;
    for (const auto& extent : extents) {
      if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() > std::uint64_t{1} << 62)
        throw FileError(file_, place(name), detail::text("extent ", extent.dump().substr(0, 40)),
                        "an integer from 0 to 2^62");
      try {
        shape.append(extent.get<Index>());
      } catch (const ShapeError& error) {
        throw FileError(file_, place(name), error.what(), "a shape that fits in memory");
      }
    }
    return shape;
  }

  void read_offsets(const std::string& name, const nlohmann::json& offsets, std::size_t data_begin,
                    Entry& entry) const {
    const bool is_pair =
        offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
    if (!is_pair) throw FileError(file_, place(name), "other data_offsets", "two integers, begin and end");
    const auto begin = offsets[0].get<std::uint64_t>();
    const auto end = offsets[1].get<std::uint64_t>();
    const std::uint64_t available = bytes_->size() - data_begin;
    if (begin > end || end > available)
      throw FileError(file_, place(name), detail::text("data from byte ", begin, " to ", end),
                      detail::text("an ascending range within the ", available, " bytes of data"));
    // Shape keeps the product of all extents far enough from overflow for eight bytes an element.
    const auto expected = static_cast<std::uint64_t>(entry.shape.elements()) * element_bytes(entry.type);
    if (end - begin != expected)
      throw FileError(file_, place(name), detail::text(end - begin, " bytes of data"),
                      detail::text(expected, " for shape ", entry.shape, " of ", element_name(entry.type)));
    entry.data = {bytes_, bytes_->data() + data_begin + static_cast<std::size_t>(begin)};
  }

  /// Tensors in the order of their data must touch, from the first byte behind the header to the file's last.
  void order_and_check_layout(std::size_t data_begin) {
    for (const auto& [name, unused] : entries_) names_.push_back(name);
    std::stable_sort(names_.begin(), names_.end(), [this](const std::string& a, const std::string& b) {
      const Entry& left = entries_.find(a)->second;
      const Entry& right = entries_.find(b)->second;
      return std::pair(left.data.get(), left.bytes()) < std::pair(right.data.get(), right.bytes());
    });
    std::size_t reached = data_begin;
    for (const std::string& name : names_) {
      const Entry& next = entries_.find(name)->second;
      const auto begin = static_cast<std::size_t>(next.data.get() - bytes_->data());
      if (begin != reached)
        throw FileError(file_, place(name),
                        detail::text(begin < reached ? "an overlap" : "a hole", " before its data at byte ", begin),
                        detail::text("data at byte ", reached));
      reached += next.bytes();
    }
    if (reached != bytes_->size())
      throw FileError(file_, detail::text("byte ", reached),
                      detail::text(bytes_->size() - reached, " bytes that belong to no tensor"), "the end of the file");
  }

  std::shared_ptr<const std::vector<std::byte>> bytes_;
};

/// Reads a whole .safetensors file. Throws FileError.
inline Safetensors read_safetensors(const std::filesystem::path& path,
                                    std::uint64_t max_bytes = default_max_file_bytes) {
  return Safetensors::parse(read_file(path, max_bytes), path.string());
}

/// Collects tensors and writes them as one file.
///
///     SafetensorsWriter writer;
///     writer.set_metadata("epoch", "3");
///     writer.add("layer.weight", weight);
///     writer.write("model.safetensors");
///
/// Tensors are held by handle, not copied: elements are taken when the file is made. In the file, wider types come
/// first, so that everything is aligned, and tensors of one width keep the order in which they were added. The same
/// tensors and metadata give the same bytes.
class SafetensorsWriter {
 public:
  /// Adds a tensor of float, double, std::int64_t or std::uint8_t. Throws ValueError for a name that is used already,
  /// reserved, not UTF-8 or longer than 1024 bytes.
  template <class T>
  void add(const std::string& name, const Tensor<T>& tensor) {
    static_assert(detail::FileElement<T>, "tensors of float, double, std::int64_t and std::uint8_t are written");
    add_entry({name, detail::element_type_of<T>(), tensor});
  }

  /// The same for elements that are in a file's form already, row-major and little-endian, of any type. Throws
  /// ValueError unless they are as many bytes as the shape needs.
  void add(const std::string& name, ElementType type, const Shape& shape, std::vector<std::byte> bytes) {
    if (bytes.size() != static_cast<std::size_t>(shape.elements()) * element_bytes(type))
      throw ValueError(detail::text("tensor `", name.substr(0, 200), "`: ", bytes.size(), " bytes for shape ", shape,
                                    " of ", element_name(type)));
    add_entry({name, type, StoredBytes{shape, std::move(bytes)}});
  }

  /// Sets text beside the tensors; an earlier value of the key is replaced. Throws ValueError if it is not UTF-8.
  void set_metadata(const std::string& key, const std::string& value) {
    static_cast<void>(quoted(key));
    static_cast<void>(quoted(value));
    metadata_[key] = value;
  }

  void set_metadata(const Metadata& metadata) {
    for (const auto& [key, value] : metadata) set_metadata(key, value);
  }

  /// The bytes of the file.
  std::vector<std::byte> serialize() const {
    std::vector<const Entry*> ordered;
    for (const Entry& entry : entries_) ordered.push_back(&entry);
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const Entry* a, const Entry* b) { return element_bytes(a->type) > element_bytes(b->type); });
    const std::string header = make_header(ordered);
    const std::uint64_t length = header.size();
    std::vector<std::byte> out;
    out.reserve(8 + header.size() + data_bytes());
    append(out, &length, 8);
    append(out, header.data(), header.size());
    for (const Entry* entry : ordered) append_elements(out, *entry);
    return out;
  }

  /// Writes the file as a whole or not at all; see `write_file`.
  void write(const std::filesystem::path& path) const { write_file(path, serialize()); }

 private:
  struct StoredBytes {
    Shape extents;
    std::vector<std::byte> bytes;

    const Shape& shape() const { return extents; }
  };
  using AnyTensor =
      std::variant<Tensor<float>, Tensor<double>, Tensor<std::int64_t>, Tensor<std::uint8_t>, StoredBytes>;

  struct Entry {
    std::string name;
    ElementType type;
    AnyTensor tensor;

    const Shape& shape() const {
      return std::visit([](const auto& any) -> const Shape& { return any.shape(); }, tensor);
    }
    std::size_t bytes() const { return static_cast<std::size_t>(shape().elements()) * element_bytes(type); }
  };

  void add_entry(Entry entry) {
    const std::string& name = entry.name;
    if (name == "__metadata__" || name.size() > Safetensors::max_name_bytes)
      throw ValueError(detail::text("a tensor cannot be named `", name.substr(0, 200), "`"));
    if (!known_.try_emplace(name, quoted(name)).second)
      throw ValueError(detail::text("two tensors are named `", name, "`"));
    entries_.push_back(std::move(entry));
  }

  static std::string quoted(const std::string& plain) {
    try {
      return nlohmann::json(plain).dump();
    } catch (const nlohmann::json::exception&) {
      throw ValueError("names and metadata of .safetensors files must be UTF-8");
    }
  }

  static void append(std::vector<std::byte>& out, const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    out.insert(out.end(), first, first + size);
  }

  static void append_elements(std::vector<std::byte>& out, const Entry& entry) {
    std::visit(
        [&]<class Any>(const Any& any) {
          if constexpr (std::is_same_v<Any, StoredBytes>) {
            append(out, any.bytes.data(), entry.bytes());
          } else {
            const auto tight = any.contiguous();
            if (!tight.empty()) append(out, tight.data(), entry.bytes());
          }
        },
        entry.tensor);
  }

  std::size_t data_bytes() const {
    std::size_t total = 0;
    for (const Entry& entry : entries_) total += entry.bytes();
    return total;
  }

  std::string make_header(const std::vector<const Entry*>& ordered) const {
    std::string out = "{";
    if (!metadata_.empty()) out += "\"__metadata__\":" + nlohmann::json(metadata_).dump();
    std::size_t offset = 0;
    for (const Entry* entry : ordered) {
      if (out.size() > 1) out += ',';
      std::string extents;
      for (const Index extent : entry->shape()) {
        if (!extents.empty()) extents += ',';
        extents += std::to_string(extent);
      }
      out += detail::text(known_.at(entry->name), ":{\"dtype\":\"", element_name(entry->type), "\",\"shape\":[",
                          extents, "],\"data_offsets\":[", offset, ",", offset + entry->bytes(), "]}");
      offset += entry->bytes();
    }
    out += '}';
    while (out.size() % 8 != 0) out += ' ';
    return out;
  }

  std::vector<Entry> entries_;
  std::map<std::string, std::string> known_;  ///< name to name in JSON
  Metadata metadata_;
};

}  // namespace mien::io
