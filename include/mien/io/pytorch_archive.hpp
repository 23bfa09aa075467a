#pragma once

/// Tensors of PyTorch's .pt and .pth files, as `torch.save` writes them since version 1.6: a zip archive that holds a
/// pickle with the containers, and a record of plain numbers for each storage.
///
///     const io::StoredTensors weights = io::read_pytorch_archive("resnet18.pth");
///     weights.tensor<float>("conv1.weight");
///
/// A pickle is a program that Python runs. Here none is run: the reader knows tensors, parameters, dictionaries, lists,
/// tuples, texts and numbers, and refuses every other name that a file mentions. See docs/weights.md.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/io/detail/pickle.hpp"
#include "mien/io/detail/zip.hpp"
#include "mien/io/json.hpp"
#include "mien/io/stored_tensors.hpp"

namespace mien::io {

/// A checked archive in memory. Tensors in nested containers are named by the path to them, as in
/// "state_dict.conv1.weight" or "layers.0"; a file that holds one tensor alone names it "tensor". Numbers, truths and
/// texts beside them become metadata under such names. Strided tensors become row-major; tensors may share a storage.
///
/// Limits: a pickle of 64 MiB that makes 4 million values, containers 64 deep, a million tensors of rank 8, names of
/// 1024 bytes, and 64 MiB and 16 times the file's size for what is unpacked, and again for copies of strided tensors,
/// names and metadata.
class PytorchArchive : public StoredTensors {
 public:
  static constexpr std::size_t max_tensors = 1'000'000;
  static constexpr std::size_t max_name_bytes = 1024;
  static constexpr int max_depth = 64;

  /// Takes the bytes of a whole file. `file` is only named in errors. Throws FileError.
  static PytorchArchive parse(std::vector<std::byte> bytes, std::string file = "PyTorch archive in memory") {
    return PytorchArchive(std::move(bytes), std::move(file));
  }

 private:
  PytorchArchive(std::vector<std::byte> bytes, std::string file) : StoredTensors(std::move(file)) {
    refuse_old_forms(bytes);
    allowance_ = (std::uint64_t{64} << 20) + 16 * static_cast<std::uint64_t>(bytes.size());
    const detail::ZipArchive archive(std::move(bytes), file_, allowance_);
    const std::string folder = folder_of_pickle(archive);
    require_little_endian(archive, folder);
    const std::string record = folder + "data.pkl";
    const detail::SharedBytes content = archive.content(record);
    const detail::Pickle pickle = detail::PickleReader({content.first.get(), content.size}, file_, record).read();
    Walk walk{archive, folder, pickle, storages_of(archive, folder, pickle), 0};
    add(walk, "", pickle.root, 0);
  }

  struct Walk {
    const detail::ZipArchive& archive;
    const std::string& folder;
    const detail::Pickle& pickle;
    std::vector<detail::SharedBytes> storages;
    std::size_t visited = 0;
  };

  /// What `torch.save` wrote before it wrote zip archives.
  void refuse_old_forms(const std::vector<std::byte>& bytes) const {
    const std::string_view begin(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 300));
    const bool pickle = begin.size() > 2 && begin[0] == '\x80';
    const bool tar = begin.size() > 262 && begin.substr(257, 5) == "ustar";
    if (pickle || tar)
      throw FileError(file_, "", "a file of PyTorch before 1.6",
                      "a zip archive: convert it in Python with torch.save(torch.load(\"old.pth\", "
                      "map_location=\"cpu\"), \"new.pth\")");
    if (!begin.starts_with("PK")) throw FileError(file_, "", "another format", "a zip archive that torch.save wrote");
  }

  /// Everything lies in one folder, whose name is free.
  std::string folder_of_pickle(const detail::ZipArchive& archive) const {
    std::optional<std::string> folder;
    for (const std::string& name : archive.names()) {
      if (name != "data.pkl" && !name.ends_with("/data.pkl")) continue;
      if (folder) throw FileError(file_, "", "several records `data.pkl`", "one");
      folder = name.substr(0, name.size() - 8);
    }
    if (!folder) throw FileError(file_, "", "a zip archive without `data.pkl`", "one that torch.save wrote");
    if (archive.contains(*folder + "constants.pkl"))
      throw FileError(file_, "", "a TorchScript program", "tensors: save the module's state_dict() with torch.save");
    return *folder;
  }

  void require_little_endian(const detail::ZipArchive& archive, const std::string& folder) const {
    if (!archive.contains(folder + "byteorder")) return;
    const detail::SharedBytes order = archive.content(folder + "byteorder");
    const std::string_view words(reinterpret_cast<const char*>(order.first.get()), order.size);
    if (words != "little")
      throw FileError(file_, "byteorder", mien::detail::text("`", words.substr(0, 40), "`"),
                      "`little`: files of big-endian machines are not read");
  }

  /// The records of all storages, those that several tensors share once.
  std::vector<detail::SharedBytes> storages_of(const detail::ZipArchive& archive, const std::string& folder,
                                               const detail::Pickle& pickle) const {
    std::map<std::string_view, detail::SharedBytes> by_key;
    std::vector<detail::SharedBytes> out;
    for (const detail::PickledStorage& storage : pickle.storages) {
      const auto [entry, is_new] = by_key.try_emplace(storage.key);
      if (is_new) entry->second = archive.content(mien::detail::text(folder, "data/", storage.key));
      const auto bytes =
          detail::checked_product(static_cast<std::uint64_t>(storage.count), element_bytes(storage.type));
      if (bytes != entry->second.size)
        throw FileError(file_, mien::detail::text("storage `", storage.key.substr(0, 40), "`"),
                        mien::detail::text(entry->second.size, " bytes"),
                        mien::detail::text(storage.count, " elements of type ", element_name(storage.type)));
      out.push_back(entry->second);
    }
    return out;
  }

  void add(Walk& walk, const std::string& path, const detail::PickleValue& value, int depth) {
    using detail::PickleKind;
    if (depth > max_depth)
      throw FileError(file_, named(path), "more containers in each other", mien::detail::text("at most ", max_depth));
    if (++walk.visited > detail::PickleReader::max_values)
      throw FileError(file_, named(path), "more values", "fewer: do containers hold each other?");
    switch (value.kind) {
      case PickleKind::none:
        return;
      case PickleKind::boolean:
        return note(path, value.integer != 0 ? "true" : "false");
      case PickleKind::integer:
        return note(path, std::to_string(value.integer));
      case PickleKind::real:
        return note(path, digits(value.real));
      case PickleKind::text:
        return note(path, checked(path, walk.pickle.texts[value.place()]));
      case PickleKind::tensor:
        return add_tensor(walk, path, walk.pickle.tensors[value.place()]);
      case PickleKind::dictionary:
        return add_pairs(walk, path, walk.pickle.containers[value.place()], depth);
      case PickleKind::tuple:
      case PickleKind::list: {
        const auto& values = walk.pickle.containers[value.place()];
        for (std::size_t i = 0; i < values.size(); ++i)
          add(walk, joined(path, std::to_string(i)), values[i], depth + 1);
        return;
      }
      case PickleKind::name:
      case PickleKind::storage:
        throw FileError(file_, named(path), "a class or a storage", "a tensor");
    }
  }

  void add_pairs(Walk& walk, const std::string& path, const std::vector<detail::PickleValue>& pairs, int depth) {
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const detail::PickleValue& key = pairs[i];
      if (key.kind != detail::PickleKind::text && key.kind != detail::PickleKind::integer)
        throw FileError(file_, named(path), "a key of another kind", "texts and integers as keys");
      const std::string word = key.kind == detail::PickleKind::text
                                   ? std::string(checked(path, walk.pickle.texts[key.place()]))
                                   : std::to_string(key.integer);
      add(walk, joined(path, word), pairs[i + 1], depth + 1);
    }
  }

  void add_tensor(const Walk& walk, const std::string& path, const detail::PickledTensor& tensor) {
    const std::string name = path.empty() ? "tensor" : path;
    const detail::PickledStorage& storage = walk.pickle.storages[tensor.storage];
    const Shape shape = shape_of(name, tensor);
    require_in_storage(name, tensor, storage);
    if (names_.size() == max_tensors)
      throw FileError(file_, "", "more tensors", mien::detail::text("at most ", max_tensors));
    spend(name, name.size());
    const detail::SharedBytes& bytes = walk.storages[tensor.storage];
    Entry entry{storage.type, shape, {}};
    const std::size_t begin = static_cast<std::size_t>(tensor.offset) * element_bytes(storage.type);
    entry.data = is_row_major(shape, tensor) ? std::shared_ptr<const std::byte>(bytes.first, bytes.first.get() + begin)
                                             : gathered(name, entry, tensor, bytes.first.get() + begin);
    if (!entries_.emplace(name, std::move(entry)).second)
      throw FileError(file_, place(name), "a second one", "each name once");
    names_.push_back(name);
  }

  Shape shape_of(const std::string& name, const detail::PickledTensor& tensor) const {
    if (tensor.extents.size() != tensor.strides.size() ||
        tensor.extents.size() > static_cast<std::size_t>(Shape::max_rank))
      throw FileError(file_, place(name),
                      mien::detail::text(tensor.extents.size(), " extents and ", tensor.strides.size(), " strides"),
                      mien::detail::text("as many of both, at most ", Shape::max_rank));
    try {
      return Shape(std::span<const Index>(tensor.extents));
    } catch (const ShapeError& error) {
      throw FileError(file_, place(name), error.what(), "a shape that fits in memory");
    }
  }

  void require_in_storage(const std::string& name, const detail::PickledTensor& tensor,
                          const detail::PickledStorage& storage) const {
    const bool empty = std::find(tensor.extents.begin(), tensor.extents.end(), 0) != tensor.extents.end();
    auto last = static_cast<std::uint64_t>(tensor.offset);
    bool fits = tensor.offset <= storage.count;
    for (std::size_t i = 0; i < tensor.extents.size() && fits && !empty; ++i) {
      if (tensor.extents[i] == 1) continue;
      const auto step = detail::checked_product(static_cast<std::uint64_t>(tensor.extents[i] - 1),
                                                static_cast<std::uint64_t>(tensor.strides[i]));
      fits = step && *step <= static_cast<std::uint64_t>(storage.count);
      if (fits) last += *step;
    }
    if (!fits || (!empty && last >= static_cast<std::uint64_t>(storage.count)))
      throw FileError(file_, place(name), "elements beyond its storage",
                      mien::detail::text("all among its ", storage.count, " elements"));
  }

  static bool is_row_major(const Shape& shape, const detail::PickledTensor& tensor) {
    const auto wanted = contiguous_strides(shape);
    for (Index axis = 0; axis < shape.rank(); ++axis) {
      const auto i = static_cast<std::size_t>(axis);
      if (shape[axis] > 1 && tensor.strides[i] != wanted[i]) return shape.elements() == 0;
    }
    return true;
  }

  /// A row-major copy. A stride of 0 can make much of little, so that the bytes of all copies are counted.
  std::shared_ptr<const std::byte> gathered(const std::string& name, const Entry& entry,
                                            const detail::PickledTensor& tensor, const std::byte* first) {
    spend(name, entry.bytes());
    const auto out = std::make_shared<std::vector<std::byte>>(entry.bytes());
    const std::size_t width = element_bytes(entry.type);
    std::array<Index, Shape::max_rank> at{};
    std::array<Index, Shape::max_rank> strides{};
    // The stride of an axis of one element is never taken, and may be any number.
    for (std::size_t axis = 0; axis < tensor.strides.size(); ++axis)
      strides[axis] = tensor.extents[axis] > 1 ? tensor.strides[axis] : 0;
    Index source = 0;
    for (std::size_t done = 0; done < out->size(); done += width) {
      std::memcpy(out->data() + done, first + static_cast<std::size_t>(source) * width, width);
      for (auto axis = static_cast<std::size_t>(entry.shape.rank()); axis-- > 0;) {
        source += strides[axis];
        if (++at[axis] < tensor.extents[axis]) break;
        source -= strides[axis] * tensor.extents[axis];
        at[axis] = 0;
      }
    }
    return {out, out->data()};
  }

  /// Counts what is made from the file: little can ask for much.
  void spend(const std::string& path, std::uint64_t bytes) {
    if (bytes > allowance_)
      throw FileError(file_, named(path), mien::detail::text("another ", bytes, " bytes that are not in the file"),
                      mien::detail::text("at most ", allowance_, " more"));
    allowance_ -= bytes;
  }

  static std::string named(const std::string& path) { return path.empty() ? "the root" : place(path); }

  std::string joined(const std::string& path, const std::string& word) const {
    std::string out = path.empty() ? word : path + "." + word;
    if (out.size() > max_name_bytes)
      throw FileError(file_, place(out), mien::detail::text("a name of ", out.size(), " bytes"),
                      mien::detail::text("at most ", max_name_bytes));
    return out;
  }

  void note(const std::string& path, std::string_view value) {
    spend(path, path.size() + value.size());
    if (!metadata_.emplace(path.empty() ? "value" : path, value).second)
      throw FileError(file_, named(path), "a second value of that name", "each name once");
  }

  /// Throws FileError unless a text is UTF-8.
  std::string_view checked(const std::string& path, std::string_view words) const {
    try {
      static_cast<void>(nlohmann::json(words).dump());
    } catch (const nlohmann::json::exception&) {
      throw FileError(file_, named(path), "a text that is not UTF-8", "UTF-8");
    }
    return words;
  }

  /// The fewest digits that read back as the same number.
  static std::string digits(double value) {
    std::array<char, 32> out{};
    const auto end = std::to_chars(out.data(), out.data() + out.size(), value).ptr;
    return {out.data(), end};
  }

  std::uint64_t allowance_ = 0;  ///< bytes that may still be made
};

/// Reads a whole .pt or .pth file. Throws FileError.
inline PytorchArchive read_pytorch_archive(const std::filesystem::path& path,
                                           std::uint64_t max_bytes = default_max_file_bytes) {
  return PytorchArchive::parse(read_file(path, max_bytes), path.string());
}

}  // namespace mien::io
