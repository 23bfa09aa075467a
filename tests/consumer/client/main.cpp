// What somebody who uses the library writes. Built in several ways by the tests of this folder.
#ifdef CLIENT_HAS_THE_SINGLE_HEADER
#include <mien_single.hpp>
#else
#include <mien/mien.hpp>
#endif

#include <cstdio>
#include <string>

#ifdef CLIENT_HAS_TWO_FILES
mien::Tensor<float> made_in_the_other_file();
#else
static mien::Tensor<float> made_in_the_other_file() { return mien::Tensor<float>::zeros({2, 3}); }
#endif

int main() {
  const mien::Tensor<float> tensor = made_in_the_other_file();
  if (tensor.elements() != 6 || tensor(1, 2) != 0.0F) return 1;
  try {
    tensor.view({4, 4});
    return 2;
  } catch (const mien::ShapeError& error) {
    if (std::string(error.what()).empty()) return 3;
  }
#ifdef MIEN_WITH_IO
  if (mien::io::parse_json("[1, 2, 3]", "a text").size() != 3) return 4;
#endif
  std::printf("mien %s works here\n%s\n", mien::version(), mien::build_info().to_string().c_str());
}
