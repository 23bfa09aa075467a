#pragma once

/// Spaces and points as JSON.
///
///     {"parameters": [
///       {"name": "learning-rate", "type": "real", "low": 1e-4, "high": 1e-1, "scale": "log"},
///       {"name": "width", "type": "integer", "low": 16, "high": 64, "levels": 4},
///       {"name": "optimiser", "type": "choice", "values": ["adamw", "sgd"]},
///       {"name": "class-weights", "type": "bool", "only_where": {"optimiser": ["sgd"]}}
///     ]}

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/io/json.hpp"
#include "mien/search/space.hpp"

namespace mien::search {

namespace detail {

using mien::detail::text;

/// One of the objects of `parameters`, with errors that say which.
class ParameterReader {
 public:
  ParameterReader(const nlohmann::json& object, std::string_view file, std::size_t number)
      : object_(object), file_(file), place_(text("parameter ", number)) {
    if (!object_.is_object()) fail("no object", "an object");
    if (const auto name = object_.find("name"); name != object_.end() && name->is_string())
      place_ += text(" `", name->get<std::string>(), "`");
  }

  Parameter read() const {
    Parameter out{.name = word("name")};
    const std::string type = word("type");
    if (type == "real" || type == "integer") {
      allow({"name", "type", "low", "high", "scale", "levels", "only_where"});
      out.kind = type == "real" ? Kind::real : Kind::integer;
      out.low = number("low");
      out.high = number("high");
      if (object_.contains("scale")) out.scale = scale();
      if (object_.contains("levels")) out.levels = levels();
    } else if (type == "choice") {
      allow({"name", "type", "values", "only_where"});
      out.kind = Kind::choice;
      out.choices = words(get("values"), "values");
    } else if (type == "bool") {
      allow({"name", "type", "only_where"});
      out.kind = Kind::boolean;
    } else {
      fail(text("type `", type, "`"), "real, integer, choice or bool");
    }
    if (const auto condition = object_.find("only_where"); condition != object_.end()) {
      if (!condition->is_object() || condition->size() != 1) fail("`only_where`", "an object of one parameter's name");
      out.condition = condition->begin().key();
      out.condition_values = words(condition->begin().value(), "only_where");
    }
    return out;
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, place_, found, expected);
  }

  const nlohmann::json& get(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) fail(text("no `", key, "`"), "one");
    return *found;
  }

  std::string word(const char* key) const {
    if (!get(key).is_string()) fail(text("`", key, "` of another type"), "a string");
    return get(key).get<std::string>();
  }

  double number(const char* key) const {
    if (!get(key).is_number()) fail(text("`", key, "` of another type"), "a number");
    return get(key).get<double>();
  }

  Scale scale() const {
    const std::string name = word("scale");
    if (name != "linear" && name != "log") fail(text("scale `", name, "`"), "linear or log");
    return name == "log" ? Scale::logarithmic : Scale::linear;
  }

  Index levels() const {
    const auto& value = get("levels");
    if (!value.is_number_integer() || value.get<double>() < 1 || value.get<double>() > 1e6)
      fail("`levels` of another kind", "an integer from 1 to a million");
    return value.get<Index>();
  }

  /// A list of strings, or of true and false.
  std::vector<std::string> words(const nlohmann::json& list, const char* key) const {
    if (!list.is_array()) fail(text("`", key, "` without a list"), "a list of strings");
    std::vector<std::string> out;
    for (const auto& one : list) {
      if (!one.is_string() && !one.is_boolean()) fail(text("`", key, "` of another type"), "a list of strings");
      out.push_back(one.is_string() ? one.get<std::string>() : one.get<bool>() ? "true" : "false");
    }
    return out;
  }

  /// A key that nobody reads is most likely one that was written wrongly.
  void allow(std::initializer_list<std::string_view> known) const {
    for (const auto& item : object_.items())
      if (std::find(known.begin(), known.end(), item.key()) == known.end())
        fail(text("`", item.key(), "`"), "no key that is not known for this type");
  }

  const nlohmann::json& object_;
  std::string_view file_;
  std::string place_;
};

}  // namespace detail

/// `file` is only named in errors. Throws FileError for what is no space, with the reason that `Space` gives.
inline Space space_from_json(const nlohmann::json& json, std::string_view file = "space") {
  const auto list = json.is_object() ? json.find("parameters") : json.end();
  if (!json.is_object() || json.size() != 1 || list == json.end() || !list->is_array())
    throw FileError(file, "", "something else", "an object with one key, `parameters`, and a list in it");
  std::vector<Parameter> parameters;
  for (const auto& object : *list)
    parameters.push_back(detail::ParameterReader(object, file, parameters.size() + 1).read());
  try {
    return Space(std::move(parameters));
  } catch (const ValueError& error) {
    throw FileError(file, "", error.what(), "a space");
  }
}

inline Space read_space(const std::filesystem::path& path) {
  return space_from_json(io::read_json(path, std::uint64_t{1} << 20), path.string());
}

/// What `space_from_json` makes the same space of.
inline nlohmann::json to_json(const Space& space) {
  nlohmann::json list = nlohmann::json::array();
  for (const Parameter& parameter : space.parameters()) {
    nlohmann::json one = {{"name", parameter.name}, {"type", kind_name(parameter.kind)}};
    if (parameter.is_ordered()) {
      one["low"] = parameter.low;
      one["high"] = parameter.high;
      one["scale"] = parameter.scale == Scale::logarithmic ? "log" : "linear";
      if (parameter.levels > 0) one["levels"] = parameter.levels;
    } else if (parameter.kind == Kind::choice) {
      one["values"] = parameter.choices;
    }
    if (!parameter.condition.empty()) one["only_where"][parameter.condition] = parameter.condition_values;
    list.push_back(std::move(one));
  }
  return {{"parameters", std::move(list)}};
}

/// {"learning-rate": 0.003, "optimiser": "adamw"}
inline nlohmann::json to_json(const Point& point) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, value] : point.values())
    std::visit([&, &key = name](const auto& plain) { out[key] = plain; }, value);
  return out;
}

/// The point of `space` that `to_json` wrote. Throws ValueError for what is none.
inline Point point_from_json(const nlohmann::json& json, const Space& space) {
  if (!json.is_object()) throw ValueError("point: no object");
  Point::Values values;
  for (const Parameter& parameter : space.parameters()) {
    const auto found = json.find(parameter.name);
    if (found == json.end()) continue;
    if (parameter.kind == Kind::boolean && found->is_boolean()) {
      values.emplace_back(parameter.name, found->get<bool>());
    } else if (parameter.kind == Kind::choice && found->is_string()) {
      values.emplace_back(parameter.name, found->get<std::string>());
    } else if (const auto integer = io::json_integer(*found); parameter.kind == Kind::integer && integer) {
      values.emplace_back(parameter.name, *integer);
    } else if (parameter.kind == Kind::real && found->is_number()) {
      values.emplace_back(parameter.name, found->get<double>());
    } else {
      throw ValueError(detail::text("point: a value of another type for ", parameter));
    }
  }
  if (values.size() != json.size()) throw ValueError(detail::text("point: not of this space: ", json.dump()));
  Point point(std::move(values));
  static_cast<void>(space.place_of(point));
  return point;
}

}  // namespace mien::search
