#pragma once

/// From the trace of a network to a graph of ONNX: a function for each operation that says what it does.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numbers>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "mien/io/detail/onnx_graph.hpp"
#include "mien/io/detail/recorded_trace.hpp"
#include "mien/version.hpp"

namespace mien::io::detail {

/// The name of an operator, as a template's argument.
struct OnnxOperator {
  template <std::size_t size>
  constexpr OnnxOperator(const char (&letters)[size]) {
    std::copy_n(letters, size, text);
  }
  char text[16] = {};
};

/// Turns a trace into a graph. Maps [..., H, W, C] have two forms there, which are made when somebody needs them: with
/// the library's axes, and as planes [N, C, H, W], where N is all leading axes in one.
class OnnxTranslator {
 public:
  /// `other` is the trace of a batch that is larger by one; `parameter_names` by the place of their elements.
  OnnxTranslator(const RecordedTrace& trace, const RecordedTrace& other,
                 std::map<const void*, std::string> parameter_names)
      : trace_(trace), other_(other), parameter_names_(std::move(parameter_names)), forms_(trace.values.size()) {
    if (trace.steps.size() != other.steps.size() || trace.values.size() != other.values.size())
      throw ValueError("io::save_onnx: the network does something else for another batch");
  }

  void add_input(const std::string& name, std::size_t value) {
    graph_.reserve(name);
    if (batch_source_.empty()) {
      batch_source_ = name;
      batch_ = shape(value)[0];
    }
    graph_.add_input(name, extents(value), free_extent(name, value));
    forms_[value].plain = name;
    inputs_.insert(value);
  }

  /// Translates all that the outputs depend on, in the order in which it was computed.
  void translate(const std::vector<std::pair<std::string, std::size_t>>& outputs) {
    for (const auto& [name, unused] : outputs) graph_.reserve(name);
    std::vector<bool> needed(trace_.steps.size(), false);
    std::vector<std::size_t> open;
    for (const auto& [unused, value] : outputs) open.push_back(value);
    while (!open.empty()) {
      const TracedValue& value = trace_.values[open.back()];
      open.pop_back();
      if (!value.untraced.empty())
        throw ValueError(mien::detail::text("io::save_onnx: ", value.untraced, " has no form in ONNX yet"));
      if (value.step == TracedValue::none || needed[value.step]) continue;
      needed[value.step] = true;
      for (const std::size_t input : trace_.steps[value.step].inputs)
        if (input != TracedValue::none) open.push_back(input);
    }
    for (std::size_t i = 0; i < needed.size(); ++i)
      if (needed[i]) translate_step(i);
    for (const auto& [name, value] : outputs) {
      graph_.add_named(plain(value), name);
      graph_.add_output(name, extents(value), free_extent(name, value));
    }
  }

  std::string serialize(std::string_view graph_name, const std::map<std::string, std::string>& metadata) const {
    return graph_.serialize(graph_name, "Maps have their channels last: [batch, ..., height, width, channels].",
                            version(), metadata);
  }

 private:
  struct Forms {
    std::string plain;
    std::string planes;
  };
  using Step = const TracedStep&;
  using Translation = void (OnnxTranslator::*)(Step);

  // --- values ---

  Shape shape(std::size_t value) const { return trace_.values[value].shape(); }

  /// The extents of a value, -1 for the one that grows with the batch.
  std::vector<Index> extents(std::size_t value) const {
    const Shape here = trace_.values[value].shape();
    const Shape there = other_.values[value].shape();
    if (here.rank() != there.rank()) throw ValueError("io::save_onnx: ranks that depend on the batch");
    std::vector<Index> out;
    for (Index axis = 0; axis < here.rank(); ++axis) out.push_back(here[axis] == there[axis] ? here[axis] : -1);
    if (std::count(out.begin(), out.end(), -1) > 1)
      throw ValueError(mien::detail::text("io::save_onnx: several axes of ", here, " depend on the batch"));
    return out;
  }

  /// What the free extent of the value `name` is called: readers take those of one name to be equal.
  std::string free_extent(const std::string& name, std::size_t value) const {
    const std::vector<Index> all = extents(value);
    const auto axis = std::find(all.begin(), all.end(), -1) - all.begin();
    const bool is_batch = axis == std::ssize(all) || shape(value)[axis] == batch_;
    return is_batch ? "batch" : name + "_extent";
  }

  bool is_constant(std::size_t value) const {
    return trace_.values[value].step == TracedValue::none && !inputs_.contains(value);
  }

  /// To the bit, so that NaN is the same as itself.
  static bool are_same(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }

  /// A constant's numbers; they must not depend on what goes in.
  std::vector<float> numbers(std::size_t value) const {
    if (!is_constant(value)) throw ValueError("io::save_onnx: a weight that is computed has no form in ONNX yet");
    std::vector<float> here = trace_.values[value].numbers();
    const std::vector<float> there = other_.values[value].numbers();
    if (!std::equal(here.begin(), here.end(), there.begin(), there.end(), are_same))
      throw ValueError(mien::detail::text("io::save_onnx: a value ", shape(value),
                                          " depends on the inputs, but nothing said how it was made"));
    return here;
  }

  std::string name_of(std::size_t value) const {
    const auto* const tensor = std::get_if<Tensor<float>>(&trace_.values[value].tensor);
    const auto* const wide = std::get_if<Tensor<double>>(&trace_.values[value].tensor);
    const void* const place = tensor != nullptr ? static_cast<const void*>(tensor->data()) : wide->data();
    const auto known = parameter_names_.find(place);
    return known == parameter_names_.end() ? "constant" : known->second;
  }

  /// A constant with its axes in another order.
  std::string constant(std::size_t value, std::vector<Index> order) {
    const std::vector<float> from = numbers(value);
    const Shape before = shape(value);
    const auto strides = contiguous_strides(before);
    std::vector<Index> after;
    for (const Index axis : order) after.push_back(before[axis]);
    std::vector<float> to;
    std::vector<Index> at(order.size(), 0);
    for (std::size_t i = 0; i < from.size(); ++i) {
      Index place = 0;
      for (std::size_t axis = 0; axis < order.size(); ++axis)
        place += at[axis] * strides[static_cast<std::size_t>(order[axis])];
      to.push_back(from[static_cast<std::size_t>(place)]);
      for (std::size_t axis = order.size(); axis-- > 0;) {
        if (++at[axis] < after[axis]) break;
        at[axis] = 0;
      }
    }
    return graph_.constant(name_of(value), after, std::span<const float>(to));
  }

  /// A constant, or one number for each element of the batch where all are the same.
  std::string plain_constant(std::size_t value) {
    std::vector<Index> wanted = extents(value);
    if (std::find(wanted.begin(), wanted.end(), -1) == wanted.end()) {
      const std::vector<float> values = numbers(value);
      return graph_.constant(name_of(value), wanted, std::span<const float>(values));
    }
    const std::vector<float> here = trace_.values[value].numbers();
    std::vector<float> all = other_.values[value].numbers();
    all.insert(all.end(), here.begin(), here.end());
    if (wanted[0] != -1 || std::any_of(all.begin(), all.end(), [&](float one) { return !are_same(one, all[0]); }))
      throw ValueError(mien::detail::text("io::save_onnx: a value ", shape(value),
                                          " depends on the inputs, but nothing said how it was made"));
    std::vector<std::string> parts{
        graph_.add("Slice", {graph_.add("Shape", {batch_source_}), graph_.integers({0}), graph_.integers({1})})};
    if (wanted.size() > 1) parts.push_back(graph_.integers({wanted.begin() + 1, wanted.end()}));
    const std::string size = graph_.add("Concat", parts, {{"axis", std::int64_t{0}}});
    return graph_.add("Expand", {graph_.number(all[0]), size});
  }

  static std::vector<Index> counting(Index count) {
    std::vector<Index> out;
    for (Index i = 0; i < count; ++i) out.push_back(i);
    return out;
  }

  std::string reshaped(const std::string& value, const std::vector<Index>& wanted) {
    return graph_.add("Reshape", {value, graph_.integers(wanted)});
  }
  std::string transposed(const std::string& value, std::vector<Index> order) {
    return graph_.add("Transpose", {value}, {{"perm", std::move(order)}});
  }

  /// The value with the library's axes.
  const std::string& plain(std::size_t value) {
    Forms& forms = forms_[value];
    if (!forms.plain.empty()) return forms.plain;
    if (forms.planes.empty()) {
      forms.plain = plain_constant(value);
      return forms.plain;
    }
    forms.plain = transposed(forms.planes, {0, 2, 3, 1});
    if (shape(value).rank() != 4) forms.plain = reshaped(forms.plain, extents(value));
    return forms.plain;
  }

  /// A map [..., H, W, C] as [N, C, H, W].
  const std::string& planes(std::size_t value) {
    Forms& forms = forms_[value];
    if (!forms.planes.empty()) return forms.planes;
    std::string merged = plain(value);
    const std::vector<Index> all = extents(value);
    if (all.size() != 4) {
      const std::vector<Index> map(all.end() - 3, all.end());
      if (std::find(map.begin(), map.end(), -1) != map.end())
        throw ValueError("io::save_onnx: maps whose size depends on the batch");
      merged = reshaped(merged, {-1, map[0], map[1], map[2]});
    }
    forms.planes = transposed(merged, {0, 3, 1, 2});
    return forms.planes;
  }

  bool has_planes(std::size_t value) const { return !forms_[value].planes.empty(); }

  // --- operations ---

  void translate_step(std::size_t i) {
    static const std::unordered_map<std::string_view, Translation> translations{
        {"relu", &OnnxTranslator::function<"Relu">},
        {"sigmoid", &OnnxTranslator::function<"Sigmoid">},
        {"tanh", &OnnxTranslator::function<"Tanh">},
        {"gelu", &OnnxTranslator::gelu},
        {"exp", &OnnxTranslator::function<"Exp">},
        {"log", &OnnxTranslator::function<"Log">},
        {"sqrt", &OnnxTranslator::function<"Sqrt">},
        {"sum", &OnnxTranslator::sum},
        {"add", &OnnxTranslator::pairwise<"Add">},
        {"subtract", &OnnxTranslator::pairwise<"Sub">},
        {"multiply", &OnnxTranslator::pairwise<"Mul">},
        {"divide", &OnnxTranslator::pairwise<"Div">},
        {"scale", &OnnxTranslator::scale},
        {"add_bias", &OnnxTranslator::add_bias},
        {"scale_shift", &OnnxTranslator::scale_shift},
        {"scale_channels", &OnnxTranslator::scale_channels},
        {"mean_of_positions", &OnnxTranslator::mean_of_positions},
        {"batch_norm", &OnnxTranslator::batch_norm},
        {"layer_norm", &OnnxTranslator::layer_norm},
        {"convolution", &OnnxTranslator::convolution},
        {"channel_wise_convolution", &OnnxTranslator::channel_wise_convolution},
        {"preactivated_convolution", &OnnxTranslator::preactivated_convolution},
        {"super_image_convolution", &OnnxTranslator::super_image_convolution},
        {"max_pool", &OnnxTranslator::max_pool},
        {"average_pool", &OnnxTranslator::average_pool},
        {"adaptive_average_pool", &OnnxTranslator::adaptive_average_pool},
        {"linear", &OnnxTranslator::linear},
        {"softmax", &OnnxTranslator::last_axis<"Softmax">},
        {"log_softmax", &OnnxTranslator::last_axis<"LogSoftmax">},
        {"attention", &OnnxTranslator::attention},
        {"lstm", &OnnxTranslator::lstm},
        {"concatenate", &OnnxTranslator::concatenate},
        {"slice", &OnnxTranslator::slice},
        {"select", &OnnxTranslator::select},
        {"reshape", &OnnxTranslator::reshape},
        {"permute", &OnnxTranslator::permute},
        {"same", &OnnxTranslator::same}};
    Step step = trace_.steps[i];
    require_same(step, other_.steps[i]);
    const auto found = translations.find(step.name);
    if (found == translations.end())
      throw ValueError(mien::detail::text("io::save_onnx: ", step.name, " has no form in ONNX yet"));
    (this->*found->second)(step);
  }

  /// What depends on the inputs without being traced, as a factor that is computed from them, would be one batch's.
  static void require_same(Step here, Step there) {
    if (here.name != there.name || here.inputs != there.inputs || here.outputs != there.outputs ||
        here.attributes.size() != there.attributes.size())
      throw ValueError("io::save_onnx: the network does something else for another batch");
    for (const auto& [attribute, numbers] : here.attributes) {
      const auto other = there.attributes.find(attribute);
      if (other == there.attributes.end() || other->second != numbers)
        throw ValueError(mien::detail::text("io::save_onnx: the network does something else for another batch: the ",
                                            attribute, " of ", here.name, " depends on the inputs"));
    }
  }

  [[noreturn]] static void refuse(Step step, std::string_view what) {
    throw ValueError(mien::detail::text("io::save_onnx: ", step.name, " ", what, " has no form in ONNX yet"));
  }

  void set_plain(Step step, std::string name, std::size_t output = 0) {
    forms_[step.outputs[output]].plain = std::move(name);
  }
  void set_planes(Step step, std::string name) { forms_[step.outputs[0]].planes = std::move(name); }

  /// Applies `make` to the form that the value has.
  template <class Make>
  void elementwise(Step step, const Make& make) {
    if (has_planes(step.inputs[0])) {
      set_planes(step, make(planes(step.inputs[0])));
    } else {
      set_plain(step, make(plain(step.inputs[0])));
    }
  }

  template <OnnxOperator name>
  void function(Step step) {
    elementwise(step, [&](const std::string& x) { return graph_.add(name.text, {x}); });
  }

  /// x (1 + erf(x / sqrt 2)) / 2.
  void gelu(Step step) {
    elementwise(step, [&](const std::string& x) {
      const std::string scaled = graph_.add("Mul", {x, graph_.number(1 / std::numbers::sqrt2_v<float>)});
      const std::string above = graph_.add("Add", {graph_.add("Erf", {scaled}), graph_.number(1)});
      return graph_.add("Mul", {graph_.add("Mul", {x, above}), graph_.number(0.5F)});
    });
  }

  template <OnnxOperator name>
  void pairwise(Step step) {
    const std::size_t a = step.inputs[0];
    const std::size_t b = step.inputs[1];
    if (has_planes(a) || has_planes(b)) {
      set_planes(step, graph_.add(name.text, {planes(a), planes(b)}));
    } else {
      set_plain(step, graph_.add(name.text, {plain(a), plain(b)}));
    }
  }

  void scale(Step step) {
    const std::string factor = graph_.number(static_cast<float>(step.number("factor")));
    elementwise(step, [&](const std::string& x) { return graph_.add("Mul", {x, factor}); });
  }

  /// Numbers for each channel, so that they reach all pixels of planes.
  std::string beside_planes(std::size_t channels) { return reshaped(plain(channels), {-1, 1, 1}); }

  void add_bias(Step step) {
    if (has_planes(step.inputs[0])) {
      set_planes(step, graph_.add("Add", {planes(step.inputs[0]), beside_planes(step.inputs[1])}));
    } else {
      set_plain(step, graph_.add("Add", {plain(step.inputs[0]), plain(step.inputs[1])}));
    }
  }

  void scale_shift(Step step) {
    const std::string scaled = graph_.add("Mul", {plain(step.inputs[0]), plain(step.inputs[1])});
    set_plain(step, graph_.add("Add", {scaled, plain(step.inputs[2])}));
  }

  /// x [B, ..., C] by weights [B, C].
  void scale_channels(Step step) {
    const Shape x = shape(step.inputs[0]);
    if (x.rank() == 4 && has_planes(step.inputs[0])) {
      const std::string weights = reshaped(plain(step.inputs[1]), {-1, x[3], 1, 1});
      set_planes(step, graph_.add("Mul", {planes(step.inputs[0]), weights}));
      return;
    }
    std::vector<Index> beside(static_cast<std::size_t>(x.rank()), 1);
    beside.front() = -1;
    beside.back() = x[-1];
    set_plain(step, graph_.add("Mul", {plain(step.inputs[0]), reshaped(plain(step.inputs[1]), beside)}));
  }

  std::string mean(const std::string& value, std::vector<Index> axes) {
    return graph_.add("ReduceMean", {value}, {{"axes", std::move(axes)}, {"keepdims", std::int64_t{0}}});
  }

  void sum(Step step) {
    set_plain(step, graph_.add("ReduceSum", {plain(step.inputs[0]), graph_.integers({step.index("axis")})},
                               {{"keepdims", std::int64_t{0}}}));
  }

  /// [B, ..., C] -> [B, C].
  void mean_of_positions(Step step) {
    const std::size_t x = step.inputs[0];
    const Shape before = shape(x);
    if (before.rank() == 2) return same(step);
    if (has_planes(x) && before.rank() >= 4) {
      std::string out = mean(planes(x), {2, 3});
      if (before.rank() > 4) {
        const std::vector<Index> all = extents(x);
        std::vector<Index> leading(all.begin(), all.end() - 3);
        leading.push_back(before[-1]);
        const Index between = before.rank() - 4;
        out = reshaped(out, leading);
        std::vector<Index> axes = counting(between + 1);
        axes.erase(axes.begin());
        out = mean(out, axes);
      }
      set_plain(step, out);
      return;
    }
    std::vector<Index> axes = counting(before.rank() - 1);
    axes.erase(axes.begin());
    set_plain(step, mean(plain(x), axes));
  }

  /// Inputs x, mean, variance, weight, bias and what is added before the ReLU.
  void batch_norm(Step step) {
    const std::size_t x = step.inputs[0];
    const std::size_t residual = step.inputs[5];
    const Index rank = shape(x).rank();
    if (rank != 2 && rank < 4) refuse(step, "of sequences");
    const bool is_map = rank != 2;
    std::string y = normalised(is_map ? planes(x) : plain(x), step, 1);
    if (residual != TracedValue::none) y = graph_.add("Add", {y, is_map ? planes(residual) : plain(residual)});
    if (step.truth("relu")) y = graph_.add("Relu", {y});
    if (is_map) {
      set_planes(step, y);
    } else {
      set_plain(step, y);
    }
  }

  /// Batch norm over the second axis; its mean, variance, weight and bias are inputs from `first` on.
  std::string normalised(const std::string& x, Step step, std::size_t first) {
    const auto in = [&](std::size_t i) { return plain(step.inputs[first + i]); };
    return graph_.add("BatchNormalization", {x, in(2), in(3), in(0), in(1)},
                      {{"epsilon", static_cast<float>(step.number("epsilon"))}});
  }

  void layer_norm(Step step) {
    set_plain(step,
              graph_.add("LayerNormalization", {plain(step.inputs[0]), plain(step.inputs[1]), plain(step.inputs[2])},
                         {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(step.number("epsilon"))}}));
  }

  /// Begin of both axes, then end.
  static std::vector<Index> pads(Step step) {
    const Index height = step.index("padding", 0);
    const Index width = step.index("padding", 1);
    return {height, width, height, width};
  }
  static std::vector<Index> strides(Step step) { return {step.index("stride", 0), step.index("stride", 1)}; }

  /// Of a kernel [height, width, in / groups, out].
  std::string convolved(const std::string& x, std::size_t kernel, Step step, std::int64_t groups) {
    const Shape window = shape(kernel);
    return graph_.add("Conv", {x, constant(kernel, {3, 2, 0, 1})},
                      {{"kernel_shape", std::vector<Index>{window[0], window[1]}},
                       {"strides", strides(step)},
                       {"pads", pads(step)},
                       {"group", groups}});
  }

  void convolution(Step step) {
    set_planes(step, convolved(planes(step.inputs[0]), step.inputs[1], step, step.index("groups")));
  }
  void channel_wise_convolution(Step step) {
    set_planes(step, convolved(planes(step.inputs[0]), step.inputs[1], step, shape(step.inputs[0])[-1]));
  }

  /// Inputs kernel, mean, variance, weight, bias, and the maps that lie side by side.
  void preactivated_convolution(Step step) {
    std::vector<std::string> parts;
    for (std::size_t i = 5; i < step.inputs.size(); ++i) parts.push_back(planes(step.inputs[i]));
    const std::string x = parts.size() == 1 ? parts[0] : graph_.add("Concat", parts, {{"axis", std::int64_t{1}}});
    const std::string y = graph_.add("Relu", {normalised(x, step, 1)});
    set_planes(step, convolved(y, step.inputs[0], step, step.index("groups")));
  }

  /// The definition: both super images are built and convolved by the same kernel; their mixture is put back.
  void super_image_convolution(Step step) {
    const Shape clip = shape(step.inputs[0]);
    const Shape kernel = shape(step.inputs[1]);
    const Index frames = clip[1];
    const Index height = clip[2];
    const Index width = clip[3];
    const Index out = kernel[3];
    const bool interleaved = step.truth("interleaved");
    const std::string x = reshaped(planes(step.inputs[0]), {-1, frames, clip[4], height, width});
    const std::string weight = constant(step.inputs[1], {3, 2, 0, 1});
    const auto view = [&](bool along_height) {
      // [B, T, C, H, W] with T beside the axis that the frames are put along.
      const std::vector<Index> order =
          along_height ? (interleaved ? std::vector<Index>{0, 2, 3, 1, 4} : std::vector<Index>{0, 2, 1, 3, 4})
                       : (interleaved ? std::vector<Index>{0, 2, 3, 4, 1} : std::vector<Index>{0, 2, 3, 1, 4});
      const std::string image = reshaped(transposed(x, order), {-1, clip[4], along_height ? frames * height : height,
                                                                along_height ? width : frames * width});
      return graph_.add("Conv", {image, weight},
                        {{"kernel_shape", std::vector<Index>{3, 3}}, {"pads", std::vector<Index>{1, 1, 1, 1}}});
    };
    // A super image back to [B, T, O, H, W].
    const auto as_clip = [&](const std::string& image, bool along_height) {
      std::vector<Index> parts{-1, out, height, width};
      const Index place = along_height ? (interleaved ? 3 : 2) : (interleaved ? 4 : 3);
      parts.insert(parts.begin() + place, frames);
      std::vector<Index> back{0, place, 1};
      for (Index axis = 2; axis < 5; ++axis)
        if (axis != place) back.push_back(axis);
      return transposed(reshaped(image, parts), back);
    };
    const bool with_height = step.truth("views");
    const bool with_width = step.number("views", 1) != 0;
    std::string mixed;
    if (with_height && with_width) {
      const std::string by_height = view(true);
      const std::string by_width = view(false);
      std::string first = as_clip(by_height, true);
      std::string second = as_clip(by_width, false);
      if (step.truth("learned")) {
        const auto [alpha_height, alpha_width] = view_weights(step, mean(by_height, {2, 3}), mean(by_width, {2, 3}));
        first = graph_.add("Mul", {first, alpha_height});
        second = graph_.add("Mul", {second, alpha_width});
      }
      mixed = graph_.add("Add", {first, second});
    } else {
      mixed = as_clip(view(with_height), with_height);
    }
    set_planes(step, reshaped(mixed, {-1, out, height, width}));
  }

  /// Softmax over the views of (mean Y_h, mean Y_w) W^T + b: two times [B, 1, G, 1, 1], G being all channels or 1.
  std::pair<std::string, std::string> view_weights(Step step, const std::string& height, const std::string& width) {
    const Index granules = shape(step.inputs[2])[0] / 2;
    const std::string means = graph_.add("Concat", {height, width}, {{"axis", std::int64_t{1}}});
    const std::string logits =
        graph_.add("Gemm", {means, plain(step.inputs[2]), plain(step.inputs[3])}, {{"transB", std::int64_t{1}}});
    const std::string alpha =
        graph_.add("Softmax", {reshaped(logits, {-1, 2, granules, 1, 1})}, {{"axis", std::int64_t{1}}});
    const auto parts = graph_.add("Split", {alpha}, {{"axis", std::int64_t{1}}}, 2);
    return {parts[0], parts[1]};
  }

  void max_pool(Step step) { set_planes(step, graph_.add("MaxPool", {planes(step.inputs[0])}, pooling(step))); }

  void average_pool(Step step) {
    OnnxAttributes attributes = pooling(step);
    attributes.push_back({"count_include_pad", std::int64_t{step.truth("count_padding")}});
    set_planes(step, graph_.add("AveragePool", {planes(step.inputs[0])}, attributes));
  }

  static OnnxAttributes pooling(Step step) {
    return {{"kernel_shape", std::vector<Index>{step.index("kernel", 0), step.index("kernel", 1)}},
            {"strides", strides(step)},
            {"pads", pads(step)}};
  }

  /// Windows of equal size, where the output divides the input.
  void adaptive_average_pool(Step step) {
    const Shape before = shape(step.inputs[0]);
    const Shape after = shape(step.outputs[0]);
    if (before[-3] % after[-3] != 0 || before[-2] % after[-2] != 0) refuse(step, "with windows of unequal size");
    const std::vector<Index> window{before[-3] / after[-3], before[-2] / after[-2]};
    set_planes(step,
               graph_.add("AveragePool", {planes(step.inputs[0])}, {{"kernel_shape", window}, {"strides", window}}));
  }

  void linear(Step step) {
    const bool has_bias = step.inputs[2] != TracedValue::none;
    if (shape(step.inputs[0]).rank() == 2) {
      std::vector<std::string> inputs{plain(step.inputs[0]), plain(step.inputs[1])};
      if (has_bias) inputs.push_back(plain(step.inputs[2]));
      set_plain(step, graph_.add("Gemm", inputs, {{"transB", std::int64_t{1}}}));
      return;
    }
    const std::string product = graph_.add("MatMul", {plain(step.inputs[0]), constant(step.inputs[1], {1, 0})});
    set_plain(step, has_bias ? graph_.add("Add", {product, plain(step.inputs[2])}) : product);
  }

  template <OnnxOperator name>
  void last_axis(Step step) {
    set_plain(step, graph_.add(name.text, {plain(step.inputs[0])}, {{"axis", std::int64_t{-1}}}));
  }

  /// Queries, keys and values [N, T, 3 E], each of them with heads side by side.
  void attention(Step step) {
    const Shape x = shape(step.inputs[0]);
    const Index heads = step.index("heads");
    const Index width = x[2] / 3 / heads;
    const std::string parted = reshaped(plain(step.inputs[0]), {-1, x[1], 3, heads, width});
    const auto parts = graph_.add("Split", {transposed(parted, {2, 0, 3, 1, 4})}, {{"axis", std::int64_t{0}}}, 3);
    const auto part = [&](std::size_t i) { return reshaped(parts[i], {-1, heads, x[1], width}); };
    const std::string scores = graph_.add("MatMul", {part(0), transposed(part(1), {0, 1, 3, 2})});
    const std::string scaled = graph_.add("Mul", {scores, graph_.number(1 / std::sqrt(static_cast<float>(width)))});
    const std::string shares = graph_.add("Softmax", {scaled}, {{"axis", std::int64_t{-1}}});
    const std::string mixed = transposed(graph_.add("MatMul", {shares, part(2)}), {0, 2, 1, 3});
    set_plain(step, reshaped(mixed, {-1, x[1], heads * width}));
  }

  /// The gates' rows in ONNX's order, i o f g, of ours, i f g o.
  std::vector<float> gates(std::size_t value) const {
    const std::vector<float> ours = numbers(value);
    const auto block = static_cast<std::ptrdiff_t>(ours.size() / 4);
    std::vector<float> out;
    for (const std::ptrdiff_t gate : {0, 3, 1, 2})
      out.insert(out.end(), ours.begin() + gate * block, ours.begin() + (gate + 1) * block);
    return out;
  }

  void lstm(Step step) {
    const Index hidden = shape(step.inputs[2])[1];
    const Index in = shape(step.inputs[1])[1];
    std::vector<std::string> inputs{transposed(plain(step.inputs[0]), {1, 0, 2})};
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}})
      inputs.push_back(graph_.constant(name_of(step.inputs[i]), {1, 4 * hidden, i == 1 ? in : hidden},
                                       std::span<const float>(gates(step.inputs[i]))));
    if (step.inputs[3] != TracedValue::none) {
      std::vector<float> both = gates(step.inputs[3]);
      const std::vector<float> second = gates(step.inputs[4]);
      both.insert(both.end(), second.begin(), second.end());
      inputs.push_back(graph_.constant(name_of(step.inputs[3]), {1, 8 * hidden}, std::span<const float>(both)));
    } else {
      inputs.emplace_back();
    }
    if (step.inputs[5] != TracedValue::none || step.inputs[6] != TracedValue::none) {
      inputs.emplace_back();
      for (const std::size_t i : {std::size_t{5}, std::size_t{6}})
        inputs.push_back(step.inputs[i] == TracedValue::none ? std::string()
                                                             : reshaped(plain(step.inputs[i]), {1, -1, hidden}));
    }
    const auto out = graph_.add("LSTM", inputs,
                                {{"hidden_size", std::int64_t{hidden}},
                                 {"direction", std::string(step.truth("reverse") ? "reverse" : "forward")}},
                                3);
    set_plain(step, transposed(graph_.add("Squeeze", {out[0], graph_.integers({1})}), {1, 0, 2}), 0);
    set_plain(step, graph_.add("Squeeze", {out[1], graph_.integers({0})}), 1);
    set_plain(step, graph_.add("Squeeze", {out[2], graph_.integers({0})}), 2);
  }

  void concatenate(Step step) {
    const Index axis = step.index("axis");
    const bool channels_of_maps =
        axis == shape(step.outputs[0]).rank() - 1 &&
        std::all_of(step.inputs.begin(), step.inputs.end(), [&](std::size_t input) { return has_planes(input); });
    std::vector<std::string> parts;
    for (const std::size_t input : step.inputs) parts.push_back(channels_of_maps ? planes(input) : plain(input));
    const std::string out = graph_.add("Concat", parts, {{"axis", std::int64_t{channels_of_maps ? 1 : axis}}});
    if (channels_of_maps) {
      set_planes(step, out);
    } else {
      set_plain(step, out);
    }
  }

  void require_other_axis(Step step, Index axis) const {
    if (extents(step.inputs[0])[static_cast<std::size_t>(axis)] == -1) refuse(step, "of a part of the batch");
  }

  void slice(Step step) {
    const Index axis = step.index("axis");
    require_other_axis(step, axis);
    set_plain(step, graph_.add("Slice", {plain(step.inputs[0]), graph_.integers({step.index("range", 0)}),
                                         graph_.integers({step.index("range", 1)}), graph_.integers({axis}),
                                         graph_.integers({step.index("range", 2)})}));
  }

  void select(Step step) {
    const Index axis = step.index("axis");
    require_other_axis(step, axis);
    const std::string one = graph_.add("Gather", {plain(step.inputs[0]), graph_.integers({step.index("index")})},
                                       {{"axis", std::int64_t{axis}}});
    set_plain(step, graph_.add("Squeeze", {one, graph_.integers({axis})}));
  }

  void reshape(Step step) {
    // Clips that only part their leading axes in another way are the same planes.
    const Shape before = shape(step.inputs[0]);
    const Shape after = shape(step.outputs[0]);
    const bool same_maps = before.rank() >= 4 && after.rank() >= 4 && before[-1] == after[-1] &&
                           before[-2] == after[-2] && before[-3] == after[-3];
    if (same_maps && has_planes(step.inputs[0])) {
      set_planes(step, planes(step.inputs[0]));
    } else {
      set_plain(step, reshaped(plain(step.inputs[0]), extents(step.outputs[0])));
    }
  }

  void permute(Step step) {
    std::vector<Index> order;
    for (std::size_t i = 0; i < step.attributes.at("order").size(); ++i) order.push_back(step.index("order", i));
    set_plain(step, transposed(plain(step.inputs[0]), order));
  }

  void same(Step step) { set_plain(step, plain(step.inputs[0])); }

  const RecordedTrace& trace_;
  const RecordedTrace& other_;
  std::map<const void*, std::string> parameter_names_;
  std::vector<Forms> forms_;
  std::set<std::size_t> inputs_;
  std::string batch_source_;  ///< the input whose first extent is the batch
  Index batch_ = 0;           ///< in the trace
  OnnxGraph graph_;
};

}  // namespace mien::io::detail
