#pragma once

/// What the library calls of NCCL, for the emulator: ranks are the processes that mpirun starts, and MPI does the work,
/// which is done when the call returns. Found before NCCL's own header by what is compiled for the emulator.

#include <mpi.h>

#include <cstring>

#include "emulator/cuda_runtime.h"

enum ncclResult_t {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7
};
enum ncclDataType_t { ncclFloat32 = 7, ncclFloat64 = 8 };
enum ncclRedOp_t { ncclSum = 0 };
inline constexpr int NCCL_UNIQUE_ID_BYTES = 128;
struct ncclUniqueId {
  char internal[NCCL_UNIQUE_ID_BYTES];
};
struct ncclComm {
  MPI_Comm processes;
};
using ncclComm_t = ncclComm*;

namespace emulator {

/// What has become of NCCL's communicators, and what the next calls shall come to.
struct Nccl {
  int destroyed = 0;
  int aborted = 0;
  ncclResult_t asynchronous_error = ncclSuccess;
};

inline Nccl& nccl() {
  static Nccl state;
  return state;
}

inline MPI_Datatype mpi_type(ncclDataType_t type) { return type == ncclFloat32 ? MPI_FLOAT : MPI_DOUBLE; }
inline ncclResult_t nccl_result(int mpi_code) { return mpi_code == MPI_SUCCESS ? ncclSuccess : ncclRemoteError; }

}  // namespace emulator

inline const char* ncclGetErrorString(ncclResult_t code) {
  switch (code) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

inline ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 'm', sizeof(id->internal));
  return ncclSuccess;
}

/// Ranks that have not been told the first one's number would not find each other.
inline ncclResult_t ncclCommInitRank(ncclComm_t* out, int ranks, ncclUniqueId id, int rank) {
  int size = 0;
  int own = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &own);
  if (size != ranks || own != rank || id.internal[NCCL_UNIQUE_ID_BYTES - 1] != 'm') return ncclInvalidArgument;
  *out = new ncclComm{MPI_COMM_NULL};
  return emulator::nccl_result(MPI_Comm_dup(MPI_COMM_WORLD, &(*out)->processes));
}

inline ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t,
                                  ncclComm_t ranks, cudaStream_t) {
  return emulator::nccl_result(MPI_Allreduce(from == to ? MPI_IN_PLACE : from, to, static_cast<int>(count),
                                             emulator::mpi_type(type), MPI_SUM, ranks->processes));
}

inline ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                                  ncclComm_t ranks, cudaStream_t) {
  if (from != to) return ncclInvalidArgument;
  return emulator::nccl_result(
      MPI_Bcast(to, static_cast<int>(count), emulator::mpi_type(type), root, ranks->processes));
}

inline ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = emulator::nccl().asynchronous_error;
  return ncclSuccess;
}

inline ncclResult_t ncclCommDestroy(ncclComm_t ranks) {
  MPI_Comm_free(&ranks->processes);
  delete ranks;
  ++emulator::nccl().destroyed;
  return ncclSuccess;
}

inline ncclResult_t ncclCommAbort(ncclComm_t ranks) {
  delete ranks;
  ++emulator::nccl().aborted;
  return ncclSuccess;
}
