#pragma once

// What an SVG drawing has in it, so that tests can ask where things lie.

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace testing {

struct Place {
  double x = 0;
  double y = 0;
};

/// A line, a rectangle, a circle, a text, a path or a picture.
struct Element {
  std::string tag = {};
  std::map<std::string, std::string> attributes = {};
  std::string group = {};  ///< the class of the innermost group that it is in, which has its colour
  std::string words = {};  ///< of a text, or the title that a pointer finds

  double operator[](const std::string& name) const {
    REQUIRE_MESSAGE(attributes.count(name) == 1, tag, " without ", name);
    return std::strtod(attributes.at(name).c_str(), nullptr);
  }

  /// All places that a path of M, L, l, h, v, a and Z goes through.
  std::vector<Place> path() const {
    std::vector<Place> out;
    const std::string& d = attributes.at("d");
    Place at;
    for (std::size_t i = 0; i < d.size();) {
      const char command = d[i++];
      if (command == 'Z') continue;
      std::vector<double> numbers;
      while (i < d.size() && std::isalpha(static_cast<unsigned char>(d[i])) == 0) {
        char* end = nullptr;
        numbers.push_back(std::strtod(d.c_str() + i, &end));
        i = static_cast<std::size_t>(end - d.c_str());
        while (i < d.size() && d[i] == ' ') ++i;
      }
      const bool absolute = std::isupper(static_cast<unsigned char>(command)) != 0;
      const std::size_t step = command == 'h' || command == 'v' ? 1 : command == 'a' ? 7 : 2;
      REQUIRE(numbers.size() % step == 0);
      for (std::size_t n = 0; n < numbers.size(); n += step) {
        const double across = command == 'v' ? 0 : numbers[n + step - (step > 1 ? 2 : 1)];
        const double down = command == 'h' ? 0 : numbers[n + step - 1];
        at = {(absolute ? 0 : at.x) + across, (absolute ? 0 : at.y) + down};
        out.push_back(at);
      }
    }
    return out;
  }

  /// The middle of a path's extent.
  Place middle() const {
    const auto places = path();
    const auto by_x = std::minmax_element(places.begin(), places.end(), [](Place a, Place b) { return a.x < b.x; });
    const auto by_y = std::minmax_element(places.begin(), places.end(), [](Place a, Place b) { return a.y < b.y; });
    return {(by_x.first->x + by_x.second->x) / 2, (by_y.first->y + by_y.second->y) / 2};
  }
};

/// The elements of an SVG text, in their order.
class Drawing {
 public:
  explicit Drawing(const std::string& svg) {
    std::vector<std::string> groups;
    for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
      const std::size_t end = svg.find('>', at);
      const Element element = read(svg.substr(at + 1, end - at - 1));
      const std::string words = svg.substr(end + 1, svg.find('<', end) - end - 1);
      if (element.tag == "g") {
        groups.push_back(look(element));
      } else if (element.tag == "/g") {
        groups.pop_back();
      } else if (element.tag == "title") {
        elements_.back().words = words;
      } else if (element.tag.front() != '/') {
        elements_.push_back(element);
        if (!groups.empty()) elements_.back().group = groups.back();
        if (element.tag == "text") elements_.back().words = words;
      }
    }
    const std::string& box = elements_.at(0).attributes.at("viewBox");
    width_ = std::strtod(box.c_str() + 4, nullptr);
    height_ = std::strtod(box.c_str() + box.rfind(' '), nullptr);
  }

  double width() const { return width_; }
  double height() const { return height_; }

  /// Those of a tag and a class.
  std::vector<Element> all(const std::string& tag, const std::string& of_class) const {
    std::vector<Element> out;
    for (const Element& element : elements_)
      if (element.tag == tag && look(element) == of_class) out.push_back(element);
    return out;
  }

  Element only(const std::string& tag, const std::string& of_class) const {
    const auto found = all(tag, of_class);
    REQUIRE_MESSAGE(found.size() == 1, found.size(), " of ", tag, ", ", of_class);
    return found.front();
  }

  /// The text that says so.
  Element text(const std::string& words) const {
    for (const Element& element : elements_)
      if (element.tag == "text" && element.words == words) return element;
    FAIL("no text ", words);
    return {};
  }

  /// Texts of a class that are numbers, as those beside an axis, each with its number.
  std::vector<std::pair<double, Element>> numbers(const std::string& of_class) const {
    std::vector<std::pair<double, Element>> out;
    for (const Element& element : all("text", of_class)) {
      char* end = nullptr;
      const double number = std::strtod(element.words.c_str(), &end);
      if (end != element.words.c_str()) out.emplace_back(number, element);
    }
    return out;
  }

  const std::vector<Element>& elements() const { return elements_; }

 private:
  static std::string look(const Element& element) {
    const auto found = element.attributes.find("class");
    return found == element.attributes.end() ? "" : found->second;
  }

  static Element read(const std::string& inside) {
    Element element{.tag = inside.substr(0, inside.find_first_of(" /", 1))};
    for (std::size_t at = inside.find("=\""); at != std::string::npos;) {
      const std::size_t name = inside.rfind(' ', at) + 1;
      const std::size_t end = inside.find('"', at + 2);
      element.attributes[inside.substr(name, at - name)] = inside.substr(at + 2, end - at - 2);
      at = inside.find("=\"", end);
    }
    return element;
  }

  std::vector<Element> elements_;
  double width_ = 0;
  double height_ = 0;
};

/// Coordinates have two decimals.
inline bool near(double a, double b, double within = 0.02) { return std::abs(a - b) <= within; }

/// Where a value lies, as the first and the last of some labelled places say. All others have to lie there too.
class Scale {
 public:
  explicit Scale(const std::vector<std::pair<double, double>>& labels) {
    REQUIRE(labels.size() >= 2);
    begin_ = labels.front();
    end_ = labels.back();
    for (const auto& [value, place] : labels)
      CHECK_MESSAGE(near((*this)(value), place), value, " at ", place, ", expected at ", (*this)(value));
  }
  double operator()(double value) const {
    return begin_.second + (value - begin_.first) / (end_.first - begin_.first) * (end_.second - begin_.second);
  }

 private:
  std::pair<double, double> begin_;
  std::pair<double, double> end_;
};

/// Of numbers under an axis: their middles.
inline Scale scale_across(const Drawing& drawing) {
  std::vector<std::pair<double, double>> places;
  for (const auto& [number, label] : drawing.numbers("label middle")) places.emplace_back(number, label["x"]);
  return Scale(places);
}

/// Of numbers beside an axis. Letters stand with their feet 4 below what they belong to.
inline Scale scale_down(const std::vector<std::pair<double, Element>>& labels) {
  std::vector<std::pair<double, double>> places;
  for (const auto& [number, label] : labels) places.emplace_back(number, label["y"] - 4);
  return Scale(places);
}

/// That nothing that has a place lies outside the drawing.
inline void check_inside(const Drawing& drawing) {
  const auto is_inside = [&](double x, double y) {
    return x >= 0 && x <= drawing.width() && y >= 0 && y <= drawing.height();
  };
  for (const Element& element : drawing.elements()) {
    CAPTURE(element.tag);
    CAPTURE(element.words);
    if (element.attributes.count("x") == 1) CHECK(is_inside(element["x"], element["y"]));
    if (element.attributes.count("width") == 1)
      CHECK(is_inside(element["x"] + element["width"], element["y"] + element["height"]));
    if (element.attributes.count("cx") == 1) CHECK(is_inside(element["cx"], element["cy"]));
    if (element.attributes.count("x2") == 1) {
      CHECK(is_inside(element["x1"], element["y1"]));
      CHECK(is_inside(element["x2"], element["y2"]));
    }
    if (element.attributes.count("d") == 1)
      for (const Place& place : element.path()) CHECK(is_inside(place.x, place.y));
  }
}

}  // namespace testing
