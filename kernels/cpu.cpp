// The library mien::compiled: the processor's side of the large operations, for float and double, compiled once.

#define MIEN_COMPILING

#include "mien/backend/cpu/attention.hpp"
#include "mien/backend/cpu/batch_norm.hpp"
#include "mien/backend/cpu/channel_wise_convolution.hpp"
#include "mien/backend/cpu/convolution.hpp"
#include "mien/backend/cpu/dropout.hpp"
#include "mien/backend/cpu/elementwise_kernels.hpp"
#include "mien/backend/cpu/linear.hpp"
#include "mien/backend/cpu/lstm.hpp"
#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/backend/cpu/optimiser_step.hpp"
#include "mien/backend/cpu/pooling.hpp"
#include "mien/backend/cpu/row_kernels.hpp"
#include "mien/backend/cpu/super_image_convolution.hpp"
#include "mien/backend/cpu/transpose.hpp"

namespace mien::backend {

void MIEN_COMPILED_OF_THIS_VERSION() {}

}  // namespace mien::backend
