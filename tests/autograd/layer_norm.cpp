#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/layer_norm.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace mien;

namespace {

Variable<double> random(const Shape& shape, Generator& generator) {
  Tensor<double> out(shape);
  generator.fill_uniform(out, 0.5, 2);
  return Variable<double>(out, true);
}

}  // namespace

TEST_CASE("gradients of layer norm") {
  Generator generator(1);
  for (const Shape& shape : {Shape{7}, Shape{3, 1}, Shape{2, 3, 7}, Shape{2, 31}}) {
    CAPTURE(shape.to_string());
    const auto result =
        gradient_check([](auto& in) { return layer_norm(in[0], in[1], in[2], 1e-3); },
                       {random(shape, generator), random({shape[-1]}, generator), random({shape[-1]}, generator)});
    CHECK_MESSAGE(result, result.where);
  }
}

TEST_CASE("gradients of layer norm have the same bits on one thread and on two") {
  const auto gradients = [&] {
    std::vector<Tensor<double>> out;
    Generator same(3);
    std::vector<Variable<double>> in{random({3001, 31}, same), random({31}, same), random({31}, same)};
    const auto y = layer_norm(in[0], in[1], in[2]);
    backward(y, y.value());
    for (const auto& variable : in) out.push_back(variable.gradient());
    return out;
  };
  const int before = thread_count();
  set_thread_count(1);
  const auto alone = gradients();
  set_thread_count(2);
  const auto both = gradients();
  set_thread_count(before);
  for (std::size_t i = 0; i < alone.size(); ++i) CHECK(std::ranges::equal(alone[i].span(), both[i].span()));
}
