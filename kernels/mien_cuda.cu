// All kernels in one file, for who builds without CMake:
//
//     nvcc -std=c++20 -O3 -arch=native -I include -I kernels -c kernels/mien_cuda.cu -o mien_cuda.o
// and link mien_cuda.o and CUDA's runtime to C++ files that are compiled with -D MIEN_WITH_CUDA.

#include "attention.cu"
#include "batch_norm.cu"
#include "channel_wise_convolution.cu"
#include "channels.cu"
#include "clip_preparation.cu"
#include "convolution.cu"
#include "copy.cu"
#include "cross_entropy.cu"
#include "dropout.cu"
#include "elementwise.cu"
#include "fusion.cu"
#include "gesture_representation.cu"
#include "gradients.cu"
#include "layer_norm.cu"
#include "library.cu"
#include "lstm.cu"
#include "matrix_product.cu"
#include "optimiser_step.cu"
#include "pooling.cu"
#include "regression_loss.cu"
#include "softmax.cu"
#include "super_image.cu"
#include "super_image_convolution.cu"
