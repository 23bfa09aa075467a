/// Writes a report of what a classifier said: report_page [report.html]

#include <mien/report/html.hpp>

int main(int count, char** arguments) {
  using namespace mien;
  const std::vector<std::string> classes{"joy", "fear", "calm"};
  const std::vector<Index> labels{0, 0, 1, 2, 2};
  const auto probabilities =
      Tensor<float>::from({5, 3}, {0.9F, 0.1F, 0, 0.2F, 0.7F, 0.1F, 0.1F, 0.8F, 0.1F, 0.3F, 0.1F, 0.6F, 0, 0.2F, 0.8F});
  metrics::ConfusionMatrix confusion(3);
  confusion.add(labels, metrics::predicted_classes(probabilities));
  metrics::Calibration calibration(5);
  calibration.add(probabilities, labels);

  report::Page page("A first report", {.subtitle = "Five samples"});
  page.section("Result").facts({{"accuracy", report::percent(confusion.accuracy())}});
  page.section("Training").curves({{"training", {1.1, 0.7, 0.5}}, {"validation", {1.2, 0.9, 0.8}}}, {.title = "Loss"});
  page.section("Classes")
      .confusion_matrix(confusion.counts(), classes)
      .per_class(confusion, classes)
      .calibration(calibration);
  page.section("A film")
      .timeline(
          {.classes = classes, .times = {0, 1, 2}, .probabilities = {{0.8, 0.1, 0.1}, {0.3, 0.6, 0.1}, {0, 0, 1}}})
      .affect_plane({.groups = {{.points = {{0.6, 0.3}, {-0.2, 0.7}, {0.4, -0.4}}, .joined = true}}});
  page.save(count > 1 ? arguments[1] : "report.html");
}
