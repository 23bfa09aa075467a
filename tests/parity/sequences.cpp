#include "parity/operations.hpp"

namespace parity {

using namespace mien;

namespace {

struct LstmCase {
  Index batch, steps, inputs, units;
  std::vector<Index> lengths;
};

const std::vector<LstmCase> sequences{{1, 1, 1, 1, {}},
                                      {2, 3, 7, 5, {}},
                                      {3, 4, 5, 31, {4, 0, 2}},
                                      {7, 2, 3, 65, {2, 2, 1, 0, 1, 2, 2}},
                                      {2, 3, 4, 130, {1, 3}}};

struct AttentionCase {
  Shape qkv;
  Index heads;
};

const std::vector<AttentionCase> attentions{
    {{1, 1, 3}, 1}, {{2, 7, 45}, 3}, {{0, 5, 6}, 2}, {{3, 65, 24}, 1}, {{1, 31, 192}, 1}};

}  // namespace

void add_sequences(List& list) {
  for (const auto& one : sequences)
    for (const bool reverse : {false, true}) {
      const Index gates = 4 * one.units;
      const Shape state{one.batch, one.units};
      list.add(
          reverse ? "lstm in reverse" : "lstm",
          {{one.batch, one.steps, one.inputs}, {gates, one.inputs}, {gates, one.units}, {gates}, {gates}, state, state},
          [lengths = one.lengths, reverse](auto& in) {
            const auto result =
                lstm(in[0], {in[1], in[2], in[3], in[4]}, {.lengths = lengths, .reverse = reverse}, {in[5], in[6]});
            return std::vector{result.outputs, result.h_n, result.c_n};
          });
    }
  for (const auto& [shape, heads] : attentions)
    list.add("attention of " + std::to_string(heads) + " heads", {shape},
             [heads = heads](auto& in) { return std::vector{attention(in[0], heads)}; },
             {.scale = 0.1, .low = -2, .high = 2});
  list.add("mask_steps", {{3, 5, 7}}, [](auto& in) { return std::vector{mask_steps(in[0], {5, 0, 2})}; });
}

}  // namespace parity
