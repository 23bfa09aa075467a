#include <mien/autograd/arithmetic.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace mien;

namespace {

Variable<double> leaf(std::initializer_list<double> values) {
  return Variable<double>(Tensor<double>::from({static_cast<Index>(values.size())}, values), true);
}

std::vector<double> values(const Tensor<double>& tensor) { return {tensor.span().begin(), tensor.span().end()}; }

}  // namespace

TEST_CASE("gradients reach every leaf, and constants want none") {
  const auto x = leaf({1, 2});
  const auto y = leaf({3, 4});
  const Variable<double> constant(Tensor<double>::from({2}, {10, 20}));
  backward(sum(x * y + constant * x));
  CHECK(values(x.gradient()) == std::vector<double>{13, 24});
  CHECK(values(y.gradient()) == std::vector<double>{1, 2});
  CHECK_FALSE(constant.requires_gradient());
  CHECK_THROWS_AS(constant.gradient(), ValueError);
}

TEST_CASE("the value of a variable without a name is handed over") {
  CHECK(std::is_same_v<decltype(std::declval<const Variable<double>&>().value()), const Tensor<double>&>);
  CHECK(std::is_same_v<decltype(std::declval<Variable<double>>().value()), Tensor<double>>);
  const auto x = leaf({1, 2});
  const Tensor<double>& sums = (x + x).value();
  CHECK(values(sums) == std::vector<double>{2, 4});
}

TEST_CASE("a variable that is used several times gets all of its gradient") {
  const auto x = leaf({3});
  backward(sum(x * x * x));
  CHECK(x.gradient().item() == 27);
  // A diamond: both ways from y meet again, and y's own way back is run once.
  const auto z = leaf({2});
  const auto y = z * z;
  backward(sum(y * y + y));
  CHECK(z.gradient().item() == 4 * 8 + 2 * 2);
}

TEST_CASE("gradients of several calls add until they are forgotten") {
  auto x = leaf({1, 2});
  backward(sum(x * x));
  backward(sum(x));
  CHECK(values(x.gradient()) == std::vector<double>{3, 5});
  x.zero_gradient();
  CHECK_FALSE(x.gradient().defined());
  backward(sum(x));
  CHECK(values(x.gradient()) == std::vector<double>{1, 1});
}

TEST_CASE("leaves have gradients of their own, which may be changed in place") {
  const auto x = leaf({1, 2});
  const auto y = leaf({1, 2});
  const auto upstream = Tensor<double>::from({2}, {1, 1});
  backward(x + y, upstream);
  Variable<double> changed = x;
  changed.gradient().fill(7);
  CHECK(values(y.gradient()) == std::vector<double>{1, 1});
  CHECK(values(upstream) == std::vector<double>{1, 1});
}

TEST_CASE("an upstream gradient in borrowed memory is only read") {
  double lent[2] = {1, 10};
  const auto upstream = Tensor<double>::borrow(lent, {2}, {1}, nullptr);
  const auto x = leaf({1, 2});
  backward(x, upstream);
  backward(x, upstream);
  CHECK(values(x.gradient()) == std::vector<double>{2, 20});
  backward(x + x, upstream);
  CHECK(values(x.gradient()) == std::vector<double>{4, 40});
  CHECK(lent[0] == 1);
  CHECK(lent[1] == 10);
}

TEST_CASE("a closure that names an input it has not is told so") {
  const auto x = leaf({1, 2});
  const auto y = record(ops::scale(x.value(), 1.0), {x},
                        [](const Tensor<double>& upstream, auto& inputs) { inputs.add(1, upstream); });
  CHECK_THROWS_WITH_AS(backward(y, Tensor<double>({2}, 1.0)), "Gradients: input 1 of 1", IndexError);
}

TEST_CASE("copies of a variable share value and gradient") {
  auto x = leaf({1});
  Variable<double> copy = x;
  backward(sum(copy));
  CHECK(x.gradient().item() == 1);
  copy.value()(0) = 5;
  CHECK(x.item() == 5);
  CHECK(x.node() == copy.node());
}

TEST_CASE("a leaf may cease to want a gradient, and want one again, for its copies too") {
  Variable<double> x(Tensor<double>({2}, 3), true);
  Variable<double> y(Tensor<double>({2}, 5), true);
  const Variable<double> copy = x;
  backward(sum(x * y));
  x.set_requires_gradient(false);
  CHECK_FALSE(copy.requires_gradient());
  CHECK_FALSE(copy.gradient().defined());
  CHECK_FALSE((copy * copy).requires_gradient());
  backward(sum(copy * y));
  CHECK_FALSE(copy.gradient().defined());
  CHECK(y.gradient()(0) == 6);
  x.set_requires_gradient(true);
  backward(sum(copy * y));
  CHECK(copy.gradient()(0) == 5);

  Variable<double> constant(Tensor<double>({2}, 1));
  constant.set_requires_gradient(false);
  CHECK_FALSE(constant.requires_gradient());
  constant.set_requires_gradient(true);
  backward(sum(constant * y));
  CHECK(constant.gradient()(1) == 5);

  Variable<double> product = x * y;
  CHECK_THROWS_AS(product.set_requires_gradient(false), ValueError);
  backward(sum(product));
  CHECK_THROWS_AS(product.set_requires_gradient(false), ValueError);
}

TEST_CASE("an upstream gradient weighs the outputs, and has their shape") {
  const auto x = leaf({1, 2, 3});
  backward(x * x, Tensor<double>::from({3}, {1, 10, 100}));
  CHECK(values(x.gradient()) == std::vector<double>{2, 40, 600});
  CHECK_THROWS_WITH_AS(backward(x * x), doctest::Contains("[3] does not have exactly one element"), ShapeError);
  CHECK_THROWS_AS(backward(x * x, Tensor<double>({2}, 1.0)), ShapeError);
}

TEST_CASE("a leaf is its own result") {
  const auto x = leaf({4});
  backward(x);
  CHECK(x.gradient().item() == 1);
}

TEST_CASE("what depends on nothing has no way back") {
  const Variable<double> constant(Tensor<double>({1}, 1.0));
  CHECK_THROWS_AS(backward(constant), ValueError);
  CHECK_THROWS_AS(backward(sum(constant * constant)), ValueError);
}

TEST_CASE("no gradient: nothing is recorded, on this thread only, until the guard ends") {
  const auto x = leaf({2});
  {
    const NoGradient off;
    CHECK_FALSE((x * x).requires_gradient());
    { const NoGradient twice; }
    CHECK_FALSE((x * x).requires_gradient());
    bool recorded = false;
    std::thread([&] { recorded = (x * x).requires_gradient(); }).join();
    CHECK(recorded);
  }
  CHECK((x * x).requires_gradient());
}

TEST_CASE("a detached variable passes nothing on") {
  const auto x = leaf({3});
  backward(sum(x * (x * x).detach()));
  CHECK(x.gradient().item() == 9);
  CHECK_FALSE(x.detach().requires_gradient());
  CHECK(x.detach().value().data() == x.value().data());
}

TEST_CASE("a released graph says so, and nothing is changed") {
  const auto x = leaf({2});
  const auto shared = x * x;
  const auto first = sum(shared);
  const auto second = sum(shared * x);
  backward(first);
  CHECK(x.gradient().item() == 4);
  CHECK_THROWS_WITH_AS(backward(first), doctest::Contains("retain_graph"), ValueError);
  CHECK_THROWS_AS(backward(second), ValueError);
  CHECK(x.gradient().item() == 4);
}

TEST_CASE("a call that is refused leaves kept gradients alone") {
  const auto x = leaf({1, 2});
  auto y = scale(x, 2);
  y.retain_gradient();
  auto z = y * y;
  z.retain_gradient();
  const auto ones = Tensor<double>({2}, 1.0);
  backward(z, ones, {.retain_graph = true});
  CHECK_THROWS_AS(backward(z, Tensor<double>({3}, 1.0)), ShapeError);
  CHECK(values(z.gradient()) == std::vector<double>{1, 1});
  CHECK(values(y.gradient()) == std::vector<double>{4, 8});
  backward(y, ones);
  CHECK_THROWS_AS(backward(z, ones), ValueError);
  CHECK(values(z.gradient()) == std::vector<double>{1, 1});
  CHECK(values(y.gradient()) == std::vector<double>{1, 1});
  CHECK(values(x.gradient()) == std::vector<double>{10, 18});
}

TEST_CASE("a retained graph gives the same gradients again") {
  auto x = leaf({2});
  const auto loss = sum(x * x * x);
  backward(loss, {.retain_graph = true});
  CHECK(x.gradient().item() == 12);
  backward(loss, {.retain_graph = true});
  CHECK(x.gradient().item() == 24);
  x.zero_gradient();
  backward(loss);
  CHECK(x.gradient().item() == 12);
}

TEST_CASE("the gradient between leaf and loss can be kept, and does not disturb a second call") {
  const auto x = leaf({1, 2});
  auto y = scale(x, 2);
  y.retain_gradient();
  const auto loss = sum(y * y);
  backward(loss, {.retain_graph = true});
  CHECK(values(y.gradient()) == std::vector<double>{4, 8});
  CHECK(values(x.gradient()) == std::vector<double>{8, 16});
  backward(loss);
  CHECK(values(y.gradient()) == std::vector<double>{4, 8});
  CHECK(values(x.gradient()) == std::vector<double>{16, 32});
}

TEST_CASE("backward releases what it needed, though the loss is still there") {
  constexpr std::size_t size = 1000 * sizeof(double);
  Variable<double> x(Tensor<double>({1000}, 1.0), true);
  Variable<double> loss;
  const auto bytes = [start = cpu_memory().statistics().bytes_in_use] {
    return cpu_memory().statistics().bytes_in_use - start;
  };
  {
    const auto squared = x * x;
    loss = sum(squared * squared);
  }
  CHECK(bytes() >= size);
  backward(loss);
  x.zero_gradient();
  CHECK(bytes() < size);
  CHECK(loss.item() == 1000);
}

TEST_CASE("only what the gradient needs is kept alive") {
  const Variable<double> x(Tensor<double>({1000}, 1.0), true);
  Variable<double> result;
  const auto before = cpu_memory().statistics().bytes_in_use;
  {
    const auto unneeded = x + x;  // A sum's gradient needs neither operand.
    result = sum(unneeded + unneeded);
  }
  CHECK(cpu_memory().statistics().bytes_in_use < before + 1000 * sizeof(double));
  backward(result);
  CHECK(x.gradient()(0) == 4);
}

TEST_CASE("chains of any length begin, run and end") {
  const auto x = leaf({1});
  auto y = scale(x, 1);
  for (int i = 0; i < 100000; ++i) y = scale(y, 1);
  {
    auto dropped = scale(x, 1);
    for (int i = 0; i < 100000; ++i) dropped = scale(dropped, 1);
    // Of products with themselves each link holds the one before twice.
    auto squares = scale(x, 1);
    for (int i = 0; i < 100000; ++i) squares = squares * squares;
  }
  backward(y);
  CHECK(x.gradient().item() == 1);
}

TEST_CASE("a step in steady state asks the system for no memory") {
  auto x = Variable<float>(Tensor<float>({65, 31}, 0.5F), true);
  const auto step = [&] {
    x.zero_gradient();
    backward(sum(x * x + scale(x, 3)));
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = cpu_memory().statistics();
  for (int i = 0; i < 50; ++i) step();
  const auto after = cpu_memory().statistics();
  CHECK(after.requests > before.requests);
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.bytes_in_use == before.bytes_in_use);
}
