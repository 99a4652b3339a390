#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connect/sink.h"
#include "sink/redis/encoder.h"

namespace millrace::redis {

/// SHA1 names of the scripts as SCRIPT LOAD answers them; see scripts.h.
struct ScriptNames {
  std::string merge;
  std::string remove;
};

/// proto-max-bulk-len of a server that has not been told otherwise.
inline constexpr std::size_t kDefaultMaxValueBytes = 512U << 20U;

/// Writes an overlay's entries as Redis commands. Pure; owned by one thread.
class CommandWriter {
 public:
  explicit CommandWriter(TargetType target);

  void set_scripts(ScriptNames scripts) { scripts_ = std::move(scripts); }
  /// The longest text that the server takes.
  void set_max_value_bytes(std::size_t bytes) { max_value_bytes_ = bytes; }

  /// Appends the command (or, for a hash with NULLs: two) that brings `entry` about and answers their number.
  /// When its document cannot be written, the last of its rows that can is written, and the rows behind that
  /// one are in `rejected`; none: 0, and they all are; `out` is then as before. Call while the entry's plan
  /// is good.
  [[nodiscard]] std::uint32_t append(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                     std::vector<Rejected>& rejected);

  /// A document that takes another key along with values only the old one has.
  struct Move {
    std::string_view from;              ///< key of the old document, removed
    std::vector<std::string> position;  ///< HSET to be done in the same step, with its arguments
  };
  /// The same for the one entry of Encoder::take_move.
  [[nodiscard]] std::uint32_t append_move(std::string& out, const Overlay& overlay, const Move& move,
                                          std::vector<Rejected>& rejected);

 private:
  Status check_size(const TablePlan& plan) const;
  Status append_entry(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                      std::uint32_t& commands);
  std::uint32_t append_last_good(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                 const std::string& error, std::vector<Rejected>& rejected);
  void gather(const Overlay& overlay, const Overlay::Entry& entry);
  Status json_document(const TablePlan& plan);
  Status append_document(std::string& out, std::string_view key, const TablePlan& plan, const Move* move,
                         std::uint32_t& commands);
  Status append_json(std::string& out, std::string_view key, const TablePlan& plan, const Move* move);
  Status append_hash(std::string& out, std::string_view key, const TablePlan& plan, const Move* move,
                     std::uint32_t& commands);
  void append_merge(std::string& out, std::string_view key, const Move* move, std::size_t arguments);
  Status append_fields(std::string& out, const TablePlan& plan);

  TargetType target_;
  ScriptNames scripts_;
  std::size_t max_value_bytes_ = kDefaultMaxValueBytes;
  // Of the entry at hand, kept for their memory.
  std::vector<Overlay::CellRef> cells_;
  std::vector<std::uint16_t> kept_;
  std::vector<std::string_view> gone_;
  std::size_t values_ = 0;
  std::string document_;
  std::string move_script_;
};

}  // namespace millrace::redis
