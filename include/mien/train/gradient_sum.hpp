#pragma once

/// The sum of gradients over all ranks, which is on its way while `backward` still computes.
///
///     train::GradientSum<float> gradients(communicator, adam.parameters());
///     adam.zero_grad();
///     backward(loss, gradients.begin());   // the loss's share of this rank
///     gradients.finish();                  // now every rank has the same gradients
///     adam.step();
///
/// Parameters lie in buckets, the last one first, since its gradient is complete first. A bucket whose gradients are
/// all complete is sent; the next ones' gradients are computed meanwhile. Buckets are sent in their order, whatever
/// becomes complete first, so that all ranks agree about it. (Li et al., PyTorch Distributed: Experiences on
/// Accelerating Data Parallel Training, VLDB 2020.)

#include <algorithm>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/nn/module.hpp"
#include "mien/train/communicator.hpp"

namespace mien::train {

struct GradientSumOptions {
  /// What is sent at a time. Large ones use a network's bandwidth better, small ones begin sooner. PyTorch has 25 MiB.
  Index bucket_bytes = Index{4} << 20;
};

template <class T, class Device = Cpu>
class GradientSum {
 public:
  /// The same parameters in the same order on all ranks. Throws ValueError for buckets without room.
  GradientSum(Communicator& communicator, const nn::ParameterList<T, Device>& parameters,
              const GradientSumOptions& options = {})
      : communicator_(communicator) {
    if (options.bucket_bytes < 1)
      throw ValueError(mien::detail::text("GradientSum: buckets of ", options.bucket_bytes, " bytes"));
    const Index room = std::max<Index>(1, options.bucket_bytes / static_cast<Index>(sizeof(T)));
    for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
      const Index elements = parameter->value().elements();
      if (buckets_.empty() || buckets_.back().elements + elements > room) buckets_.emplace_back();
      Bucket& bucket = buckets_.back();
      places_[parameter->node().get()] = {buckets_.size() - 1, bucket.entries.size()};
      bucket.entries.push_back({*parameter, bucket.elements});
      bucket.elements += elements;
    }
  }
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  std::size_t buckets() const { return buckets_.size(); }

  /// For one call of `backward`, after which comes `finish`. Throws ValueError if sums are still on their way that
  /// `finish` has not waited for: after an exception there is no way back to the other ranks but a new start of all.
  BackwardOptions begin() {
    for (const Bucket& bucket : buckets_)
      if (bucket.request)
        throw ValueError("GradientSum: `begin` was called while sums are on their way, before `finish`");
    next_ = 0;
    for (Bucket& bucket : buckets_) {
      bucket.missing = 0;
      for (Entry& entry : bucket.entries) {
        entry.is_sent = false;
        // Nothing comes of what is not trained, and nobody should wait for it.
        if (entry.parameter.requires_gradient()) ++bucket.missing;
      }
      if (!bucket.numbers.defined())
        bucket.numbers = Tensor<T, Device>({bucket.elements + static_cast<Index>(bucket.entries.size())});
      bucket.numbers.fill(T{0});
    }
    return {.leaf_done = [this](const mien::detail::GraphNode& leaf) { complete(leaf); }};
  }

  /// Sends what is left, and leaves the sums in the parameters' gradients. A parameter whose gradient no rank has gets
  /// none. Throws RankLost.
  void finish() {
    while (next_ < buckets_.size()) send(buckets_[next_++]);
    for (Bucket& bucket : buckets_) receive(bucket);
  }

 private:
  struct Entry {
    Variable<T, Device> parameter;
    Index begin;  ///< in the bucket's numbers
    bool is_sent = false;
  };

  struct Bucket {
    std::vector<Entry> entries = {};
    Index elements = 0;
    Index missing = 0;               ///< gradients that are not complete yet
    Tensor<T, Device> numbers = {};  ///< the gradients, and how many ranks have each of them
    std::unique_ptr<Request> request = {};
  };

  struct Place {
    std::size_t bucket, entry;
  };

  void complete(const mien::detail::GraphNode& leaf) {
    const auto place = places_.find(&leaf);
    if (place == places_.end()) return;
    Bucket& bucket = buckets_[place->second.bucket];
    pack(bucket, place->second.entry);
    --bucket.missing;
    while (next_ < buckets_.size() && buckets_[next_].missing == 0) send(buckets_[next_++]);
    for (std::size_t sent = 0; sent < next_; ++sent) buckets_[sent].request->test();
  }

  void pack(Bucket& bucket, std::size_t number) {
    Entry& entry = bucket.entries[number];
    if (std::exchange(entry.is_sent, true))
      throw ValueError("GradientSum: `backward` was called twice between `begin` and `finish`");
    const Tensor<T, Device>& gradient = entry.parameter.gradient();
    if (!gradient.defined()) return;
    bucket.numbers.slice(0, entry.begin, entry.begin + gradient.elements()).copy_from(gradient.view({-1}));
    const Index flag = bucket.elements + static_cast<Index>(number);
    bucket.numbers.slice(0, flag, flag + 1).fill(T{1});
  }

  void send(Bucket& bucket) { bucket.request = communicator_.start_sum(bucket.numbers); }

  void receive(Bucket& bucket) {
    bucket.request->wait();
    bucket.request.reset();
    const Tensor<T> ranks = bucket.numbers.slice(0, bucket.elements, bucket.numbers.elements()).template to<Cpu>();
    for (std::size_t i = 0; i < bucket.entries.size(); ++i) {
      Entry& entry = bucket.entries[i];
      if (!entry.parameter.requires_gradient() || ranks(static_cast<Index>(i)) == 0) continue;
      const Index end = entry.begin + entry.parameter.value().elements();
      Tensor<T, Device>& gradient = entry.parameter.gradient();
      if (!gradient.defined()) gradient = Tensor<T, Device>(entry.parameter.shape());
      gradient.copy_from(bucket.numbers.slice(0, entry.begin, end).view(entry.parameter.shape()));
    }
  }

  Communicator& communicator_;
  std::vector<Bucket> buckets_;
  std::unordered_map<const void*, Place> places_;
  std::size_t next_ = 0;  ///< the first bucket that was not sent
};

}  // namespace mien::train
