// One file compiled twice into one program: with libjpeg and libpng, and without.
#include <mien/io/image.hpp>

#include <cstdio>

using Decode = mien::io::Image (*)(std::span<const std::byte>, const mien::io::ImageOptions&,
                                   const std::filesystem::path&);

#ifdef CLIENT_IS_WITHOUT
Decode decoder_of_the_other_file() { return &mien::io::decode_image<>; }
#else
Decode decoder_of_the_other_file();

int main() {
  const Decode ours = &mien::io::decode_image<>;
  const Decode others = decoder_of_the_other_file();
  if (ours == others) return 1;
  mien::io::Image image(2, 1, 3);
  image.pixels = {1, 2, 3, 40, 50, 60};
  const auto file = mien::io::encode_png(image);
  if (ours(file, {}, "ours").pixels != image.pixels || others(file, {}, "others").pixels != image.pixels) return 2;
  std::printf("both work here\n");
}
#endif
