#include <mien/data/emotion.hpp>

#include <doctest/doctest.h>

using namespace mien;

TEST_CASE("emotions keep their order, which labels in files stand for") {
  CHECK(data::emotion_class_names() ==
        std::vector<std::string>{"happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"});
  CHECK(data::name_of(data::Emotion::happiness) == "happiness");
  CHECK(data::name_of(data::Emotion::fear) == "fear");
}
