// As main.cpp, with as few headers as will show whether a package is whole.
#include <mien/build_info.hpp>
#include <mien/core/tensor.hpp>
#include <mien/version.hpp>
#ifdef MIEN_WITH_IO
#include <mien/io/image.hpp>
#include <mien/io/json.hpp>
#endif

#include <cstdio>

int main() {
  if (mien::Tensor<float>::zeros({2, 3}).elements() != 6) return 1;
#ifdef MIEN_WITH_IO
  if (mien::io::parse_json("[1, 2, 3]", "a text").size() != 3) return 2;
  try {
    static_cast<void>(mien::io::decode_image({}));
    return 3;
  } catch (const mien::FileError&) {
  }
#endif
  std::printf("mien %s works here\n%s\n", mien::version(), mien::build_info().to_string().c_str());
}
