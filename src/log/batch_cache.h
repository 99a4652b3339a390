#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "event/batch.h"

namespace millrace {

/// Batches of one stream by sequence, bounded in image bytes; the one put in first goes first. The last one
/// put in stays even when it alone passes the bound. Not thread-safe.
class BatchCache {
 public:
  explicit BatchCache(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void put(std::uint64_t sequence, BatchPtr batch) {
    const std::size_t bytes = batch->image_bytes();
    if (!batches_.emplace(sequence, std::move(batch)).second) return;
    order_.emplace_back(sequence, bytes);
    bytes_ += bytes;
    while (bytes_ > limit_bytes_ && order_.size() > 1) {
      batches_.erase(order_.front().first);
      bytes_ -= order_.front().second;
      order_.pop_front();
    }
  }
  /// Null when it is not here.
  [[nodiscard]] BatchPtr get(std::uint64_t sequence) const {
    const auto it = batches_.find(sequence);
    return it == batches_.end() ? nullptr : it->second;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const std::size_t limit_bytes_;
  std::size_t bytes_ = 0;
  std::map<std::uint64_t, BatchPtr> batches_;
  std::deque<std::pair<std::uint64_t, std::size_t>> order_;
};

}  // namespace millrace
