#pragma once

/// Where a tensor lives is part of its type, so that a program that asked for one device can never run on another.

namespace mien {

/// The host's memory and cores.
struct Cpu {};

/// A GPU of NVIDIA's: see backend/cuda/device.hpp, which programs have that link mien::cuda.
struct Cuda;

}  // namespace mien
