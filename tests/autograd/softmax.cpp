#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/softmax.hpp>

#include <doctest/doctest.h>

using namespace mien;

TEST_CASE("gradients of softmax and log softmax") {
  Generator generator(1);
  for (const Shape& shape : {Shape{1}, Shape{3, 1}, Shape{2, 3, 7}, Shape{2, 31}}) {
    CAPTURE(shape.to_string());
    Tensor<double> x(shape);
    generator.fill_normal(x, 0, 2);
    const auto soft = gradient_check([](auto& in) { return softmax(in[0]); }, {Variable<double>(x, true)});
    CHECK_MESSAGE(soft, soft.where);
    const auto logarithm = gradient_check([](auto& in) { return log_softmax(in[0]); }, {Variable<double>(x, true)});
    CHECK_MESSAGE(logarithm, logarithm.where);
  }
}
