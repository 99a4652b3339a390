#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace {

/// A part of a store with its own order of keys: small records, the index, and one for the images of each
/// stream.
using StoreSpace = std::uint32_t;
inline constexpr StoreSpace kMetaSpace = 0;
inline constexpr StoreSpace kIndexSpace = 1;
inline constexpr StoreSpace kFirstImageSpace = 2;

struct StoreEntry {
  std::string key;
  std::string value;
};

/// What is to be written in one step. Long values are named, not copied: they must live until the write is
/// over.
class StoreWrite {
 public:
  enum class Kind : std::uint8_t { kPut, kPutView, kRemove, kRemoveRange };
  struct Operation {
    Kind kind = Kind::kPut;
    StoreSpace space = kMetaSpace;
    std::string key;
    std::string value;      ///< of kPut; the end of the range, itself not in it, of kRemoveRange
    std::string_view view;  ///< of kPutView
  };

  void put(StoreSpace space, std::string key, std::string value) {
    operations_.push_back({Kind::kPut, space, std::move(key), std::move(value), {}});
  }
  void put_view(StoreSpace space, std::string key, std::string_view view) {
    operations_.push_back({Kind::kPutView, space, std::move(key), {}, view});
  }
  void remove(StoreSpace space, std::string key) {
    operations_.push_back({Kind::kRemove, space, std::move(key), {}, {}});
  }
  void remove_range(StoreSpace space, std::string begin, std::string end) {
    operations_.push_back({Kind::kRemoveRange, space, std::move(begin), std::move(end), {}});
  }
  [[nodiscard]] std::span<const Operation> operations() const { return operations_; }
  [[nodiscard]] bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

struct ScanLimits {
  std::size_t entries = SIZE_MAX;
  std::size_t bytes = SIZE_MAX;  ///< of values; the entry that reaches it is still in the answer
};

struct DiskRoom {
  std::uint64_t free_bytes = 0;
  std::uint64_t total_bytes = 0;
};

/// Ordered bytes on a disk: all that StoreLog needs of one, so that the rules of the log are written once and
/// the simulator runs the same ones without a disk. Thread-safe. Keys are compared as unsigned bytes. Errors:
/// kRetry when the disk is full, kStop with a hint when bytes come back other than they were written.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Makes an image space when it is new; those that exist are open from the start.
  [[nodiscard]] virtual Status open_space(StoreSpace space) = 0;
  /// All of it or nothing, and on disk when it answers.
  [[nodiscard]] virtual Status write(const StoreWrite& write) = 0;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(StoreSpace space, std::string_view key) = 0;
  /// Entries with begin <= key < end, in order.
  [[nodiscard]] virtual Result<std::vector<StoreEntry>> scan(StoreSpace space, std::string_view begin,
                                                             std::string_view end,
                                                             const ScanLimits& limits) = 0;
  /// The last entry with begin <= key < end.
  [[nodiscard]] virtual Result<std::optional<StoreEntry>> last(StoreSpace space, std::string_view begin,
                                                               std::string_view end) = 0;
  /// Keys below `end` of an image space are not read again: their room may be given back, now or later.
  [[nodiscard]] virtual Status release(StoreSpace space, std::string_view end) = 0;
  [[nodiscard]] virtual Result<DiskRoom> room() = 0;
};

}  // namespace millrace
