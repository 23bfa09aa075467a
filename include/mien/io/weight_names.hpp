#pragma once

/// The names that weights have in other programs' files, and ours for them, which are torchvision's.
///
///     io::translated("blocks.3.attn.qkv.weight", io::timm_vit);
///     // "encoder.layers.encoder_layer_3.self_attention.in_proj_weight"
///
/// Each family of names is a table that can be read here; docs/weights.md prints them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/error.hpp"

namespace mien::io {

/// Names that fit `from` are read as `to` says. A `*` stands for one or more characters other than a dot, and in `to`
/// for what those were, in the same order. A pattern that ends with a dot fits all that begins so.
struct NameRename {
  std::string_view from;
  std::string_view to;
};

/// A family of names: of each name the first rule that fits.
struct NameFamily {
  std::string_view name;  ///< of the family, as programs are told it
  std::span<const NameRename> renames;
};

namespace detail {

/// DenseNets of torchvision before 0.3: a dot too many within a dense layer.
inline constexpr std::array<NameRename, 4> old_densenet_renames = {{
    {"features.*.*.norm.1.", "features.*.*.norm1."},
    {"features.*.*.conv.1.", "features.*.*.conv1."},
    {"features.*.*.norm.2.", "features.*.*.norm2."},
    {"features.*.*.conv.2.", "features.*.*.conv2."},
}};

/// The vision transformers of torchvision 0.12.
inline constexpr std::array<NameRename, 2> old_vit_renames = {{
    {"encoder.layers.*.mlp.linear_1.", "encoder.layers.*.mlp.0."},
    {"encoder.layers.*.mlp.linear_2.", "encoder.layers.*.mlp.3."},
}};

/// The vision transformers of timm.
inline constexpr std::array<NameRename, 12> timm_vit_renames = {{
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"patch_embed.proj.", "conv_proj."},
    {"blocks.*.norm1.", "encoder.layers.encoder_layer_*.ln_1."},
    {"blocks.*.attn.qkv.weight", "encoder.layers.encoder_layer_*.self_attention.in_proj_weight"},
    {"blocks.*.attn.qkv.bias", "encoder.layers.encoder_layer_*.self_attention.in_proj_bias"},
    {"blocks.*.attn.proj.", "encoder.layers.encoder_layer_*.self_attention.out_proj."},
    {"blocks.*.norm2.", "encoder.layers.encoder_layer_*.ln_2."},
    {"blocks.*.mlp.fc1.", "encoder.layers.encoder_layer_*.mlp.0."},
    {"blocks.*.mlp.fc2.", "encoder.layers.encoder_layer_*.mlp.3."},
    {"norm.", "encoder.ln."},
    {"head.", "heads.head."},
}};

/// What programs put before all names of a network: data parallelism, a compiler, a checkpoint's dictionary, a wrapper.
inline constexpr std::array<std::string_view, 8> wrapping_prefixes = {
    "module.", "_orig_mod.", "state_dict.", "model_state_dict.", "model.", "backbone.", "net.", "network."};

/// What a checkpoint holds beside a network.
inline constexpr std::array<std::string_view, 6> training_prefixes = {
    "optimizer.", "optimizer_state_dict.", "optimiser.", "scheduler.", "lr_scheduler.", "scaler."};

/// The last layer of networks, under the names that torchvision and timm give it.
inline constexpr std::array<std::string_view, 4> head_prefixes = {"fc.", "classifier.", "heads.", "head."};

template <class Prefixes>
bool begins_with_any(std::string_view name, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return name.starts_with(prefix); });
}

/// What the stars of a pattern stand for, and what is behind it; nothing if it does not fit.
inline std::optional<std::vector<std::string_view>> matched(std::string_view name, std::string_view pattern) {
  std::vector<std::string_view> parts;
  const bool takes_more = pattern.ends_with('.');
  while (!pattern.empty()) {
    if (pattern.front() != '*') {
      if (name.empty() || name.front() != pattern.front()) return {};
      name.remove_prefix(1);
    } else {
      const std::size_t end = std::min(name.find('.'), name.size());
      if (end == 0) return {};
      parts.push_back(name.substr(0, end));
      name.remove_prefix(end);
    }
    pattern.remove_prefix(1);
  }
  if (takes_more ? name.empty() : !name.empty()) return {};
  parts.push_back(name);
  return parts;
}

/// A pattern with its stars replaced, and what is behind it.
inline std::string filled(std::string_view pattern, const std::vector<std::string_view>& parts) {
  std::string out;
  std::size_t next = 0;
  for (const char letter : pattern) {
    if (letter == '*') {
      out += parts[next++];
    } else {
      out += letter;
    }
  }
  return out.append(parts.back());
}

}  // namespace detail

inline constexpr NameFamily old_densenet{"old-densenet", detail::old_densenet_renames};
inline constexpr NameFamily old_vit{"old-vit", detail::old_vit_renames};
inline constexpr NameFamily timm_vit{"timm-vit", detail::timm_vit_renames};

/// All of them.
inline constexpr std::array<NameFamily, 3> name_families = {old_densenet, old_vit, timm_vit};

/// Whether a name fits a pattern of `NameRename`.
inline bool name_fits(std::string_view name, std::string_view pattern) {
  return detail::matched(name, pattern).has_value();
}

/// A family's name as ours; others stay as they are.
inline std::string translated(std::string_view name, const NameFamily& family) {
  for (const NameRename& rule : family.renames)
    if (const auto parts = detail::matched(name, rule.from)) return detail::filled(rule.to, *parts);
  return std::string(name);
}

/// The way back: our name as the family's.
inline std::string translated_back(std::string_view name, const NameFamily& family) {
  for (const NameRename& rule : family.renames)
    if (const auto parts = detail::matched(name, rule.to)) return detail::filled(rule.from, *parts);
  return std::string(name);
}

/// A name without all that programs put before it ("module.", "state_dict.", "backbone." and so on).
inline std::string without_prefixes(std::string_view name) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view prefix : detail::wrapping_prefixes) {
      if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
      name.remove_prefix(prefix.size());
      found = true;
    }
  }
  return std::string(name);
}

/// How a file's names become a model's.
struct NameTranslation {
  bool without_prefixes = false;
  std::optional<NameFamily> family = {};

  std::string operator()(std::string_view name) const {
    const std::string inner = without_prefixes ? io::without_prefixes(name) : std::string(name);
    return family ? translated(inner, *family) : inner;
  }

  /// "as they are", "without their prefixes", "timm-vit", ...
  std::string to_string() const {
    const std::string_view prefixes = without_prefixes ? "without their prefixes" : "";
    if (!family) return std::string(prefixes.empty() ? "as they are" : prefixes);
    return prefixes.empty() ? std::string(family->name) : mien::detail::text(family->name, ", ", prefixes);
  }
};

/// The translation by which most of a file's names are among those that a model has; of several the plainest. `wanted`
/// is sorted.
inline NameTranslation best_translation(const std::vector<std::string>& names, const std::vector<std::string>& wanted) {
  const auto fitting = [&](const NameTranslation& translation) {
    return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
      return std::binary_search(wanted.begin(), wanted.end(), translation(name));
    });
  };
  NameTranslation best;
  auto most = fitting(best);
  const auto try_it = [&](const NameTranslation& translation) {
    const auto count = fitting(translation);
    if (count <= most) return;
    most = count;
    best = translation;
  };
  try_it({.without_prefixes = true});
  for (const bool bare : {false, true})
    for (const NameFamily& family : name_families) try_it({.without_prefixes = bare, .family = family});
  return best;
}

/// Which well-known network has such names, as in "a ResNet-50"; empty if none is recognised.
inline std::string_view architecture_of(const std::vector<std::string>& names) {
  const auto has = [&](std::string_view part) {
    return std::any_of(names.begin(), names.end(), [&](const auto& name) { return name.find(part) != name.npos; });
  };
  if (has("layer1.0.conv2.fc.")) return "a SISTCM-ResNet";
  if (has("layer1.0.conv3.")) {
    if (has("layer3.23.")) return "a ResNet-152";
    return has("layer3.6.") ? "a ResNet-101" : "a ResNet-50";
  }
  if (has("layer1.0.conv1.")) return has("layer1.2.") ? "a ResNet-34" : "a ResNet-18";
  if (has("denseblock1.denselayer1.")) {
    if (has("denseblock3.denselayer48.")) return "a DenseNet-201";
    if (has("denseblock3.denselayer36.")) return "a DenseNet-161";
    return has("denseblock3.denselayer32.") ? "a DenseNet-169" : "a DenseNet-121";
  }
  if (has("encoder_layer_0.") || has("attn.qkv."))
    return has("encoder_layer_12.") || has("blocks.12.") ? "a vision transformer of more than 12 layers"
                                                         : "a vision transformer";
  if (has("channelwise.weight")) return "an ACCM";
  if (has("feature_lstm.")) return "a two-stream LSTM";
  return "";
}

}  // namespace mien::io
