#pragma once

/// Which point to try next: a grid, or by chance. bayesian.hpp has one that learns.
///
///     search::RandomSearch strategy(space, {.seed = 1});
///     while (const auto point = strategy.ask()) strategy.tell(*point, loss_with(*point));

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/search/space.hpp"
#include "mien/search/trial.hpp"

namespace mien::search {

/// No strategy proposes a point twice. Which one comes next is a function of the points asked for so far, of what was
/// told of them, and of the seed: whoever repeats these by `resume` and `tell` gets the same points to the bit. Any
/// number of threads may ask and tell.
class Strategy {
 public:
  explicit Strategy(Space space) : space_(std::move(space)) {}
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;
  virtual ~Strategy() = default;

  const Space& space() const { return space_; }

  /// The next point, which is pending from now on; nothing if none can be found that was not tried.
  std::optional<Point> ask() {
    const std::lock_guard lock(mutex_);
    auto point = propose();
    if (point) add(*point);
    return point;
  }

  /// As if `ask` had returned this point. Throws ValueError if it was asked for or told of before.
  void resume(const Point& point) {
    const std::lock_guard lock(mutex_);
    if (!is_new(point)) throw ValueError(detail::text("Strategy: asked for twice: ", point));
    add(point);
  }

  /// The value of a point that is pending, or of one that was never asked for. Throws ValueError if it was told before,
  /// or if the value is not finite.
  void tell(const Point& point, double value) {
    if (!std::isfinite(value)) throw ValueError(detail::text("Strategy: the value ", value, " of: ", point));
    settle(point, TrialState::finished, value);
  }

  /// The point has no value, and there will be none.
  void tell_failed(const Point& point) { settle(point, TrialState::failed, 0); }

 protected:
  struct Try {
    Point point;
    std::vector<double> place;
    TrialState state = TrialState::running;
    double value = 0;
  };

  virtual std::optional<Point> propose() = 0;

  const std::vector<Try>& tries() const { return tries_; }

  bool is_new(const Point& point) const { return !seen_.contains(point.values()); }

  /// By chance, equally likely everywhere in the cube; nothing if a thousand draws bring nothing new.
  std::optional<Point> random_point(Generator& generator) const {
    std::vector<double> place(space_.dimensions());
    for (int attempt = 0; attempt < 1000; ++attempt) {
      for (double& coordinate : place) coordinate = generator.uniform();
      Point point = space_.point_at(place);
      if (is_new(point)) return point;
    }
    return {};
  }

 private:
  Try& add(const Point& point) {
    auto place = space_.place_of(point);
    seen_.insert(point.values());
    return tries_.emplace_back(Try{point, std::move(place)});
  }

  void settle(const Point& point, TrialState state, double value) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(tries_.begin(), tries_.end(), [&](const Try& one) { return one.point == point; });
    Try& one = found != tries_.end() ? *found : add(point);
    if (one.state != TrialState::running) throw ValueError(detail::text("Strategy: told of twice: ", point));
    one.state = state;
    one.value = value;
  }

  Space space_;
  std::mutex mutex_;
  std::vector<Try> tries_;
  std::set<Point::Values> seen_;
};

struct RandomSearchOptions {
  std::uint64_t seed = 0;
};

/// Points by chance, each independent of all others (Bergstra and Bengio 2012).
class RandomSearch : public Strategy {
 public:
  explicit RandomSearch(Space space, const RandomSearchOptions& options = {})
      : Strategy(std::move(space)), options_(options) {}

 protected:
  std::optional<Point> propose() override {
    Generator generator = Generator(options_.seed).split(tries().size());
    return random_point(generator);
  }

 private:
  RandomSearchOptions options_;
};

struct GridSearchOptions {
  /// Of real numbers and integers whose parameter does not say how many; equally far apart on its scale, both ends
  /// included, or the middle for one alone. Choices and bools have all their values, and so have integers that have no
  /// more than there are levels.
  Index levels = 3;
};

/// Every combination of the levels, the last parameter changing fastest. Combinations that differ in parameters alone
/// that do not hold are one point.
class GridSearch : public Strategy {
 public:
  /// Throws ValueError if `levels` is not positive, or if there are more than a million combinations.
  explicit GridSearch(Space space, const GridSearchOptions& options = {}) : Strategy(std::move(space)) {
    if (options.levels < 1) throw ValueError(detail::text("GridSearch: ", options.levels, " levels"));
    for (const Parameter& parameter : this->space().parameters()) {
      const Index count = level_count(parameter, options.levels);
      if (count > max_combinations / combinations_)
        throw ValueError(detail::text("GridSearch: more than ", max_combinations, " combinations, with ", count,
                                      " levels of parameter ", parameter));
      combinations_ *= count;
      axes_.push_back(levels_of(parameter, count));
    }
  }

  /// All combinations of levels, those that are the same point included.
  Index combinations() const { return combinations_; }

 protected:
  std::optional<Point> propose() override {
    while (next_ < combinations_) {
      Point point = space().point_at(place_of(next_++));
      if (is_new(point)) return point;
    }
    return {};
  }

 private:
  static constexpr Index max_combinations = 1'000'000;

  static Index level_count(const Parameter& parameter, Index usual) {
    if (!parameter.is_ordered()) return parameter.count();
    const Index wanted = parameter.levels > 0 ? parameter.levels : usual;
    return parameter.count() > 0 ? std::min(wanted, parameter.count()) : wanted;
  }

  static std::vector<double> levels_of(const Parameter& parameter, Index count) {
    std::vector<double> out;
    if (!parameter.is_ordered()) {
      for (const std::string& word : parameter.words())
        out.push_back(parameter.place_of(parameter.kind == Kind::boolean ? Value(word == "true") : Value(word)));
    } else if (count == parameter.count()) {
      // Places that are equally far apart on a logarithmic scale would miss some integers.
      for (Index i = 0; i < count; ++i) out.push_back(parameter.place_of(static_cast<Index>(parameter.low) + i));
    } else if (count == 1) {
      out.push_back(0.5);
    } else {
      for (Index i = 0; i < count; ++i) out.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
    }
    return out;
  }

  std::vector<double> place_of(Index combination) const {
    std::vector<double> place(axes_.size());
    for (std::size_t i = axes_.size(); i-- > 0;) {
      const auto count = static_cast<Index>(axes_[i].size());
      place[i] = axes_[i][static_cast<std::size_t>(combination % count)];
      combination /= count;
    }
    return place;
  }

  std::vector<std::vector<double>> axes_;
  Index combinations_ = 1;
  Index next_ = 0;
};

}  // namespace mien::search
