#include "model_metadata.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "mien/io/json.hpp"

namespace mien::examples {
namespace {

/// With a limit of depth, since metadata is text to the file's own header.
Json parse(const std::string& words, const std::string& path) { return io::parse_json(words, path + ": __metadata__"); }

}  // namespace

namespace {

/// What a form has as real numbers. Elsewhere one would be cut to an integer, or lie beyond all of them.
constexpr std::array<std::string_view, 5> real_numbers{"deviation", "margin", "mean", "sigma", "zoom"};

void require_real(double value, const std::string& key, const std::string& path) {
  if (std::find(real_numbers.begin(), real_numbers.end(), key) == real_numbers.end())
    throw FileError(path, "__metadata__: options", detail::text(key, " ", value), "an integer");
  constexpr auto most = static_cast<double>(largest_count);
  if (!(std::abs(value) <= most))
    throw FileError(path, "__metadata__: options", detail::text(key, " ", value), detail::text(-most, " to ", most));
}

void require_bounds(const Json& value, const std::string& key, const std::string& path) {
  if (value.is_array())
    for (const auto& part : value) require_bounds(part, key, path);
  if (value.is_number_float()) require_real(value.get<double>(), key, path);
  if (!value.is_number_integer()) return;
  const Index most = key == "width" || key == "widths" ? largest_width : largest_count;
  const bool fits = value.is_number_unsigned() ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                                               : value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() <= most;
  if (!fits) throw FileError(path, "__metadata__: options", key + " " + value.dump(), detail::text("0 to ", most));
}

}  // namespace

void require_bounds(const Json& form, const std::string& path) {
  if (!form.is_object()) throw FileError(path, "__metadata__: options", form.type_name(), "an object");
  for (const auto& [key, value] : form.items()) require_bounds(value, key, path);
}

Json model_options(const io::Metadata& metadata, const std::string& path, const char* model) {
  const auto kind = metadata.find("model");
  if (kind == metadata.end() || kind->second != model)
    throw FileError(path, "__metadata__", kind == metadata.end() ? "no `model`" : "model `" + kind->second + "`",
                    detail::text("a model `", model, "` that one of the training programs saved"));
  const auto words = metadata.find("options");
  if (words == metadata.end()) throw FileError(path, "__metadata__", "no `options`", "the model's form");
  return parse(words->second, path);
}

std::vector<std::string> model_class_names(const io::Metadata& metadata, const std::string& path) {
  const auto words = metadata.find("class_names");
  if (words == metadata.end()) throw FileError(path, "__metadata__", "no `class_names`", "the classes' names");
  const Json names = parse(words->second, path);
  if (!names.is_array() || !std::all_of(names.begin(), names.end(), [](const Json& name) { return name.is_string(); }))
    throw FileError(path, "__metadata__: class_names", "something else", "a list of names");
  return names.get<std::vector<std::string>>();
}

const std::map<std::string, data::Fit>& fits() {
  static const std::map<std::string, data::Fit> names{
      {"crop", data::Fit::crop}, {"letterbox", data::Fit::letterbox}, {"stretch", data::Fit::stretch}};
  return names;
}

void add_frame(Json& form, const data::FrameOptions& frame) {
  form["side"] = frame.side;
  form["channels"] = frame.channels;
  form["fit"] = name_of(fits(), frame.fit);
  form["zoom"] = frame.zoom;
  form["mean"] = frame.normalisation.mean;
  form["deviation"] = frame.normalisation.deviation;
}

data::FrameOptions stored_frame(const Json& form) {
  return {
      .side = form.at("side"),
      .channels = form.at("channels"),
      .fit = fits().at(form.at("fit")),
      .zoom = form.at("zoom"),
      .normalisation = {form.at("mean").get<std::array<float, 3>>(), form.at("deviation").get<std::array<float, 3>>()}};
}

}  // namespace mien::examples
