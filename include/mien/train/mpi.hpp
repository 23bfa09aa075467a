#pragma once

/// Ranks that `mpirun` starts, on one machine or on several. Needs an implementation of MPI 3, such as Open MPI: in
/// CMake, configure with `-D MIEN_MPI=ON` and link `mien::mpi`.
///
///     train::MpiCommunicator communicator;
///     train::Trainer<float> trainer(adam, {.communicator = &communicator});
///
///     mpirun -n 4 ./program

#include <mpi.h>

#include <chrono>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
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

struct MpiOptions {
  /// Longest wait for the other ranks. They wait for one that validates, saves or reads, so this is no short time.
  std::chrono::seconds patience{1800};
  /// Asked while others are waited for; true gives up. A program sets it from its handler of SIGTERM, which `mpirun`
  /// sends to the ranks that are left when one is lost.
  std::function<bool()> gives_up = {};
};

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
    int level = MPI_THREAD_SINGLE;
    require_mpi("MPI_Initialized", MPI_Initialized(&is_there));
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

/// Asks until an operation is done: Open MPI goes on with it only while it is asked.
class MpiWait {
 public:
  MpiWait(const MpiOptions& options, MPI_Comm ranks) : options_(options), ranks_(ranks) {}

  template <class Done>
  void until(const Done& done) const {
    const auto begin = std::chrono::steady_clock::now();
    while (!done()) {
      const auto waited = std::chrono::steady_clock::now() - begin;
      if (options_.gives_up && options_.gives_up()) lose("was told to end");
      if (waited > options_.patience) lose(mien::detail::text("waited ", options_.patience.count(), " s"));
      // Whoever has the core meanwhile may be the rank that is waited for.
      if (waited > std::chrono::milliseconds(1)) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

 private:
  [[noreturn]] void lose(const std::string& why) const {
    int rank = 0;
    int size = 0;
    MPI_Comm_rank(ranks_, &rank);
    MPI_Comm_size(ranks_, &size);
    throw RankLost(mien::detail::text("rank ", rank, " of ", size, " ", why,
                                      " while it waited for the others; one of them is lost, or has stopped"));
  }

  const MpiOptions& options_;
  MPI_Comm ranks_;
};

class MpiRequest final : public Request {
 public:
  MpiRequest(MPI_Request request, MpiWait wait) : request_(request), wait_(wait) {}
  /// What is not done stays with MPI, and ends with it: such an operation cannot be taken back.
  ~MpiRequest() override = default;

  bool test() override {
    int done = 0;
    require_mpi("MPI_Test", MPI_Test(&request_, &done, MPI_STATUS_IGNORE));
    return done != 0;
  }
  void wait() override {
    wait_.until([this] { return test(); });
  }

 private:
  MPI_Request request_;
  MpiWait wait_;
};

}  // namespace detail

/// All processes of the job. It is made and used by the thread that initialises MPI. If it is destroyed by an exception
/// the job ends, since the others would wait for this rank for ever; so catch and tell the exception while it lives.
/// After RankLost there is nothing left to do but to `abandon`.
class MpiCommunicator final : public Communicator {
 public:
  /// Throws MpiError, Error if MPI was initialised for programs of one thread.
  explicit MpiCommunicator(MpiOptions options = {})
      : options_(std::move(options)), exceptions_(std::uncaught_exceptions()) {
    // A channel of our own: what the program says to MPI besides cannot get mixed up with it.
    detail::require_mpi("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &ranks_));
    detail::require_mpi("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN));
    detail::require_mpi("MPI_Comm_rank", MPI_Comm_rank(ranks_, &rank_));
    detail::require_mpi("MPI_Comm_size", MPI_Comm_size(ranks_, &size_));
  }
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() > exceptions_) abandon(1);
    MPI_Comm_free(&ranks_);
  }

  Index rank() const override { return rank_; }
  Index size() const override { return size_; }

  using Communicator::start_sum;
  std::unique_ptr<Request> start_sum(const Elements& elements) override {
    if (elements.type == ElementType::bytes) throw ValueError("Communicator: bytes cannot be added up");
    const int count = count_of(elements);
    MPI_Request request = MPI_REQUEST_NULL;
    detail::require_mpi("MPI_Iallreduce", MPI_Iallreduce(MPI_IN_PLACE, elements.data, count, type_of(elements), MPI_SUM,
                                                         ranks_, &request));
    return started(request);
  }

  using Communicator::broadcast;
  void broadcast(const Elements& elements, Index root) override {
    if (root < 0 || root >= size_) throw ValueError(mien::detail::text("Communicator: rank ", root, " of ", size_));
    const int count = count_of(elements);
    MPI_Request request = MPI_REQUEST_NULL;
    detail::require_mpi("MPI_Ibcast",
                        MPI_Ibcast(elements.data, count, type_of(elements), static_cast<int>(root), ranks_, &request));
    started(request)->wait();
  }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    detail::require_mpi("MPI_Ibarrier", MPI_Ibarrier(ranks_, &request));
    started(request)->wait();
  }

  void abandon(int exit_code) noexcept override { MPI_Abort(ranks_, exit_code); }

 private:
  std::unique_ptr<Request> started(MPI_Request request) const {
    return std::make_unique<detail::MpiRequest>(request, detail::MpiWait(options_, ranks_));
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

  detail::MpiSession session_;
  MpiOptions options_;
  int exceptions_;
  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace mien::train
