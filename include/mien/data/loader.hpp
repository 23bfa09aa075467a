#pragma once

/// Batches made ahead by background threads, in an order and with random choices that depend on the seed, the epoch and
/// the sample alone, never on the number of threads or on which of them was first.

#include <algorithm>
#include <atomic>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/batch_part.hpp"
#include "mien/core/random.hpp"
#include "mien/data/detail/bytes.hpp"
#include "mien/data/sampling.hpp"

namespace mien::data {

/// What one of several processes makes of an epoch. All of them together make every sample once, in the batches that
/// one process alone would make.
struct Share {
  /// Of every batch some samples, the first ones for the first process: for training. Or some batches whole, every
  /// `ranks`-th of them: for evaluation, where nobody waits for anybody.
  enum class Of { each_batch, whole_batches };

  Index rank = 0;
  Index ranks = 1;
  Of of = Of::each_batch;
};

struct LoaderOptions {
  Index batch = 8;         ///< samples in a batch
  std::uint64_t seed = 0;  ///< of the order and of every random choice
  bool shuffle = true;     ///< another order each epoch; else the samples' own
  bool balanced = false;   ///< every class equally often, see `balanced_order`; needs labels, shuffles always
  bool drop_last = false;  ///< leaves out the last batch if it is not full
  Index workers = 1;       ///< background threads; 0 makes each batch when it is asked for
  Index prefetch = 2;      ///< batches that may wait, made or in the making, beyond the one in use
  /// 0: shuffles all samples alike. Else so that a set larger than memory is read nearly as it lies: blocks of 64
  /// consecutive samples in random order, and each sample exchanged with one of the next so many, which have to fit
  /// into memory.
  Index shuffle_window = 0;
};

/// What a `Loader` draws samples from. `make` is called by several threads at once; all that is random in a sample
/// comes from the generator it is given. A source may have `read_ahead(begin, end)` as well: it is told of samples that
/// are soon to be made, where a window is shuffled.
template <class T>
concept Source = requires(const T& source, Index index, Generator& generator, std::vector<typename T::Sample> samples) {
  typename T::Batch;
  { source.size() } -> std::convertible_to<Index>;
  { source.labels() } -> std::convertible_to<std::vector<Index>>;
  { source.name(index) } -> std::convertible_to<std::string>;
  { source.make(index, generator) } -> std::convertible_to<typename T::Sample>;
  { source.collate(std::move(samples)) } -> std::convertible_to<typename T::Batch>;
};

namespace detail {

/// The same kind of exception with "`context`: " before its message.
[[noreturn]] inline void rethrow_with(const std::string& context) {
  const auto message = [&](const std::exception& error) { return context + ": " + error.what(); };
  try {
    throw;
  } catch (const FileError& error) {
    throw FileError(message(error));
  } catch (const ShapeError& error) {
    throw ShapeError(message(error));
  } catch (const IndexError& error) {
    throw IndexError(message(error));
  } catch (const ValueError& error) {
    throw ValueError(message(error));
  } catch (const OutOfMemory& error) {
    throw OutOfMemory(message(error));
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(context + ": not enough memory");
  } catch (const std::exception& error) {
    throw Error(message(error));
  }
}

/// Samples that lie together in an order by windows.
inline constexpr Index shuffled_block = 64;

/// The blocks of an order by windows, in turn: the first sample of each.
inline std::vector<Index> shuffled_blocks(Index samples, Generator& generator) {
  std::vector<Index> blocks;
  for (Index begin = 0; begin < samples; begin += shuffled_block) blocks.push_back(begin);
  generator.shuffle(blocks);
  return blocks;
}

/// The samples of the blocks, each exchanged with one of the `window` from it on: with a window of all samples that
/// is Fisher and Yates's shuffle. None comes more than `window` - 1 places before its own.
inline std::vector<Index> shuffle_within(const std::vector<Index>& blocks, Index samples, Index window,
                                         Generator& generator) {
  std::vector<Index> order;
  order.reserve(static_cast<std::size_t>(samples));
  for (const Index begin : blocks)
    for (Index i = begin; i < std::min(begin + shuffled_block, samples); ++i) order.push_back(i);
  for (Index i = 0; i < samples; ++i)
    std::swap(order[static_cast<std::size_t>(i)],
              order[static_cast<std::size_t>(i + generator.below(std::min(window, samples - i)))]);
  return order;
}

/// The recipe of all batches; never changes once it is made, so that any thread may read it.
template <class Batch>
struct Recipe {
  LoaderOptions options;
  Index samples = 0;
  std::vector<Index> labels;
  std::function<std::string(Index sample)> name;
  /// Tells the source of samples that will soon be made; empty if it does not care.
  std::function<void(Index begin, Index end)> read_ahead;
  /// Makes a batch of `indices`, whose random choices come from `streams`.
  std::function<Batch(const std::vector<Index>& indices, const std::vector<Generator>& streams)> make;

  Index batches() const {
    return samples / options.batch + (!options.drop_last && samples % options.batch > 0 ? 1 : 0);
  }

  std::vector<Index> order(Index epoch) const {
    Generator generator = order_stream(epoch);
    if (options.balanced) return balanced_order(labels, generator);
    if (options.shuffle_window > 0) {
      const std::vector<Index> in_turn = shuffled_blocks(samples, generator);
      return shuffle_within(in_turn, samples, options.shuffle_window, generator);
    }
    std::vector<Index> order(static_cast<std::size_t>(samples));
    std::iota(order.begin(), order.end(), Index{0});
    if (options.shuffle) generator.shuffle(order);
    return order;
  }

  /// One stream a place in `order`: of the sample, and where balancing repeats one, of its how-manieth turn.
  std::vector<Generator> streams(Index epoch, const std::vector<Index>& order) const {
    const Generator root = epoch_stream(epoch);
    std::vector<std::uint64_t> turns(static_cast<std::size_t>(samples), 0);
    std::vector<Generator> out;
    out.reserve(order.size());
    for (const Index sample : order)
      out.push_back(root.split(static_cast<std::uint64_t>(sample)).split(turns[static_cast<std::size_t>(sample)]++));
    return out;
  }

  /// What an epoch reads, in that order; nothing if nobody has to know.
  std::vector<Index> blocks(Index epoch) const {
    if (options.shuffle_window == 0 || !read_ahead) return {};
    Generator generator = order_stream(epoch);
    return shuffled_blocks(samples, generator);
  }

  /// Streams of samples are split off the epoch's; this one is none of theirs.
  Generator order_stream(Index epoch) const { return epoch_stream(epoch).split(~std::uint64_t{0}); }
  Generator epoch_stream(Index epoch) const { return Generator(options.seed).split(static_cast<std::uint64_t>(epoch)); }
};

}  // namespace detail

/// One run over the data; a range for one `for` loop. It may be left early: its threads end with it.
/// Not for use by several threads.
template <class Batch>
class Epoch {
 public:
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit Iterator(Epoch& epoch) : epoch_(&epoch) {}
    const Batch& operator*() const { return *epoch_->current_; }
    const Batch* operator->() const { return &*epoch_->current_; }
    Iterator& operator++() {
      epoch_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !epoch_->current_; }

   private:
    Epoch* epoch_;
  };

  Epoch(std::shared_ptr<const detail::Recipe<Batch>> recipe, Index epoch, Index first_batch, const Share& share = {})
      : state_(std::make_unique<State>(std::move(recipe), epoch, first_batch, share)) {
    for (Index i = 0; i < state_->recipe->options.workers; ++i)
      workers_.emplace_back([state = state_.get()](std::stop_token stop) { state->work(stop); });
  }

  Epoch(Epoch&&) = default;
  Epoch& operator=(Epoch&&) = delete;

  /// Waits for the first batch. Whatever making a batch throws comes out here or from `++`, in the batch's turn.
  Iterator begin() {
    if (!std::exchange(begun_, true)) advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

  /// Batches of the whole epoch, those before `first_batch` and those of other processes included.
  Index batches() const { return state_->recipe->batches(); }

  /// Which samples of a batch the current one has: all, unless the epoch is shared.
  BatchPart part() const { return state_->parts[static_cast<std::size_t>(taken_ - 1)].samples; }

 private:
  /// A batch to be made, or what is made of it here.
  struct Part {
    Index begin = 0;  ///< of the batch, in the order of the samples
    BatchPart samples = {};
  };

  /// What the threads share. Part b waits in slot b modulo the number of slots.
  struct State {
    struct Slot {
      bool ready = false;
      std::optional<Batch> batch;
      std::exception_ptr error;
    };

    State(std::shared_ptr<const detail::Recipe<Batch>> recipe_, Index epoch, Index first_batch, const Share& share)
        : recipe(std::move(recipe_)),
          order(recipe->order(epoch)),
          blocks(recipe->blocks(epoch)),
          streams(recipe->streams(epoch, order)),
          parts(parts_of(*recipe, first_batch, share)),
          batches(static_cast<Index>(parts.size())),
          slots(static_cast<std::size_t>(recipe->options.prefetch)) {}

    static std::vector<Part> parts_of(const detail::Recipe<Batch>& recipe, Index first_batch, const Share& share) {
      std::vector<Part> parts;
      for (Index batch = first_batch; batch < recipe.batches(); ++batch) {
        const Index begin = batch * recipe.options.batch;
        const Index samples = std::min(recipe.options.batch, recipe.samples - begin);
        if (share.of == Share::Of::whole_batches) {
          if (batch % share.ranks == share.rank) parts.push_back({begin, {0, samples, samples}});
          continue;
        }
        const Index first = share.rank * samples / share.ranks;
        const Index last = (share.rank + 1) * samples / share.ranks;
        parts.push_back({begin, {first, last - first, samples}});
      }
      return parts;
    }

    /// Asks for the blocks that the batch's window reaches, and for no block twice.
    void read_ahead(const Part& part) {
      if (blocks.empty()) return;
      const Index window = std::min(recipe->options.shuffle_window, recipe->samples);
      const Index reached = part.begin + part.samples.all + window;
      // Blocks before the first batch were another run's, or are there already.
      const Index before = std::max<Index>(0, part.begin - window) / detail::shuffled_block;
      // One more, because the block with the set's end may be a short one.
      const Index end = std::min(std::ssize(blocks), reached / detail::shuffled_block + 2);
      Index begin = next_block.load();
      while (begin < end && !next_block.compare_exchange_weak(begin, end)) {
      }
      for (Index block = std::max(begin, before); block < end; ++block) {
        const Index first = blocks[static_cast<std::size_t>(block)];
        recipe->read_ahead(first, std::min(first + detail::shuffled_block, recipe->samples));
      }
    }

    Batch make(Index batch) {
      const Part& part = parts[static_cast<std::size_t>(batch)];
      read_ahead(part);
      const auto first = static_cast<std::ptrdiff_t>(part.begin + part.samples.first);
      const auto last = first + static_cast<std::ptrdiff_t>(part.samples.samples);
      return recipe->make({order.begin() + first, order.begin() + last},
                          {streams.begin() + first, streams.begin() + last});
    }

    Slot& slot_of(Index batch) { return slots[static_cast<std::size_t>(batch) % slots.size()]; }

    void work(const std::stop_token& stop) {
      std::unique_lock lock(mutex);
      while (true) {
        const bool go = space.wait(lock, stop, [&] {
          return next_made >= batches || next_made < next_taken + static_cast<Index>(slots.size());
        });
        if (!go || next_made >= batches) return;
        const Index batch = next_made++;
        lock.unlock();
        Slot made;
        try {
          made.batch.emplace(make(batch));
        } catch (...) {
          made.error = std::current_exception();
        }
        made.ready = true;
        lock.lock();
        slot_of(batch) = std::move(made);
        ready.notify_all();
      }
    }

    Batch take() {
      Slot taken;
      {
        std::unique_lock lock(mutex);
        Slot& slot = slot_of(next_taken);
        ready.wait(lock, [&] { return slot.ready; });
        taken = std::exchange(slot, Slot{});
        ++next_taken;
      }
      space.notify_all();
      if (taken.error) std::rethrow_exception(taken.error);
      return std::move(*taken.batch);
    }

    const std::shared_ptr<const detail::Recipe<Batch>> recipe;
    const std::vector<Index> order;
    const std::vector<Index> blocks;
    const std::vector<Generator> streams;
    const std::vector<Part> parts;
    const Index batches;
    std::mutex mutex;
    std::condition_variable_any space;
    std::condition_variable ready;
    Index next_made = 0;
    Index next_taken = 0;
    std::atomic<Index> next_block = 0;  ///< that is not asked for yet
    std::vector<Slot> slots;
  };

  void advance() {
    current_.reset();
    if (taken_ >= state_->batches) return;
    const Index batch = taken_++;
    if (workers_.empty()) {
      current_.emplace(state_->make(batch));
    } else {
      current_.emplace(state_->take());
    }
  }

  std::unique_ptr<State> state_;
  std::optional<Batch> current_;
  Index taken_ = 0;
  bool begun_ = false;
  std::vector<std::jthread> workers_;  // last, so that the threads end before what they use
};

/// Makes batches out of samples:
///
///     data::Loader loader(data::FaceClips(videos, {.clips = 3}), {.batch = 8, .seed = 1});
///     for (Index epoch = 0; epoch < 20; ++epoch)
///       for (const auto& batch : loader.epoch(epoch)) step(batch.frames, batch.labels);
///
/// The random choices of a sample come from a stream of (seed, epoch, sample), so any epoch can be had at any time,
/// from any batch on, and is the same to the bit for every number of workers. What making a sample throws reaches the
/// caller in the batch's turn, as the same kind of mien exception (others as Error) with the sample's name before the
/// message.
template <class BatchType>
class Loader {
 public:
  using Batch = BatchType;

  /// Throws ValueError: options that make no sense, `drop_last` that leaves nothing, balancing without a label for
  /// each sample, a window with balancing or without shuffling.
  template <Source From>
  explicit Loader(From source, const LoaderOptions& options = {})
      : Loader(options, Shared<From>{std::make_shared<const From>(std::move(source))}) {}

  /// From two functions: `make(Index, Generator&)` returns a sample, `collate(std::vector<sample>)` a batch. `labels`
  /// are needed for balancing alone. Both functions are called by several threads at once.
  template <class Make, class Collate>
  requires std::invocable<const Make&, Index, Generator&> Loader(Index samples, const LoaderOptions& options, Make make,
                                                                 Collate collate, std::vector<Index> labels = {})
      : Loader(samples, options, std::move(labels),
               Functions<Make, Collate>{std::make_shared<const Make>(std::move(make)),
                                        std::make_shared<const Collate>(std::move(collate))}) {}

  /// A run over all samples, from batch `first_batch` on: how a training that was cut off goes on.
  Epoch<Batch> epoch(Index number = 0, Index first_batch = 0) const { return epoch(number, first_batch, Share{}); }

  /// What one of several processes makes of it. Throws ValueError if the last batch, or every one, has too few samples
  /// for all of them to get one.
  Epoch<Batch> epoch(Index number, Index first_batch, const Share& share) const {
    if (share.ranks < 1 || share.rank < 0 || share.rank >= share.ranks)
      throw ValueError(detail::text("Loader::epoch: rank ", share.rank, " of ", share.ranks));
    if (number < 0 || first_batch < 0 || first_batch > batches())
      throw IndexError(detail::text("Loader::epoch: epoch ", number, " from batch ", first_batch, " of ", batches()));
    if (share.of == Share::Of::each_batch && batches() > 0 && fewest_samples() < share.ranks)
      throw ValueError(detail::text("Loader::epoch: a batch of ", fewest_samples(), " samples for ", share.ranks,
                                    " ranks; take larger batches, or leave out the last one with drop_last"));
    return Epoch<Batch>(recipe_, number, first_batch, share);
  }

  Index samples() const { return recipe_->samples; }
  Index batches() const { return recipe_->batches(); }
  const LoaderOptions& options() const { return recipe_->options; }

  /// A hash of all samples' names and labels in their order: two loaders with the same one draw from the same list.
  /// What the files hold is not looked at.
  std::uint64_t fingerprint() const {
    const auto bytes_of = [](const auto& values) { return std::as_bytes(std::span(values)); };
    std::uint64_t hash = detail::content_hash(bytes_of(recipe_->labels));
    for (Index i = 0; i < samples(); ++i) hash = detail::content_hash(bytes_of(recipe_->name(i)), hash);
    return hash;
  }

  /// The numbers of all samples in the order in which an epoch takes them.
  std::vector<Index> order(Index epoch) const { return recipe_->order(epoch); }

 private:
  template <class From>
  struct Shared {
    auto make(Index index, Generator& generator) const { return source->make(index, generator); }
    template <class Samples>
    Batch collate(Samples samples) const {
      return source->collate(std::move(samples));
    }
    std::string name(Index index) const { return source->name(index); }
    void read_ahead(Index begin, Index end) const requires requires(const From& from) { from.read_ahead(begin, end); }
    { source->read_ahead(begin, end); }
    std::shared_ptr<const From> source;
  };

  template <class Make, class Collate>
  struct Functions {
    auto make(Index index, Generator& generator) const { return (*make_)(index, generator); }
    template <class Samples>
    Batch collate(Samples samples) const {
      return (*collate_)(std::move(samples));
    }
    std::string name(Index index) const { return detail::text("number ", index); }
    std::shared_ptr<const Make> make_;
    std::shared_ptr<const Collate> collate_;
  };

  template <class From>
  Loader(const LoaderOptions& options, Shared<From> shared)
      : Loader(static_cast<Index>(shared.source->size()), options, shared.source->labels(), shared) {}

  template <class Samples>
  Loader(Index samples, const LoaderOptions& options, std::vector<Index> labels, Samples source) {
    check(samples, options, labels);
    recipe_ = std::make_shared<const detail::Recipe<Batch>>(detail::Recipe<Batch>{
        options, samples, std::move(labels), [source](Index sample) { return source.name(sample); },
        reader_ahead(source),
        [source = std::move(source)](const std::vector<Index>& indices, const std::vector<Generator>& streams) {
          std::vector<std::decay_t<decltype(source.make(Index{}, std::declval<Generator&>()))>> made;
          made.reserve(indices.size());
          for (std::size_t i = 0; i < indices.size(); ++i) {
            Generator stream = streams[i];
            try {
              made.push_back(source.make(indices[i], stream));
            } catch (...) {
              detail::rethrow_with(detail::text("sample ", source.name(indices[i])));
            }
          }
          return source.collate(std::move(made));
        }});
  }

  template <class Samples>
  static std::function<void(Index, Index)> reader_ahead(const Samples& source) {
    if constexpr (requires { source.read_ahead(Index{}, Index{}); })
      return [source](Index begin, Index end) { source.read_ahead(begin, end); };
    return {};
  }

  /// In any of the batches.
  Index fewest_samples() const {
    const Index last = samples() - (batches() - 1) * options().batch;
    return std::min(options().batch, last);
  }

  static void check(Index samples, const LoaderOptions& options, const std::vector<Index>& labels) {
    if (samples < 0) throw ValueError(detail::text("Loader: ", samples, " samples"));
    if (options.batch < 1 || options.workers < 0 || options.prefetch < 1)
      throw ValueError(detail::text("Loader: batch ", options.batch, ", workers ", options.workers, ", prefetch ",
                                    options.prefetch, "; batch and prefetch must be positive, workers not negative"));
    if (options.shuffle_window < 0 || (options.shuffle_window > 0 && (options.balanced || !options.shuffle)))
      throw ValueError(detail::text("Loader: a window of ", options.shuffle_window, " to shuffle in",
                                    options.balanced   ? ", and balancing, which draws from all samples"
                                    : !options.shuffle ? ", and no shuffling"
                                                       : ""));
    if (options.balanced && static_cast<Index>(labels.size()) != samples)
      throw ValueError(detail::text("Loader: balancing needs a label for each sample; there are ", samples,
                                    " samples and ", labels.size(), " labels"));
    if (options.drop_last && samples > 0 && samples < options.batch)
      throw ValueError(detail::text("Loader: ", samples, " samples fill no batch of ", options.batch,
                                    ", and the last one is to be dropped"));
  }

  std::shared_ptr<const detail::Recipe<Batch>> recipe_;
};

template <Source From>
Loader(From) -> Loader<typename From::Batch>;
template <Source From>
Loader(From, LoaderOptions) -> Loader<typename From::Batch>;
template <class Make, class Collate, class... Labels>
Loader(Index, LoaderOptions, Make, Collate, Labels...)
    -> Loader<std::invoke_result_t<Collate, std::vector<std::invoke_result_t<Make, Index, Generator&>>>>;

}  // namespace mien::data
