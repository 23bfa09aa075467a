#pragma once

/// Runs CUDA kernels on machines without a GPU: their sources, compiled by a C++ compiler, with a fiber for each thread
/// of a block. What a kernel may use is what kernels/portable.hpp names for both compilers.
///
/// Blocks run one after the other, their threads in one of three orders (`Order`). Whatever a kernel must not do is a
/// `Fault` that names file and line:
/// - a barrier that some threads of the block never reach, or different barriers that threads wait at;
/// - a shuffle, vote or __syncwarp whose lanes never come, that other lanes came to with another mask, whose caller is
///   not in its own mask, or that reads a lane which is not there;
/// - an index beyond a shared array, and shared memory that its launch does not have;
/// - a launch that no device would take.
/// Shared memory is not-a-number in each new block. AddressSanitizer finds what is read or written beside shared arrays
/// and beside device memory (see cuda_runtime.h).
///
/// What it cannot see: speed, bank conflicts, registers, races between blocks, the rounding of approximate functions.

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define MIEN_EMULATOR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIEN_EMULATOR_SANITIZED 1
#endif
#endif
#if defined(MIEN_EMULATOR_SANITIZED)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
  constexpr std::size_t count() const { return std::size_t{x} * y * z; }
};

// What every thread of a kernel reads; set before it goes on.
inline thread_local uint3 threadIdx;
inline thread_local uint3 blockIdx;
inline thread_local dim3 blockDim;
inline thread_local dim3 gridDim;
inline constexpr int warpSize = 32;

namespace emulator {

/// What a kernel or its launch did wrong, and where.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where something is called; std::source_location is not there with every compiler yet.
struct Place {
  const char* file = "";
  unsigned line = 0;

  static constexpr Place current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Place& other) const { return line == other.line && std::strcmp(file, other.file) == 0; }
};

inline std::string text(const Place& place) { return std::string(place.file) + ":" + std::to_string(place.line); }

/// In which order the blocks of a grid run, and the threads of a block between two barriers.
enum class Order { forward, reverse, shuffled };

struct Settings {
  Order order = Order::forward;
  std::uint64_t seed = 1;                            ///< of the shuffled order
  std::size_t shared_bytes = std::size_t{48} << 10;  ///< that a block has unless its kernel is allowed more
};

/// Those of the launches to come.
inline Settings& settings() {
  static Settings current;
  return current;
}

#if defined(__x86_64__)
/// Keeps what a called function has to keep on the stack that is left, and goes on where `to` was left. A switch of
/// ucontext's asks the system for the signals each time, which takes ten times as long.
[[gnu::naked, gnu::noinline, gnu::no_sanitize("address", "undefined")]] inline void switch_stacks(void** /*from*/,
                                                                                                 void* /*to*/) {
  asm("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret");
}

/// Where somebody was left, or has yet to begin.
class Context {
 public:
  void begin(void (*function)(), char* stack, std::size_t bytes) {
    auto** top = reinterpret_cast<void**>(stack + bytes);
    *--top = nullptr;  // where a function that never returns would return to, and what aligns its stack
    *--top = reinterpret_cast<void*>(function);
    pointer_ = top - 6;
  }
  static void go(Context& from, Context& to) { switch_stacks(&from.pointer_, to.pointer_); }

 private:
  void* pointer_ = nullptr;
};
#else
class Context {
 public:
  void begin(void (*function)(), char* stack, std::size_t bytes) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, function, 0);
  }
  static void go(Context& from, Context& to) { swapcontext(&from.context_, &to.context_); }

 private:
  ucontext_t context_{};
};
#endif

/// A function on a stack of its own, which can pause and be resumed; it starts anew when it has returned.
class Fiber {
 public:
  explicit Fiber(void (*function)()) : function_(function) {
    void* const memory = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(memory);
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_UNPOISON_MEMORY_REGION(memory_, guard_bytes + stack_bytes);  // of a stack that was left in the middle here
#endif
    mprotect(memory_, guard_bytes, PROT_NONE);  // the end of the stack
    context_.begin(&Fiber::run, memory_ + guard_bytes, stack_bytes);
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { munmap(memory_, guard_bytes + stack_bytes); }

  /// Goes on where the function paused, until it pauses again.
  void resume() {
    current_ = this;
#if defined(MIEN_EMULATOR_SANITIZED)
    void* own_stack = nullptr;
    __sanitizer_start_switch_fiber(&own_stack, memory_ + guard_bytes, stack_bytes);
#endif
    Context::go(caller_, context_);
#if defined(MIEN_EMULATOR_SANITIZED)
    __sanitizer_finish_switch_fiber(own_stack, nullptr, nullptr);
#endif
  }

  /// Back to whoever resumed the fiber that runs.
  static void pause() {
    Fiber& fiber = *current_;
#if defined(MIEN_EMULATOR_SANITIZED)
    void* own_stack = nullptr;
    __sanitizer_start_switch_fiber(&own_stack, fiber.caller_bottom_, fiber.caller_size_);
#endif
    Context::go(fiber.context_, fiber.caller_);
#if defined(MIEN_EMULATOR_SANITIZED)
    __sanitizer_finish_switch_fiber(own_stack, &fiber.caller_bottom_, &fiber.caller_size_);
#endif
  }

 private:
  static constexpr std::size_t guard_bytes = std::size_t{4} << 10;
#if defined(MIEN_EMULATOR_SANITIZED)
  static constexpr std::size_t stack_bytes = std::size_t{256} << 10;
#else
  static constexpr std::size_t stack_bytes = std::size_t{64} << 10;
#endif

  static void run() {
#if defined(MIEN_EMULATOR_SANITIZED)
    __sanitizer_finish_switch_fiber(nullptr, &current_->caller_bottom_, &current_->caller_size_);
#endif
    for (;;) {
      current_->function_();
      pause();
    }
  }

  inline static thread_local Fiber* current_ = nullptr;

  void (*function_)();
  char* memory_;
  Context context_;
  Context caller_;
#if defined(MIEN_EMULATOR_SANITIZED)
  const void* caller_bottom_ = nullptr;
  std::size_t caller_size_ = 0;
#endif
};

enum class State { ready, at_barrier, in_warp, finished };

/// What a lane brings to an operation of its warp, and takes from it.
struct WarpOperation {
  const char* name = "";
  unsigned mask = 0;
  int source = -1;           ///< the lane whose value is wanted, or -1
  std::uint64_t value = 0;   ///< up to eight bytes of it
  std::uint64_t result = 0;  ///< of the source, or the lanes whose value was not zero
};

struct Thread {
  explicit Thread(void (*body)()) : fiber(body) {}

  Fiber fiber;
  uint3 index;
  unsigned rank = 0;
  State state = State::finished;
  Place place;
  WarpOperation operation;

  unsigned lane() const { return rank % 32; }
  std::string name() const {
    return "thread (" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
  }
};

/// A block's shared memory: arrays come into being when a thread first passes their declaration.
class SharedMemory {
 public:
  /// Before a block: nothing is declared, and everything is not-a-number.
  void begin(std::size_t dynamic_bytes) {
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_UNPOISON_MEMORY_REGION(arena_.data(), arena_.size());
#endif
    std::memset(arena_.data(), 0xff, used_);
    arrays_.clear();
    declared_ = used_ = 0;
    dynamic_bytes_ = dynamic_bytes;
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_POISON_MEMORY_REGION(arena_.data(), arena_.size());
#endif
  }

  /// The array of that declaration.
  void* declare(const void* declaration, std::size_t bytes, std::size_t limit, const Place& place) {
    for (const Array& array : arrays_)
      if (array.declaration == declaration) return array.data;
    declared_ += bytes;
    if (declared_ > limit)
      throw Fault("shared memory of " + std::to_string(declared_) + " bytes at " + text(place) + ", a block has " +
                  std::to_string(limit));
    void* const data = arena_.data() + used_;
    used_ += (bytes + 2 * alignment - 1) / alignment * alignment;  // and at least so much between two of them
    if (used_ > arena_.size()) throw Fault("too many shared arrays at " + text(place));
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
#endif
    arrays_.push_back({declaration, data});
    return data;
  }

  std::size_t dynamic_bytes() const { return dynamic_bytes_; }

 private:
  static constexpr std::size_t alignment = 128;
  struct Array {
    const void* declaration;
    void* data;
  };

  std::vector<char> arena_ = std::vector<char>(std::size_t{512} << 10, static_cast<char>(0xff));
  std::vector<Array> arrays_;
  std::size_t declared_ = 0;
  std::size_t used_ = 0;
  std::size_t dynamic_bytes_ = 0;
};

/// The block that runs: its threads, and what they wait for.
class Block {
 public:
  /// All blocks of a grid.
  void run_grid(void (*call)(void*), void* kernel, dim3 grid, dim3 block, std::size_t dynamic_bytes,
                std::size_t shared_limit) {
    call_ = call;
    kernel_ = kernel;
    limit_ = shared_limit;
    gridDim = grid;
    blockDim = block;
    begin(block);
    std::mt19937_64 generator(settings().seed);
    std::vector<std::size_t> order = ordered(grid.count(), generator);
    current_block_ = this;
    for (const std::size_t i : order) {
      blockIdx = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                  static_cast<unsigned>(i / grid.x / grid.y)};
      shared_.begin(dynamic_bytes);
      for (std::size_t t = 0; t < count_; ++t) threads_[t]->state = State::ready;
      run_block(generator);
    }
  }

  static Block& current() { return *current_block_; }
  Thread& thread() { return *threads_[running_]; }
  SharedMemory& shared() { return shared_; }
  std::size_t shared_limit() const { return limit_; }

  /// The thread that runs waits; what for is in `state`.
  void wait(State state, const Place& place) {
    Thread& self = thread();
    self.state = state;
    self.place = place;
    Fiber::pause();
  }

 private:
  void begin(dim3 block) {
    count_ = block.count();
    while (threads_.size() < count_) threads_.push_back(std::make_unique<Thread>(&Block::run_thread));
    for (std::size_t t = 0; t < count_; ++t) {
      threads_[t]->rank = static_cast<unsigned>(t);
      threads_[t]->index = {static_cast<unsigned>(t % block.x), static_cast<unsigned>(t / block.x % block.y),
                            static_cast<unsigned>(t / block.x / block.y)};
    }
  }

  static void run_thread() {
    Block& block = current();
    // What is thrown must not leave the fiber's stack.
    try {
      block.call_(block.kernel_);
    } catch (...) {
      block.thrown_ = std::current_exception();
    }
    block.thread().state = State::finished;
  }

  static std::vector<std::size_t> ordered(std::size_t count, std::mt19937_64& generator) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (settings().order == Order::reverse) std::reverse(order.begin(), order.end());
    if (settings().order == Order::shuffled) std::shuffle(order.begin(), order.end(), generator);
    return order;
  }

  void run_block(std::mt19937_64& generator) {
    for (;;) {
      bool any = false;
      for (const std::size_t t : ordered(count_, generator)) {
        if (threads_[t]->state != State::ready) continue;
        any = true;
        running_ = t;
        threadIdx = threads_[t]->index;
        threads_[t]->fiber.resume();
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
      }
      if (number_of(State::finished) == count_) return;
      if (!release_warps() && !release_barrier() && !any) throw Fault(deadlock());
    }
  }

  std::size_t number_of(State state) const {
    return static_cast<std::size_t>(std::count_if(threads_.begin(),
                                                  threads_.begin() + static_cast<std::ptrdiff_t>(count_),
                                                  [&](const auto& thread) { return thread->state == state; }));
  }

  /// Lets all threads go on if all wait at a barrier.
  bool release_barrier() {
    const std::size_t waiting = number_of(State::at_barrier);
    const std::size_t finished = number_of(State::finished);
    if (waiting == 0 || waiting + finished < count_) return false;
    const Thread* first = nullptr;
    for (std::size_t t = 0; t < count_; ++t) {
      const Thread& thread = *threads_[t];
      if (thread.state != State::at_barrier) continue;
      if (first == nullptr) first = &thread;
      if (!(thread.place == first->place))
        throw Fault("divergent barriers: " + first->name() + " waits at " + text(first->place) + ", " + thread.name() +
                    " at " + text(thread.place));
    }
    if (finished > 0)
      throw Fault("barrier at " + text(first->place) + " that " + std::to_string(finished) + " of " +
                  std::to_string(count_) + " threads never reach: they have returned");
    for (std::size_t t = 0; t < count_; ++t) threads_[t]->state = State::ready;
    return true;
  }

  /// The thread of a lane of a warp, or null where the block has none.
  Thread* at_lane(std::size_t warp, unsigned lane) {
    const std::size_t rank = warp * 32 + lane;
    return rank < count_ ? threads_[rank].get() : nullptr;
  }

  /// Completes every operation of a warp that all of its lanes have come to; those that have returned are not waited
  /// for.
  bool release_warps() {
    bool any = false;
    for (std::size_t warp = 0; warp * 32 < count_; ++warp)
      for (unsigned lane = 0; lane < 32; ++lane) {
        Thread* const thread = at_lane(warp, lane);
        if (thread == nullptr || thread->state != State::in_warp) continue;
        if (const unsigned arrived = arrived_lanes(warp, *thread); arrived != 0) {
          complete(warp, arrived);
          any = true;
        }
      }
    return any;
  }

  /// The lanes at a thread's operation, or none while one of its mask is still to come.
  unsigned arrived_lanes(std::size_t warp, const Thread& thread) {
    unsigned arrived = 0;
    for (unsigned lane = 0; lane < 32; ++lane) {
      const Thread* const other = at_lane(warp, lane);
      if ((thread.operation.mask >> lane & 1U) == 0 || other == nullptr || other->state == State::finished) continue;
      if (other->state != State::in_warp) return 0;
      if (other->operation.mask != thread.operation.mask ||
          std::strcmp(other->operation.name, thread.operation.name) != 0)
        throw Fault(describe(thread) + ", " + describe(*other));
      arrived |= 1U << lane;
    }
    return arrived;
  }

  void complete(std::size_t warp, unsigned arrived) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      if ((arrived >> lane & 1U) != 0 && at_lane(warp, lane)->operation.value != 0) votes |= 1U << lane;
    for (unsigned lane = 0; lane < 32; ++lane) {
      if ((arrived >> lane & 1U) == 0) continue;
      Thread& thread = *at_lane(warp, lane);
      const int source = thread.operation.source;
      if (source >= 0 && (arrived >> source & 1U) == 0)
        throw Fault(describe(thread) + " and reads lane " + std::to_string(source) + ", which is not there");
      thread.operation.result =
          source >= 0 ? at_lane(warp, static_cast<unsigned>(source))->operation.value : std::uint64_t{votes};
    }
    for (unsigned lane = 0; lane < 32; ++lane)
      if ((arrived >> lane & 1U) != 0) at_lane(warp, lane)->state = State::ready;
  }

  static std::string describe(const Thread& thread) {
    constexpr char digits[] = "0123456789abcdef";
    std::string mask;
    for (int shift = 28; shift >= 0; shift -= 4) mask += digits[thread.operation.mask >> shift & 15U];
    return "lane " + std::to_string(thread.lane()) + " is in " + thread.operation.name + " with mask 0x" + mask +
           " at " + text(thread.place);
  }

  /// Of which wait nobody can release.
  std::string deadlock() {
    for (std::size_t t = 0; t < count_; ++t) {
      const Thread& thread = *threads_[t];
      if (thread.state != State::in_warp) continue;
      for (unsigned lane = 0; lane < 32; ++lane) {
        const Thread* const other = at_lane(t / 32, lane);
        if ((thread.operation.mask >> lane & 1U) != 0 && other != nullptr && other->state == State::at_barrier)
          return describe(thread) + ", lane " + std::to_string(lane) + " never comes: it waits at the barrier of " +
                 text(other->place);
      }
    }
    return "nobody can go on";
  }

  inline static thread_local Block* current_block_ = nullptr;

  void (*call_)(void*) = nullptr;
  void* kernel_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::size_t count_ = 0;
  std::size_t running_ = 0;
  std::size_t limit_ = 0;
  std::exception_ptr thrown_;
  SharedMemory shared_;
};

/// Throws Fault for a launch that no device would take.
inline void check_launch(dim3 grid, dim3 block, std::size_t shared_bytes, std::size_t shared_limit) {
  const auto sizes = [](dim3 extents) {
    return "(" + std::to_string(extents.x) + ", " + std::to_string(extents.y) + ", " + std::to_string(extents.z) + ")";
  };
  if (block.count() == 0 || block.count() > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64)
    throw Fault("launch with blocks of " + sizes(block) + " threads: at least 1, and at most 1024 of (1024, 1024, 64)");
  if (grid.count() == 0 || grid.x > 0x7fffffffU || grid.y > 65535 || grid.z > 65535)
    throw Fault("launch of " + sizes(grid) + " blocks: at least 1, and at most (2147483647, 65535, 65535)");
  if (shared_bytes > shared_limit)
    throw Fault("launch with " + std::to_string(shared_bytes) + " bytes of shared memory, a block has " +
                std::to_string(shared_limit));
}

/// How much shared memory a kernel is allowed, as cudaFuncSetAttribute says.
inline std::vector<std::pair<const void*, std::size_t>>& shared_limits() {
  static std::vector<std::pair<const void*, std::size_t>> limits;
  return limits;
}
inline std::size_t shared_limit(const void* kernel) {
  for (const auto& [function, bytes] : shared_limits())
    if (function == kernel) return bytes;
  return settings().shared_bytes;
}

/// Names of all kernels that were started, as they call themselves in errors.
inline std::set<std::string>& launched_names() {
  static std::set<std::string> names;
  return names;
}

/// The threads of a block, for all kernels: a system has only so many pieces of memory for stacks.
inline std::unique_ptr<Block>& fibers() {
  static thread_local auto block = std::make_unique<Block>();
  return block;
}

/// What a graph does, in order.
using Recording = std::vector<std::function<void()>>;

/// The graph that takes down what is queued instead of doing it, if there is one.
inline Recording*& recording() {
  static Recording* current = nullptr;
  return current;
}

/// Runs a grid to its end, or adds it to the recording.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            const Arguments&... arguments) {
  const std::size_t limit = shared_limit(reinterpret_cast<const void*>(kernel));
  check_launch(grid, block, shared_bytes, limit);
  if (recording() != nullptr) {
    recording()->push_back([=] { launch(kernel, grid, block, shared_bytes, arguments...); });
    return;
  }
  std::unique_ptr<Block>& runner = fibers();
  auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  try {
    runner->run_grid([](void* function) { (*static_cast<decltype(call)*>(function))(); }, &call, grid, block,
                     shared_bytes, limit);
  } catch (...) {
    runner = std::make_unique<Block>();  // with stacks that nobody has left in the middle
    throw;
  }
}

/// An index, and who uses it.
struct Index {
  template <std::integral I>
  Index(I index, Place where = Place::current()) : value(static_cast<std::ptrdiff_t>(index)), place(where) {}

  std::ptrdiff_t value;
  Place place;
};

/// An array in shared memory, which knows its size; it turns into a pointer where one is wanted.
template <class T>
class SharedArray {
 public:
  SharedArray(void* data, std::size_t count) : data_(static_cast<T*>(data)), count_(count) {}

  T& operator[](Index index) const {
    if (index.value < 0 || static_cast<std::size_t>(index.value) >= count_)
      throw Fault("index " + std::to_string(index.value) + " of a shared array of " + std::to_string(count_) + " at " +
                  text(index.place) + ", " + Block::current().thread().name());
    return data_[index.value];
  }
  /// A template, so that `array[index]` cannot mean the pointer's.
  template <class Pointer>
  requires std::same_as<Pointer, T*> || std::same_as<Pointer, const T*>
  operator Pointer() const { return data_; }
  T* operator+(std::ptrdiff_t offset) const { return data_ + offset; }

 private:
  T* data_;
  std::size_t count_;
};

template <class T>
SharedArray<T> shared_array(const void* declaration, std::size_t count, const Place& place) {
  Block& block = Block::current();
  return {block.shared().declare(declaration, count * sizeof(T), block.shared_limit(), place), count};
}

/// All that the launch asked for.
template <class T>
SharedArray<T> dynamic_shared_array(const void* declaration, const Place& place) {
  const std::size_t bytes = Block::current().shared().dynamic_bytes();
  return shared_array<T>(declaration, bytes / sizeof(T), place);
}

/// One operation of a warp; `source` is a lane, or -1 for the votes of all.
inline std::uint64_t in_warp(const char* name, unsigned mask, std::uint64_t value, int source, const Place& place) {
  Block& block = Block::current();
  Thread& self = block.thread();
  self.operation = {name, mask, source, value, 0};
  self.place = place;
  if ((mask >> self.lane() & 1U) == 0)
    throw Fault("lane " + std::to_string(self.lane()) + " is not in the mask of " + name + " at " + text(place));
  block.wait(State::in_warp, place);
  return self.operation.result;
}

template <class T>
T shuffle(const char* name, unsigned mask, T value, int source, const Place& place) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = in_warp(name, mask, bits, source, place);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/// Of the `width` lanes that belong together, the first.
inline int segment(int width) {
  const int lane = static_cast<int>(Block::current().thread().lane());
  return lane / width * width;
}
inline int own_lane() { return static_cast<int>(Block::current().thread().lane()); }

}  // namespace emulator

// --- the language --------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define MIEN_UNROLL(times)

#define MIEN_SHARED(type, name, count)   \
  static const char name##_declared = 0; \
  const auto name = ::emulator::shared_array<type>(&name##_declared, count, ::emulator::Place::current())
#define MIEN_DYNAMIC_SHARED(type, name)  \
  static const char name##_declared = 0; \
  const auto name = ::emulator::dynamic_shared_array<type>(&name##_declared, ::emulator::Place::current())

inline void __syncthreads(emulator::Place place = emulator::Place::current()) {
  emulator::Block::current().wait(emulator::State::at_barrier, place);
}
inline void __syncwarp(unsigned mask = 0xffffffffU, emulator::Place place = emulator::Place::current()) {
  emulator::in_warp("__syncwarp", mask, 0, -1, place);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, emulator::Place place = emulator::Place::current()) {
  return emulator::shuffle("__shfl_sync", mask, value, emulator::segment(width) + (lane & (width - 1)), place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32,
                 emulator::Place place = emulator::Place::current()) {
  const int source = emulator::own_lane() - static_cast<int>(by);
  return emulator::shuffle("__shfl_up_sync", mask, value,
                           source < emulator::segment(width) ? emulator::own_lane() : source, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                   emulator::Place place = emulator::Place::current()) {
  const int source = emulator::own_lane() + static_cast<int>(by);
  return emulator::shuffle("__shfl_down_sync", mask, value,
                           source >= emulator::segment(width) + width ? emulator::own_lane() : source, place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32, emulator::Place place = emulator::Place::current()) {
  const int source = emulator::own_lane() ^ by;
  return emulator::shuffle("__shfl_xor_sync", mask, value,
                           source >= emulator::segment(width) + width ? emulator::own_lane() : source, place);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, emulator::Place place = emulator::Place::current()) {
  return static_cast<unsigned>(emulator::in_warp("__ballot_sync", mask, predicate != 0, -1, place));
}
inline int __any_sync(unsigned mask, int predicate, emulator::Place place = emulator::Place::current()) {
  return emulator::in_warp("__any_sync", mask, predicate != 0, -1, place) != 0;
}
inline int __all_sync(unsigned mask, int predicate, emulator::Place place = emulator::Place::current()) {
  return emulator::in_warp("__all_sync", mask, predicate == 0, -1, place) == 0;
}

// Threads run one at a time, so that every step is atomic; each returns what was there before.
template <class T>
T atomicAdd(T* address, T value) {
  return std::exchange(*address, *address + value);
}
template <class T>
T atomicMax(T* address, T value) {
  return std::exchange(*address, std::max(*address, value));
}
template <class T>
T atomicMin(T* address, T value) {
  return std::exchange(*address, std::min(*address, value));
}
template <class T>
T atomicExch(T* address, T value) {
  return std::exchange(*address, value);
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return std::exchange(*address, *address == expected ? value : *address);
}

inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T>
T __ldg(const T* address) {
  return *address;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(int bits) { return std::countr_zero(static_cast<unsigned>(bits)) % 32 + (bits != 0 ? 1 : 0); }
inline float rsqrtf(float value) { return 1 / std::sqrt(value); }
inline double rsqrt(double value) { return 1 / std::sqrt(value); }

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
