#pragma once

/// What is searched: named parameters with the values that each may take, and points, which are one value for each.
///
///     const search::Space space({search::real("learning-rate", 1e-4, 1e-1, search::Scale::logarithmic),
///                                search::integer("width", 16, 128, search::Scale::logarithmic),
///                                search::choice("optimiser", {"adamw", "sgd"}),
///                                search::boolean("nesterov").only_where("optimiser", {"sgd"})});
///
/// Every parameter is an axis of the unit cube: strategies think in the cube, and a space translates. A parameter that
/// holds only where another one has certain values is left out of the points where it does not.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mien/core/error.hpp"
#include "mien/core/shape.hpp"

namespace mien::search {

// --- values and points ----------------------------------------------------------------------------------------------

/// Of a parameter: a yes or no, an integer, a real number, or a word.
using Value = std::variant<bool, Index, double, std::string>;

/// "true", "12", "0.003", "adamw": numbers with the shortest digits that give them back.
inline std::string to_text(const Value& value) {
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* number = std::get_if<Index>(&value)) return std::to_string(*number);
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, std::get<double>(value));
  return {digits, end.ptr};
}

/// A value for each parameter that holds, in the order of the space.
class Point {
 public:
  using Values = std::vector<std::pair<std::string, Value>>;

  Point() = default;
  explicit Point(Values values) : values_(std::move(values)) {}

  const Values& values() const& { return values_; }
  Values values() && { return std::move(values_); }  // A loop over those of a point in passing outlives it.

  /// The value of a parameter; null if the point has none of this name.
  const Value* find(std::string_view name) const {
    for (const auto& [known, value] : values_)
      if (known == name) return &value;
    return nullptr;
  }

  /// As `find`; throws ValueError if there is none.
  const Value& at(std::string_view name) const {
    if (const Value* found = find(name)) return *found;
    throw ValueError(detail::text("Point: no `", name, "` in: ", *this));
  }

  /// "learning-rate 0.003, optimiser adamw"
  std::string to_string() const {
    std::string out;
    for (const auto& [name, value] : values_) out += detail::text(out.empty() ? "" : ", ", name, " ", to_text(value));
    return out;
  }

  bool operator==(const Point&) const = default;

 private:
  Values values_;
};

// --- parameters -----------------------------------------------------------------------------------------------------

enum class Kind { real, integer, choice, boolean };

/// What is equally likely: equal differences, or equal ratios.
enum class Scale { linear, logarithmic };

inline std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::real:
      return "real";
    case Kind::integer:
      return "integer";
    case Kind::choice:
      return "choice";
    case Kind::boolean:
      break;
  }
  return "bool";
}

/// Made by `real`, `integer`, `choice` and `boolean`; checked by the space that takes it.
struct Parameter {
  std::string name = {};
  Kind kind = Kind::real;
  double low = 0;  ///< of numbers, both ends included
  double high = 1;
  Scale scale = Scale::linear;
  std::vector<std::string> choices = {};
  Index levels = 0;            ///< of a grid; 0: as many as the grid has for all
  std::string condition = {};  ///< the parameter whose values decide whether this one holds; empty: it always does
  std::vector<std::string> condition_values = {};

  bool operator==(const Parameter&) const = default;

  /// The same, for points alone where another parameter, a choice or a bool named earlier, has one of these values.
  Parameter only_where(std::string other, std::vector<std::string> values) const {
    Parameter out = *this;
    out.condition = std::move(other);
    out.condition_values = std::move(values);
    return out;
  }

  /// The same with so many levels in a grid.
  Parameter with_levels(Index count) const {
    Parameter out = *this;
    out.levels = count;
    return out;
  }

  /// Whether values lie in an order; if not, any two are equally unlike.
  bool is_ordered() const { return kind == Kind::real || kind == Kind::integer; }

  /// How many values there are; 0 for real numbers.
  Index count() const {
    if (kind == Kind::real) return 0;
    if (kind == Kind::integer) return static_cast<Index>(high - low) + 1;
    return static_cast<Index>(words().size());
  }

  /// The values that are words; those of a bool too.
  std::vector<std::string> words() const {
    return kind == Kind::boolean ? std::vector<std::string>{"false", "true"} : choices;
  }

  /// The value at `place` of [0, 1]. Real numbers are rounded to six digits, so that a table shows all of them, and to
  /// as many more as the ends of a narrow range have in common; integers, words and bools have equal parts of the axis,
  /// integers on a logarithmic scale those of [k - 1/2, k + 1/2].
  Value value_at(double place) const {
    if (kind == Kind::real) return std::clamp(rounded(unscaled(place, low, high)), low, high);
    if (kind == Kind::integer && scale == Scale::logarithmic)
      return static_cast<Index>(std::clamp(std::round(unscaled(place, low - 0.5, high + 0.5)), low, high));
    const Index part = std::min(static_cast<Index>(place * static_cast<double>(count())), count() - 1);
    if (kind == Kind::integer) return static_cast<Index>(low) + part;
    if (kind == Kind::boolean) return part == 1;
    return choices[static_cast<std::size_t>(part)];
  }

  /// Where a value lies in [0, 1]: its own place, or the middle of its part. `value_at` gives it back. Throws
  /// ValueError if it is not one of this parameter's.
  double place_of(const Value& value) const {
    switch (kind) {
      case Kind::real:
        if (const auto* number = std::get_if<double>(&value); number && *number >= low && *number <= high)
          return scaled(*number, low, high);
        break;
      case Kind::integer:
        if (const auto* number = std::get_if<Index>(&value)) {
          const auto exact = static_cast<double>(*number);
          if (exact < low || exact > high) break;
          if (scale == Scale::logarithmic) return scaled(exact, low - 0.5, high + 0.5);
          return middle_of_part(*number - static_cast<Index>(low));
        }
        break;
      case Kind::boolean:
        if (const auto* yes = std::get_if<bool>(&value)) return middle_of_part(*yes ? 1 : 0);
        break;
      case Kind::choice:
        if (const auto* word = std::get_if<std::string>(&value)) {
          const auto found = std::find(choices.begin(), choices.end(), *word);
          if (found != choices.end()) return middle_of_part(found - choices.begin());
        }
        break;
    }
    throw ValueError(detail::text("parameter ", *this, ": ", to_text(value), " is not one of its values"));
  }

  /// All of it but the condition: "`width`: integer from 16 to 128, logarithmic".
  std::string to_string() const {
    std::string out = detail::text("`", name, "`: ", kind_name(kind));
    if (is_ordered()) {
      out += detail::text(" from ", to_text(low), " to ", to_text(high),
                          scale == Scale::logarithmic ? ", logarithmic" : "");
    } else if (kind == Kind::choice) {
      out += detail::text(" of ", quoted(choices));
    }
    if (levels > 0) out += detail::text(", ", levels, " levels");
    return out;
  }

  /// ", where `optimiser` is "sgd" or "adam""; empty if it always holds.
  std::string condition_text() const {
    return condition.empty() ? "" : detail::text(", where `", condition, "` is ", quoted(condition_values));
  }

 private:
  /// "adamw", "adam" or "sgd", each in its quotes: a word may hold commas.
  static std::string quoted(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i)
      out += detail::text(i == 0 ? "" : i + 1 < words.size() ? ", " : " or ", '"', words[i], '"');
    return out;
  }

  /// To digits that leave at least a hundred thousand numbers between the ends, unless double has fewer there.
  double rounded(double value) const {
    const double common = std::floor(std::log10(std::max(std::abs(low), std::abs(high)) / (high - low)));
    const int count = 6 + static_cast<int>(std::clamp(common, 0.0, 11.0));
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, count).ptr;
    std::from_chars(digits, end, value);
    return value;
  }

  double unscaled(double place, double from, double to) const {
    if (scale == Scale::linear) return from + place * (to - from);
    return std::exp(std::log(from) + place * (std::log(to) - std::log(from)));
  }

  double scaled(double value, double from, double to) const {
    if (scale == Scale::linear) return (value - from) / (to - from);
    return (std::log(value) - std::log(from)) / (std::log(to) - std::log(from));
  }

  double middle_of_part(Index part) const { return (static_cast<double>(part) + 0.5) / static_cast<double>(count()); }
};

inline Parameter real(std::string name, double low, double high, Scale scale = Scale::linear) {
  return {.name = std::move(name), .kind = Kind::real, .low = low, .high = high, .scale = scale};
}

inline Parameter integer(std::string name, Index low, Index high, Scale scale = Scale::linear) {
  return {.name = std::move(name),
          .kind = Kind::integer,
          .low = static_cast<double>(low),
          .high = static_cast<double>(high),
          .scale = scale};
}

inline Parameter choice(std::string name, std::vector<std::string> words) {
  return {.name = std::move(name), .kind = Kind::choice, .choices = std::move(words)};
}

inline Parameter boolean(std::string name) { return {.name = std::move(name), .kind = Kind::boolean}; }

// --- spaces ---------------------------------------------------------------------------------------------------------

class Space {
 public:
  /// Throws ValueError that names the parameter: none at all; a name that comes twice or is not of letters, digits, `-`
  /// and `_`; ends that are not finite or not in order, not positive on a logarithmic scale, or not integers; choices
  /// that are empty or come twice; a condition on anything but an earlier choice or bool and its own values.
  explicit Space(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {
    if (parameters_.empty()) throw ValueError("Space: no parameters");
    for (std::size_t i = 0; i < parameters_.size(); ++i) check(i);
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::size_t dimensions() const { return parameters_.size(); }

  /// The point at a place of the unit cube, one number of [0, 1] a parameter. Throws ShapeError, ValueError.
  Point point_at(std::span<const double> place) const {
    if (place.size() != dimensions())
      throw ShapeError(detail::text("Space::point_at: ", place.size(), " numbers for ", dimensions(), " parameters"));
    Point::Values values;
    for (std::size_t i = 0; i < dimensions(); ++i) {
      if (!(place[i] >= 0 && place[i] <= 1))
        throw ValueError(detail::text("Space::point_at: `", parameters_[i].name, "` at ", place[i], " of [0, 1]"));
      if (holds(parameters_[i], values)) values.emplace_back(parameters_[i].name, parameters_[i].value_at(place[i]));
    }
    return Point(std::move(values));
  }

  /// Where a point lies in the unit cube; at 1/2 for parameters that do not hold. Throws ValueError for a point that is
  /// not of this space.
  std::vector<double> place_of(const Point& point) const {
    std::vector<double> place(dimensions(), 0.5);
    std::size_t used = 0;
    for (std::size_t i = 0; i < dimensions(); ++i) {
      const bool wanted = holds(parameters_[i], point.values());
      const Value* found = point.find(parameters_[i].name);
      if (wanted != (found != nullptr))
        throw ValueError(detail::text("Space: the point ", point, wanted ? " has no " : " has a needless ", "`",
                                      parameters_[i].name, "`"));
      if (!found) continue;
      place[i] = parameters_[i].place_of(*found);
      ++used;
    }
    if (used != point.values().size()) throw ValueError(detail::text("Space: more than is known in the point ", point));
    return place;
  }

  /// Where the point at `place` lies: the same place for all that make the same point, but for rounding.
  std::vector<double> snapped(std::span<const double> place) const { return place_of(point_at(place)); }

  /// Which axes are those of choices and bools.
  std::vector<bool> unordered_axes() const {
    std::vector<bool> out;
    for (const Parameter& parameter : parameters_) out.push_back(!parameter.is_ordered());
    return out;
  }

  /// How `other` differs, for people; empty if it does not.
  std::string difference(const Space& other) const {
    const std::size_t common = std::min(dimensions(), other.dimensions());
    const auto first = static_cast<std::size_t>(std::mismatch(parameters_.begin(),
                                                              parameters_.begin() + static_cast<std::ptrdiff_t>(common),
                                                              other.parameters_.begin())
                                                    .first -
                                                parameters_.begin());
    if (first == std::max(dimensions(), other.dimensions())) return "";
    const auto text_in = [first](const Space& space) {
      return first < space.dimensions() ? whole_text(space.parameters_[first]) : "nothing";
    };
    return detail::text("parameter ", first + 1, " is ", text_in(*this), "; in the other space ", text_in(other));
  }

 private:
  static std::string whole_text(const Parameter& parameter) {
    return parameter.to_string() + parameter.condition_text();
  }

  static bool holds(const Parameter& parameter, const Point::Values& values) {
    if (parameter.condition.empty()) return true;
    const auto& allowed = parameter.condition_values;
    return std::any_of(values.begin(), values.end(), [&](const auto& named) {
      return named.first == parameter.condition &&
             std::find(allowed.begin(), allowed.end(), to_text(named.second)) != allowed.end();
    });
  }

  [[noreturn]] static void fail(const Parameter& parameter, std::string_view problem) {
    throw ValueError(detail::text("Space: parameter ", parameter, ": ", problem));
  }

  void check(std::size_t i) const {
    const Parameter& parameter = parameters_[i];
    check_name(parameter);
    const auto earlier = std::span(parameters_).first(i);
    if (std::any_of(earlier.begin(), earlier.end(), [&](const auto& other) { return other.name == parameter.name; }))
      fail(parameter, "this name comes twice");
    if (parameter.levels < 0) fail(parameter, "levels cannot be negative");
    if (parameter.is_ordered()) check_ends(parameter);
    if (parameter.kind == Kind::choice) check_choices(parameter);
    if (!parameter.condition.empty()) check_condition(parameter, earlier);
  }

  static void check_name(const Parameter& parameter) {
    const auto allowed = [](char letter) {
      return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
             letter == '-' || letter == '_';
    };
    const std::string& name = parameter.name;
    if (name.empty() || name.front() == '-' || !std::all_of(name.begin(), name.end(), allowed))
      fail(parameter, "a name is of letters, digits, `-` and `_`, and does not begin with `-`");
  }

  static void check_ends(const Parameter& parameter) {
    const double low = parameter.low;
    const double high = parameter.high;
    if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low) || !(low < high))
      fail(parameter, "the low end has to be below the high one, both finite");
    if (parameter.scale == Scale::logarithmic && !(low > 0)) fail(parameter, "a logarithmic scale begins above 0");
    if (parameter.kind != Kind::integer) return;
    if (low != std::floor(low) || high != std::floor(high) || std::max(std::abs(low), std::abs(high)) > 0x1p52)
      fail(parameter, "both ends have to be integers, of no more than 2^52");
  }

  static void check_choices(const Parameter& parameter) {
    auto sorted = parameter.choices;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.empty()) fail(parameter, "there is nothing to choose from");
    if (sorted.front().empty()) fail(parameter, "a choice is an empty word");
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) fail(parameter, "a choice comes twice");
  }

  static void check_condition(const Parameter& parameter, std::span<const Parameter> earlier) {
    const auto other = std::find_if(earlier.begin(), earlier.end(),
                                    [&](const auto& known) { return known.name == parameter.condition; });
    if (other == earlier.end() || other->is_ordered())
      fail(parameter,
           detail::text("its condition is on `", parameter.condition, "`, which is no choice or bool named earlier"));
    const auto known = other->words();
    if (parameter.condition_values.empty()) fail(parameter, "its condition has no values");
    for (const std::string& word : parameter.condition_values)
      if (std::find(known.begin(), known.end(), word) == known.end())
        fail(parameter, detail::text("its condition is on `", word, "`, which is no value of `", other->name, "`"));
  }

  std::vector<Parameter> parameters_;
};

}  // namespace mien::search
