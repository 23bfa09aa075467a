#include <iostream>

#include <mien/face/detector.hpp>
#include <mien/face/expression.hpp>
#include <mien/face/tracking.hpp>
#include <mien/video/reader.hpp>

int main(int count, char** arguments) {
  using namespace mien;
  const auto film = video::open_video(count > 1 ? arguments[1] : "/dev/video0");
  face::FaceDetector find_faces;
  face::FaceTracker follow;
  face::ExpressionRecogniser read_expression;
  for (video::Frame frame; film->read(frame);)
    for (const face::TrackedFace& face : follow(find_faces(frame.image))) {
      const auto probabilities = read_expression(frame.image, face);
      const data::Emotion emotion = face::most_probable(probabilities);
      std::cout << frame.time << " s, face " << face.id << ": " << data::name_of(emotion) << " "
                << probabilities[static_cast<std::size_t>(emotion)] << "\n";
    }
}
