#pragma once

/// exp, sigmoid and tanh of whole vectors, for the kernels of every instruction set: `VectorFunctions<T>`, see
/// kernels/vector_functions.inc. Over the whole range, infinities and NaNs included, results are within 1.5 units in the
/// last place for exp, and within 3 for sigmoid and tanh.

#include "mien/backend/cpu/vector.hpp"

#define MIEN_KERNELS "mien/backend/cpu/kernels/vector_functions.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"
