// The library mien::compiled: operations on the processor and their gradients, for float and double, compiled once.

#define MIEN_COMPILING

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/attention.hpp"
#include "mien/autograd/batch_norm.hpp"
#include "mien/autograd/channel_wise_convolution.hpp"
#include "mien/autograd/convolution.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/autograd/dropout.hpp"
#include "mien/autograd/layer_norm.hpp"
#include "mien/autograd/linear.hpp"
#include "mien/autograd/lstm.hpp"
#include "mien/autograd/pooling.hpp"
#include "mien/autograd/preactivated_convolution.hpp"
#include "mien/autograd/scale_shift.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/autograd/super_image_convolution.hpp"
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
