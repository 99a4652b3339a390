#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "connect/log_position.h"
#include "connect/sink.h"
#include "sink/redis/target/overlay.h"

namespace millrace::redis {

/// The rows of one output that Redis lacks because they are parked, by the key (and member) that they were to
/// change. A write that builds on what is under such a key would make of it a state that the row never had.
/// One thread.
class ParkedKeys {
 public:
  /// Of more rows it does not keep the keys, and holds everything back that builds on what is there.
  static constexpr std::size_t kMaxRows = 1'000'000;

  /// `keeps`: not of a history, where each change stands for itself.
  explicit ParkedKeys(bool keeps) : keeps_(keeps) {}

  /// Rows without a key are left out.
  void add(const Rejected& row);
  void add(std::span<const Rejected> rows);
  void remove(const Rejected& row);
  void clear();
  [[nodiscard]] bool empty() const { return rows_ == 0 && !overflown_; }

  /// A row of that key in front of `place` is parked.
  [[nodiscard]] bool lacks(std::string_view key, std::string_view member, const StreamPosition& place) const;
  /// The key's state as of `place` was written. `resent`: that row was a parked one.
  void applied(const Overlay& overlay, const Overlay::Entry& entry);
  /// Rows that were parked and whose keys have a later state, as far as that is settled.
  void take_overtaken(const LogPosition& settled, std::vector<Rejected>& out);

  /// The hashes of entries that may not be sent while others of the same keys are in flight, as what becomes
  /// of these decides about them. `merge`: see Target.
  [[nodiscard]] std::unordered_set<std::size_t> waiting(const Overlay& overlay, bool merge) const;
  /// With none of those in flight: entries that build on a parked row are parked too, or told to write all
  /// that they know; what lies under a key that a parked row was to leave goes with the row.
  void hold_back(Overlay& overlay, bool merge, std::vector<Rejected>& rejected);
  /// The same for the one entry of Encoder::take_move: true, it is parked.
  [[nodiscard]] bool hold_back_move(const Overlay& move, std::string_view from,
                                    std::vector<Rejected>& rejected);

 private:
  struct Id {
    std::string text;  ///< key, and behind it the member
    std::size_t key_size = 0;
  };
  struct IdView {
    std::string_view text;
    std::size_t key_size = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const IdView& id) const { return std::hash<std::string_view>()(id.text); }
    std::size_t operator()(const Id& id) const { return std::hash<std::string_view>()(id.text); }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a.key_size == b.key_size && a.text == b.text;
    }
  };
  struct Row {
    StreamPosition place;
    std::string moved_from;  ///< the key under which Redis has the document still
  };
  struct Overtaken {
    Rejected row;
    StreamPosition by;
  };
  using Keys = std::unordered_map<Id, std::vector<Row>, Hash, Equal>;

  static Id id_of(const Rejected& row);
  static IdView id_of(const Overlay& overlay, const Overlay::Entry& entry);
  [[nodiscard]] std::vector<std::string> left_behind(const IdView& id, const StreamPosition& place) const;
  void forget_left_behind(const IdView& id);

  bool keeps_;
  Keys keys_;
  std::unordered_map<std::string, Id> left_;  // where rows that were to move still are, and their keys
  std::size_t rows_ = 0;
  bool overflown_ = false;
  std::string output_;
  std::vector<Overtaken> overtaken_;
};

}  // namespace millrace::redis
