/// The messages that docs/errors.md explains are those that the library throws.

#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/io/image.hpp>
#include <mien/io/model_file.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "mien/io/file.hpp"

namespace {

using namespace mien;

/// What the document says of a type of error: its section. Messages there are in backquotes.
std::string section(const std::string& heading) {
  const std::string text = io::read_text(std::string(MIEN_SOURCE_DIR) + "/docs/errors.md");
  const auto begin = text.find("\n## " + heading + "\n");
  REQUIRE_MESSAGE(begin != std::string::npos, "docs/errors.md has no section " << heading);
  return text.substr(begin, text.find("\n## ", begin + 1) - begin);
}

/// The message of an exception of that type, up to the end of its first line.
template <class Exception>
std::string message_of(const std::function<void()>& wrong) {
  try {
    wrong();
  } catch (const Exception& error) {
    const std::string message = error.what();
    return message.substr(0, message.find('\n'));
  }
  return "nothing of that type was thrown";
}

template <class Exception>
void check_documented(const std::string& heading, const std::function<void()>& wrong) {
  const std::string message = message_of<Exception>(wrong);
  CHECK_MESSAGE(section(heading).find("`" + message) != std::string::npos, heading << ": " << message);
}

}  // namespace

TEST_CASE("the messages about calls that docs/errors.md explains are thrown") {
  const Tensor<float> x = Tensor<float>::zeros({2, 3});
  nn::Linear<float> fc({.in = 4, .out = 7});
  check_documented<ShapeError>("ShapeError", [&] { static_cast<void>(x.view({-1, 4})); });
  check_documented<ShapeError>("ShapeError", [turned = x.permute({1, 0})] { static_cast<void>(turned.span()); });
  check_documented<ShapeError>("ShapeError", [&] { fc(Variable<float>(x)); });
  check_documented<ShapeError>("ShapeError", [&] { cross_entropy(Variable<float>(x), {0, 1, 2}); });
  check_documented<ShapeError>("ShapeError", [&] { backward(Variable<float>(x)); });
  check_documented<ShapeError>("ShapeError", [] {
    add_bias(Variable<float>(Tensor<float>::zeros({8, 3, 48, 48})), Variable<float>(Tensor<float>::zeros({3})));
  });
  check_documented<IndexError>("IndexError", [&] { static_cast<void>(x(2, 0)); });
  check_documented<IndexError>("IndexError", [&] { static_cast<void>(x.size(4)); });
}

TEST_CASE("the messages about values that docs/errors.md explains are thrown") {
  nn::Linear<float> fc({.in = 4, .out = 7});
  const Variable<float> loss = sum(fc(Variable<float>(Tensor<float>::zeros({2, 4}))));
  backward(loss);
  check_documented<ValueError>("ValueError", [&] { backward(loss); });
  check_documented<ValueError>("ValueError", [] { backward(sum(Variable<float>(Tensor<float>::zeros({2})))); });
  check_documented<ValueError>("ValueError", [] {
    cross_entropy(Variable<float>(Tensor<float>::zeros({2, 7})), {3, 9});
  });
  check_documented<ValueError>("ValueError", [&] { optim::Sgd<float>(fc.parameters(), {.learning_rate = -1}); });
  check_documented<ValueError>("ValueError", [&] { fc.set_trainable("layer9", false); });
  fc.set_trainable("", false);
  check_documented<ValueError>("ValueError", [&] { optim::Sgd<float>(fc.parameters(), {}); });
}

TEST_CASE("the messages about files that docs/errors.md explains are thrown") {
  check_documented<FileError>("FileError", [] { io::read_image("nowhere.png"); });
  check_documented<FileError>("FileError", [] {
    const std::string cut = "\x89PNG\r\n\x1a\n";
    io::decode_image(std::as_bytes(std::span(cut)), {}, "face.png");
  });
  check_documented<FileError>("FileError", [] {
    const std::string text = "hello";
    io::decode_image(std::as_bytes(std::span(text)), {}, "face.png");
  });
  check_documented<FileError>("FileError", [] {
    nn::Linear<float> fc({.in = 4, .out = 7});
    io::save(fc, "/nowhere/model.safetensors");
  });
}
