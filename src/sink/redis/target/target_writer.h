#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sink/redis/target/encoder.h"
#include "sink/redis/target/row_cells.h"
#include "sink/redis/target/target.h"

namespace millrace::redis {

/// proto-max-bulk-len of a server that has not been told otherwise.
inline constexpr std::size_t kDefaultMaxValueBytes = 512U << 20U;

/// What is to be written: an entry of an overlay with what belongs to it. A view.
struct Item {
  const Overlay& overlay;
  const Overlay::Entry& entry;
  std::string_view key;
  std::string_view member;
  const TablePlan& plan;
  RowCells cells;  ///< none of a delete

  Item(const Overlay& of, const Overlay::Entry& one)
      : overlay(of), entry(one), key(of.key(one)), member(of.member(one)), plan(*one.plan) {
    if (one.action != Overlay::Action::kDelete) cells = of.cells(one);
  }
};

/// A document that takes another key along with values only the old one has.
struct Move {
  std::string_view from;              ///< key of the old document, removed
  std::vector<std::string> position;  ///< HSET to be done in the same step, with its arguments
};

/// Writes what one entry becomes as Redis commands, for one target type. Pure; owned by one thread.
class TargetWriter {
 public:
  TargetWriter() = default;
  TargetWriter(const TargetWriter&) = delete;
  TargetWriter& operator=(const TargetWriter&) = delete;
  virtual ~TargetWriter() = default;

  /// Scripts it calls by name, to be loaded first.
  [[nodiscard]] virtual std::vector<std::string_view> scripts() const { return {}; }
  /// Their names as SCRIPT LOAD answered them, in the same order.
  void set_scripts(std::vector<std::string> names) { names_ = std::move(names); }
  /// The longest text that the server takes.
  virtual void set_max_value_bytes(std::size_t bytes) { max_value_bytes_ = bytes; }

  /// Appends the commands that put the entry there and adds their number to `commands`. After a reject error
  /// `out` may hold a part of them: the caller cuts it off.
  [[nodiscard]] virtual Status put(std::string& out, const Item& item, std::uint32_t& commands) = 0;
  /// Appends the one command that removes it.
  virtual void remove(std::string& out, const Item& item) = 0;
  /// The last word on the item's commands, which lie in `out` from `start` on.
  virtual void finish(std::string& /*out*/, std::size_t /*start*/, const Item& /*item*/,
                      std::uint32_t& /*commands*/) {}
  /// As `put`, one command, keeping values from another key; only of targets that have fields.
  [[nodiscard]] virtual Status move(std::string& out, const Item& item, const Move& move);

  /// The commands that remove what is under keys of a table whose rows are all gone; `plan`: of the table.
  [[nodiscard]] virtual std::vector<std::vector<std::string>> clear(const std::vector<std::string>& keys,
                                                                    const TablePlan& plan) const;
  /// Not empty: there may be something to clear under keys that are only there with this in front (and in a
  /// cluster a hash tag behind it).
  [[nodiscard]] virtual std::string_view waiting_prefix() const { return {}; }

  /// What it remembers of entries sent: all of them have been answered for, or are to be sent again; and how
  /// many these are.
  virtual void forget_sent() {}
  [[nodiscard]] virtual std::size_t sent() const { return 0; }

 protected:
  [[nodiscard]] const std::string& script(std::size_t i) const { return names_[i]; }
  /// Redis ends the connection over a longer one, and would again.
  [[nodiscard]] Status check_size(const TablePlan& plan, std::size_t bytes) const;
  /// `document_` is set to the item's document.
  [[nodiscard]] Status write_document(const Item& item);

  std::string document_;  // of the item at hand, kept for its memory

 private:
  std::vector<std::string> names_;
  std::size_t max_value_bytes_ = kDefaultMaxValueBytes;
};

/// Appends a number as ZADD takes it; times are milliseconds. False: the value is none.
[[nodiscard]] bool append_score(std::string& out, const Batch& batch, const Cell& cell);

[[nodiscard]] std::unique_ptr<TargetWriter> make_target_writer(const Target& target);

[[nodiscard]] std::unique_ptr<TargetWriter> make_json_writer(const Target& target);
[[nodiscard]] std::unique_ptr<TargetWriter> make_nest_writer(const Target& target);
[[nodiscard]] std::unique_ptr<TargetWriter> make_hash_writer();
[[nodiscard]] std::unique_ptr<TargetWriter> make_string_writer();
[[nodiscard]] std::unique_ptr<TargetWriter> make_set_writer();
[[nodiscard]] std::unique_ptr<TargetWriter> make_sorted_set_writer();
[[nodiscard]] std::unique_ptr<TargetWriter> make_stream_writer(const Target& target);
/// `inner`, held back from writing over what a later change has written.
[[nodiscard]] std::unique_ptr<TargetWriter> make_guarded_writer(std::unique_ptr<TargetWriter> inner,
                                                                const Target& target);

}  // namespace millrace::redis
