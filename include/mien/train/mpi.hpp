#pragma once

/// Ranks that `mpirun` starts, on one machine or on several. Needs an implementation of MPI 3, such as Open MPI: in
/// CMake, configure with `-D MIEN_MPI=ON` and link `mien::mpi`.
///
///     train::MpiCommunicator communicator;
///     train::Trainer<float> trainer(adam, {.communicator = &communicator});
///
///     mpirun -n 4 ./program

#include <mpi.h>

#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "mien/train/communicator.hpp"

namespace mien::train {

/// A call of MPI failed.
class MpiError : public Error {
 public:
  MpiError(const char* call, int code) : Error(mien::detail::text(call, " failed: ", words(code))), code_(code) {}

  int code() const { return code_; }

 private:
  static std::string words(int code) {
    char out[MPI_MAX_ERROR_STRING + 1] = {};
    int length = 0;
    if (MPI_Error_string(code, out, &length) != MPI_SUCCESS) return mien::detail::text("code ", code);
    return {out, static_cast<std::size_t>(length)};
  }

  int code_;
};

using MpiOptions = WaitOptions;

namespace detail {

inline void require_mpi(const char* call, int code) {
  if (code != MPI_SUCCESS) throw MpiError(call, code);
}

/// Initialises MPI, unless the program has done so, and ends it then too. Training calls MPI from one thread while
/// others make batches: MPI_THREAD_FUNNELED.
class MpiSession {
 public:
  MpiSession() {
    int is_there = 0;
    int is_over = 0;
    int level = MPI_THREAD_SINGLE;
    require_mpi("MPI_Initialized", MPI_Initialized(&is_there));
    require_mpi("MPI_Finalized", MPI_Finalized(&is_over));
    if (is_over != 0)
      throw Error(
          "MpiCommunicator: MPI has ended, with the first communicator or by the program, and cannot begin anew");
    if (is_there != 0) {
      require_mpi("MPI_Query_thread", MPI_Query_thread(&level));
    } else {
      require_mpi("MPI_Init_thread", MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level));
      is_own_ = true;
    }
    int is_main = 1;
    if (level == MPI_THREAD_FUNNELED) require_mpi("MPI_Is_thread_main", MPI_Is_thread_main(&is_main));
    if (level >= MPI_THREAD_FUNNELED && is_main != 0) return;
    if (is_own_) MPI_Finalize();
    throw Error(mien::detail::text("MpiCommunicator: MPI was initialised for calls of ",
                                   is_main != 0 ? "programs of one thread" : "another thread", " (level ", level,
                                   "); this thread needs MPI_THREAD_FUNNELED (", int{MPI_THREAD_FUNNELED},
                                   ") or more"));
  }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  ~MpiSession() {
    if (is_own_) MPI_Finalize();
  }

 private:
  bool is_own_ = false;
};

/// Open MPI goes on with an operation only while it is asked.
class MpiRequest final : public Request {
 public:
  MpiRequest(const RankWait& wait, InFlight& in_flight, InFlight::iterator owner)
      : wait_(wait), in_flight_(in_flight), owner_(owner) {}
  /// What is not done stays with MPI, and ends with it: such an operation cannot be taken back.
  ~MpiRequest() override {
    if (request_ == MPI_REQUEST_NULL) in_flight_.erase(owner_);
  }

  /// For the call that starts it.
  MPI_Request* handle() { return &request_; }

  bool test() override {
    int done = 0;
    require_mpi("MPI_Test", MPI_Test(&request_, &done, MPI_STATUS_IGNORE));
    return done != 0;
  }
  void wait() override {
    wait_.until([this] { return test(); });
  }

 private:
  MPI_Request request_ = MPI_REQUEST_NULL;
  RankWait wait_;
  InFlight& in_flight_;
  InFlight::iterator owner_;
};

}  // namespace detail

/// All processes of the job. It is made and used by the thread that initialises MPI. If it is destroyed by an exception
/// the job ends, since the others would wait for this rank for ever; so catch and tell the exception while it lives.
/// After RankLost there is nothing left to do but to `abandon`.
class MpiCommunicator final : public Communicator {
 public:
  /// Throws MpiError, Error if MPI was initialised for programs of one thread, or has ended.
  explicit MpiCommunicator(MpiOptions options = {})
      : options_(std::move(options)), exceptions_(std::uncaught_exceptions()) {
    // A channel of our own: what the program says to MPI besides cannot get mixed up with it.
    detail::require_mpi("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &ranks_));
    detail::require_mpi("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN));
    detail::require_mpi("MPI_Comm_rank", MPI_Comm_rank(ranks_, &rank_));
    detail::require_mpi("MPI_Comm_size", MPI_Comm_size(ranks_, &size_));
    find_place_in_machine();
  }
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > exceptions_) abandon(1);
    MPI_Comm_free(&ranks_);
  }

  Index rank() const override { return rank_; }
  Index size() const override { return size_; }
  /// This rank's number among those of its machine, from 0 on: what `cudaSetDevice` is told where a machine's ranks
  /// have a GPU each.
  Index local_rank() const { return local_rank_; }
  /// How many ranks its machine has.
  Index local_size() const { return local_size_; }

  using Communicator::start_sum;
  std::unique_ptr<Request> start_sum(const Elements& elements) override {
    if (elements.type == ElementType::bytes) throw ValueError("Communicator: bytes cannot be added up");
    const int count = count_of(elements);
    return start("MPI_Iallreduce", elements.owner, [&](MPI_Request* request) {
      return MPI_Iallreduce(MPI_IN_PLACE, elements.data, count, type_of(elements), MPI_SUM, ranks_, request);
    });
  }

  using Communicator::broadcast;
  void broadcast(const Elements& elements, Index root) override {
    if (root < 0 || root >= size_) throw ValueError(mien::detail::text("Communicator: rank ", root, " of ", size_));
    const int count = count_of(elements);
    start("MPI_Ibcast", elements.owner, [&](MPI_Request* request) {
      return MPI_Ibcast(elements.data, count, type_of(elements), static_cast<int>(root), ranks_, request);
    })->wait();
  }

  void barrier() override {
    start("MPI_Ibarrier", {}, [&](MPI_Request* request) { return MPI_Ibarrier(ranks_, request); })->wait();
  }

  void abandon(int exit_code) noexcept override { MPI_Abort(ranks_, exit_code); }

 private:
  /// `call(&request)` starts something, and returns MPI's code. All memory that this needs is there before.
  template <class Call>
  std::unique_ptr<Request> start(const char* name, std::shared_ptr<const void> owner, const Call& call) {
    const auto place = in_flight_.insert(in_flight_.end(), std::move(owner));
    auto out = std::make_unique<detail::MpiRequest>(detail::RankWait(options_, rank_, size_), in_flight_, place);
    detail::require_mpi(name, call(out->handle()));
    return out;
  }

  /// A machine's ranks are those that could share memory.
  void find_place_in_machine() {
    MPI_Comm machine = MPI_COMM_NULL;
    detail::require_mpi("MPI_Comm_split_type",
                        MPI_Comm_split_type(ranks_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
    detail::require_mpi("MPI_Comm_rank", MPI_Comm_rank(machine, &local_rank_));
    detail::require_mpi("MPI_Comm_size", MPI_Comm_size(machine, &local_size_));
    detail::require_mpi("MPI_Comm_free", MPI_Comm_free(&machine));
  }

  static int count_of(const Elements& elements) {
    if (elements.is_on_gpu)
      throw ValueError("MpiCommunicator: it exchanges what lies in the host's memory; NcclCommunicator is for GPUs");
    if (elements.count > std::numeric_limits<int>::max())
      throw ValueError(
          mien::detail::text("MpiCommunicator: ", to_string(elements), " at once; MPI counts to 2^31 - 1"));
    return static_cast<int>(elements.count);
  }

  static MPI_Datatype type_of(const Elements& elements) {
    return elements.type == ElementType::float32   ? MPI_FLOAT
           : elements.type == ElementType::float64 ? MPI_DOUBLE
                                                   : MPI_BYTE;
  }

  detail::InFlight in_flight_;  ///< outlives MPI
  detail::MpiSession session_;
  MpiOptions options_;
  int exceptions_;
  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
};

}  // namespace mien::train
