#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connect/sink.h"
#include "sink/redis/target/encoder.h"
#include "sink/redis/target/expiry.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {

/// Writes an overlay's entries as Redis commands. Pure; owned by one thread.
class CommandWriter {
 public:
  explicit CommandWriter(const Target& target);

  /// What its commands call by name; see TargetWriter.
  [[nodiscard]] TargetWriter& target() { return *writer_; }

  /// Appends the commands that bring `entry` about and answers their number. When it cannot be written, the
  /// last of its rows that can is written, and the rows behind that one are in `rejected`; none: 0, and they
  /// all are; `out` is then as before. Call while the entry's plan is good.
  [[nodiscard]] std::uint32_t append(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                     std::vector<Rejected>& rejected);
  /// The same for the one entry of Encoder::take_move.
  [[nodiscard]] std::uint32_t append_move(std::string& out, const Overlay& overlay, const Move& move,
                                          std::vector<Rejected>& rejected);

 private:
  Status append_entry(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                      std::uint32_t& commands);
  std::uint32_t append_last_good(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                 const std::string& error, std::vector<Rejected>& rejected);

  ExpiryWriter expiry_;
  std::unique_ptr<TargetWriter> writer_;
};

}  // namespace millrace::redis
