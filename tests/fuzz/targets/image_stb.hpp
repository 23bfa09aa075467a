#pragma once

#include "fuzz/targets/image.hpp"

namespace mien::fuzzing {

/// Images by stb_image, as in programs that are built without libjpeg and libpng.
inline const Target image_stb_target{
    [](Bytes bytes) {
      using Stb = io::detail::StbDecoder;
      static_cast<void>(io::decode_image<Stb, Stb>(with_right_png_checksums(bytes), {.max_pixels = fuzzed_pixels}));
    },
    image_seeds, image_words()};

}  // namespace mien::fuzzing
