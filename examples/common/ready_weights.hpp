#pragma once

/// Weights that others trained, as files of our models.

#include <string>

namespace mien::examples {

/// YuNet, from the ONNX file of OpenCV's model zoo (face_detection_yunet_2023mar.onnx). Throws FileError for a file
/// that holds anything else.
void import_yunet(const std::string& onnx, const std::string& out);

/// The expression network, from the manifest of face-api.js (face_expression_model-weights_manifest.json) and the file
/// beside it that it names. Throws FileError.
void import_expression_network(const std::string& manifest, const std::string& out);

}  // namespace mien::examples
