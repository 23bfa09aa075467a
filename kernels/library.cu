// What a program looks for at its link: that these kernels are of its headers' version and settings.

#include "mien/backend/cuda/library.hpp"

namespace mien::cuda {

void MIEN_KERNELS_OF_THESE_SETTINGS() {}

}  // namespace mien::cuda
