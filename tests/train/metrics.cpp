#include <mien/train/metrics.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;
using metrics::ConfusionMatrix;

namespace {

/// Rows are labels: (5 2 0), (1 3 0), (0 0 0), (1 0 0) over four classes, of which class 2 never appears.
ConfusionMatrix example() {
  ConfusionMatrix matrix(4);
  matrix.add(std::vector<Index>{0, 0, 0, 0, 0, 0, 0}, std::vector<Index>{0, 0, 0, 0, 0, 1, 1});
  matrix.add(std::vector<Index>{1, 1, 1, 1}, std::vector<Index>{0, 1, 1, 1});
  matrix.add(3, 0);
  return matrix;
}

}  // namespace

TEST_CASE("counts and rates") {
  const ConfusionMatrix matrix = example();
  CHECK(matrix.classes() == 4);
  CHECK(matrix.total() == 12);
  CHECK(matrix.correct() == 8);
  CHECK(matrix.count(0, 1) == 2);
  CHECK(matrix.count(1, 0) == 1);
  CHECK(matrix.labelled(0) == 7);
  CHECK(matrix.predicted(0) == 7);
  CHECK(matrix.labelled(1) == 4);
  CHECK(matrix.predicted(1) == 5);
  CHECK(matrix.rate(0, 1) == doctest::Approx(2.0 / 7));
  CHECK(matrix.counts()(3, 0) == 1);
  CHECK(matrix.rates()(1, 1) == 0.75);
  CHECK(matrix.rates()(2, 2) == 0);
}

TEST_CASE("accuracy, recall, precision, F1") {
  const ConfusionMatrix matrix = example();
  CHECK(matrix.accuracy() == doctest::Approx(8.0 / 12));
  CHECK(matrix.recall(0) == doctest::Approx(5.0 / 7));
  CHECK(matrix.recall(3) == 0);
  CHECK(matrix.precision(0) == doctest::Approx(5.0 / 7));
  CHECK(matrix.precision(1) == doctest::Approx(3.0 / 5));
  CHECK(matrix.f1(1) == doctest::Approx(2 * 0.75 * 0.6 / (0.75 + 0.6)));
  // Class 2 never appears, so that it has no part in the means; class 3 does, and is never recognised.
  CHECK(matrix.mean_recall() == doctest::Approx((5.0 / 7 + 0.75 + 0) / 3));
  CHECK(matrix.macro_f1() == doctest::Approx((5.0 / 7 + 2.0 / 3 + 0) / 3));
}

TEST_CASE("a class that is predicted but has no samples lowers the F1, not the recall") {
  ConfusionMatrix matrix(3);
  matrix.add(0, 0);
  matrix.add(0, 2);
  CHECK(matrix.mean_recall() == 0.5);
  CHECK(matrix.macro_f1() == doctest::Approx((2.0 / 3 + 0) / 2));
  CHECK(matrix.precision(2) == 0);
  CHECK(matrix.recall(2) == 0);
}

TEST_CASE("without samples every measure is 0") {
  const ConfusionMatrix matrix(2);
  for (const double measure : {matrix.accuracy(), matrix.mean_recall(), matrix.macro_f1(), matrix.precision(0),
                               matrix.recall(1), matrix.f1(0), matrix.rate(0, 1)})
    CHECK(measure == 0);
}

TEST_CASE("matrices add") {
  ConfusionMatrix matrix = example();
  matrix.add(example());
  CHECK(matrix.total() == 24);
  CHECK(matrix.count(0, 1) == 4);
  CHECK_THROWS_AS(matrix.add(ConfusionMatrix(3)), ShapeError);
}

TEST_CASE("a copy of the counts stays as it was") {
  ConfusionMatrix matrix(2);
  const auto before = matrix.counts();
  matrix.add(1, 0);
  CHECK(before(1, 0) == 0);
  CHECK(matrix.counts()(1, 0) == 1);
}

TEST_CASE("what is no class is refused, and nothing of it is counted") {
  ConfusionMatrix matrix(2);
  CHECK_THROWS_AS(matrix.add(2, 0), ValueError);
  CHECK_THROWS_AS(matrix.add(0, -1), ValueError);
  CHECK_THROWS_AS(matrix.add(std::vector<Index>{0, 1}, std::vector<Index>{0, 2}), ValueError);
  CHECK_THROWS_AS(matrix.add(std::vector<Index>{0, 1}, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(matrix.recall(2), IndexError);
  CHECK_THROWS_AS(ConfusionMatrix(0), ValueError);
  CHECK(matrix.total() == 0);
  CHECK_THROWS_WITH(matrix.add(0, 2), "ConfusionMatrix: prediction 2, there are 2 classes");
}

TEST_CASE("the predicted class has the highest score, the first of equal ones") {
  const auto scores = Tensor<float>::from({4, 3}, {0, 2, 1, -1, -2, -3, 5, 5, 4, 1, 2, 2});
  CHECK(metrics::predicted_classes(scores) == std::vector<Index>{1, 0, 0, 1});
  CHECK(metrics::predicted_classes(scores.permute({1, 0})) == std::vector<Index>{2, 2, 2});
  CHECK(metrics::predicted_classes(Tensor<float>({0, 3})).empty());
  CHECK_THROWS_AS(metrics::predicted_classes(Tensor<float>({3, 0})), ShapeError);
}

TEST_CASE("squared error and concordance of valence and arousal") {
  const auto prediction = Tensor<float>::from({2, 2, 2}, {0.1F, 0.5F, 0.2F, 0.5F, 0.6F, 0.5F, 9, 9});
  const auto target = Tensor<float>::from({2, 2, 2}, {0.4F, 0.1F, 0.3F, 0.2F, 0.5F, 0.7F, 0, 0});
  const auto mask = Tensor<std::uint8_t>::from({2, 2}, {1, 1, 1, 0});
  const auto agreement = metrics::concordance(prediction, target, mask);
  // Means 0.3 and 0.4, variances 0.14 / 3 and 0.02 / 3, covariance 0.04 / 3.
  CHECK(agreement.valence == doctest::Approx(0.08 / 3 / (0.16 / 3 + 0.01)));
  CHECK(agreement.arousal == 0);
  CHECK(agreement.mean() == doctest::Approx(agreement.valence / 2));
  CHECK(metrics::mean_squared_error(prediction, target, mask) ==
        doctest::Approx((0.09 + 0.16 + 0.01 + 0.09 + 0.01 + 0.04) / 6));
  CHECK(metrics::concordance(target, target).mean() == doctest::Approx(1));
}

TEST_CASE("no frames agree on nothing") {
  const Tensor<float> none({0, 2});
  CHECK(metrics::concordance(none, none).mean() == 0);
  CHECK(metrics::mean_squared_error(none, none) == 0);
  const Tensor<float> some({3, 2}, 1.F);
  CHECK(metrics::concordance(some, some, Tensor<std::uint8_t>({3}, 0)).mean() == 0);
  CHECK(metrics::concordance(some, some).mean() == 1);
  CHECK_THROWS_AS(metrics::concordance(Tensor<float>({4, 3}), Tensor<float>({4, 3})), ShapeError);
}

TEST_CASE("a record of valence and arousal pools what comes in batches") {
  const auto prediction = Tensor<float>::from({4, 2}, {0.1F, 0.5F, 0.2F, 0.4F, 0.6F, -0.5F, 9, 9});
  const auto target = Tensor<float>::from({4, 2}, {0.4F, 0.1F, 0.3F, 0.2F, 0.5F, 0.7F, 0, 0});
  const auto mask = Tensor<std::uint8_t>::from({4}, {1, 1, 1, 0});
  metrics::AffectRecord record;
  CHECK(record.concordance().mean() == 0);
  CHECK(record.mean_squared_error() == 0);
  record.add(prediction.slice(0, 0, 1), target.slice(0, 0, 1));
  record.add(prediction.slice(0, 1, 4), target.slice(0, 1, 4), mask.slice(0, 1, 4));
  CHECK(record.frames() == 3);
  CHECK(record.concordance().valence == doctest::Approx(metrics::concordance(prediction, target, mask).valence));
  CHECK(record.concordance().arousal == doctest::Approx(metrics::concordance(prediction, target, mask).arousal));
  CHECK(record.mean_squared_error() == doctest::Approx(metrics::mean_squared_error(prediction, target, mask)));
  metrics::AffectRecord both = record;
  both.add(record);
  CHECK(both.frames() == 6);
  CHECK(both.concordance().valence == doctest::Approx(record.concordance().valence));
  CHECK_THROWS_AS(record.add(Tensor<float>({4, 3}), Tensor<float>({4, 3})), ShapeError);
}

TEST_CASE("calibration compares confidence and accuracy in bins") {
  metrics::Calibration calibration(4);
  for (const bool correct : {true, true, false}) calibration.add(0.75, correct);  // a bin's end belongs to it
  calibration.add(0.8, true);
  calibration.add(0, false);
  calibration.add(1 + 1e-7, true);
  CHECK(calibration.samples() == 6);
  REQUIRE(calibration.bins().size() == 4);
  CHECK(calibration.bins()[0].samples == 1);
  CHECK(calibration.bins()[1].samples == 0);
  CHECK(calibration.bins()[1].accuracy() == 0);
  CHECK(calibration.bins()[2].samples == 3);
  CHECK(calibration.bins()[2].accuracy() == doctest::Approx(2.0 / 3));
  CHECK(calibration.bins()[2].confidence() == doctest::Approx(0.75));
  CHECK(calibration.bins()[3].confidence() == doctest::Approx(0.9));
  const double gap = 0.75 - 2.0 / 3;
  CHECK(calibration.expected_error() == doctest::Approx((3 * gap + 2 * 0.1) / 6));
  CHECK(calibration.greatest_error() == doctest::Approx(0.1));
  for (const double wrong : {-0.1, 1.1, std::nan("")}) CHECK_THROWS_AS(calibration.add(wrong, true), ValueError);
  CHECK(calibration.samples() == 6);
  CHECK_THROWS_AS(metrics::Calibration(0), ValueError);
  CHECK(metrics::Calibration().expected_error() == 0);
  CHECK(metrics::Calibration().greatest_error() == 0);
}

TEST_CASE("calibration takes a batch's probabilities, but no samples without a label") {
  const auto probabilities = Tensor<float>::from({3, 2}, {0.9F, 0.1F, 0.45F, 0.55F, 0.7F, 0.3F});
  metrics::Calibration calibration(10);
  calibration.add(probabilities, std::vector<Index>{0, 0, -1});
  CHECK(calibration.samples() == 2);
  CHECK(calibration.bins()[8].correct == 1);
  CHECK(calibration.bins()[5].samples == 1);
  CHECK(calibration.bins()[5].correct == 0);
  CHECK_THROWS_AS(calibration.add(probabilities, std::vector<Index>{0}), ShapeError);
}

TEST_CASE("the worst mistakes give their own class the least") {
  const std::vector<std::vector<double>> probabilities{{0.6, 0.4}, {0.3, 0.7}, {0.95, 0.05}, {0.2, 0.8}, {0.1, 0.9}};
  const std::vector<Index> labels{1, 0, 1, 1, -1};
  CHECK(metrics::worst_mistakes(probabilities, labels, 9) == std::vector<Index>{2, 1, 0});
  CHECK(metrics::worst_mistakes(probabilities, labels, 2) == std::vector<Index>{2, 1});
  CHECK(metrics::worst_mistakes({}, {}, 2).empty());
  CHECK_THROWS_AS(metrics::worst_mistakes(probabilities, std::vector<Index>{0}, 2), ShapeError);
  CHECK_THROWS_AS(metrics::worst_mistakes({{1}}, std::vector<Index>{1}, 2), ShapeError);
}

TEST_CASE("a sample without a label does not hide mistakes after it") {
  const std::vector<std::vector<double>> probabilities{{0.9, 0.1}, {0.6, 0.4}, {0.3, 0.7}};
  CHECK(metrics::worst_mistakes(probabilities, std::vector<Index>{-1, 1, 0}, 9) == std::vector<Index>{2, 1});
}
