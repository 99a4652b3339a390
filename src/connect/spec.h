#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/setting_faults.h"
#include "connect/sink.h"
#include "connect/source.h"
#include "connect/verify.h"

namespace millrace {

/// One line of `millrace check`: what was looked at and, if it is not well, the exact SQL or command that
/// mends it.
struct Finding {
  enum class Level : unsigned char { kOk, kWarning, kError };
  Level level = Level::kOk;
  std::string subject;  ///< e.g. `wal_level`, `table public.flights`
  std::string message;
  std::string fix;
  /// Of an error: it may go away without the operator (a server that restarts, a slot still held by a dead
  /// connection), or keeps only some rows from their target. So `run` starts all the same, and the connector
  /// waits or parks them.
  bool may_heal = false;
  /// So it must be while a process runs this very pipeline; left out then.
  bool by_own_process = false;
};

/// An error as a line of `check`; what the runtime would try again may heal.
[[nodiscard]] inline Finding finding_of(std::string subject, const Error& error) {
  return {Finding::Level::kError, std::move(subject), error.message, error.hint,
          error.next == Next::kRetry || error.next == Next::kReconnect};
}

/// Everything the program knows about a kind of connector. A new connector is a folder that defines one of
/// these and one line in connectors.cc.
struct ConnectorSpec {
  std::string_view kind{};
  std::vector<std::string_view> aliases{};  ///< e.g. Debezium's class name
  std::string_view summary{};
  std::span<const OptionSpec> options{};

  /// Adds what the option table cannot tell. Looks at nothing but the settings.
  void (*validate)(const ConnectorConfig&, SettingFaults&) = nullptr;
  /// Sources only. Order of two positions of this source; unordered when they cannot be compared.
  std::partial_ordering (*compare_positions)(const SourcePosition&, const SourcePosition&) = nullptr;
  Result<std::unique_ptr<Source>> (*make_source)(const ConnectorConfig&) = nullptr;
  /// Sinks only.
  Result<std::unique_ptr<Sink>> (*make_sink)(const ConnectorConfig&) = nullptr;
  /// Of sources and of sinks, for `millrace verify`; null: it cannot be verified.
  Result<std::unique_ptr<TableScanner>> (*make_scanner)(const ConnectorConfig&) = nullptr;
  Result<std::unique_ptr<TargetVerifier>> (*make_verifier)(const ConnectorConfig&) = nullptr;
  /// Looks at the other side without changing anything. Never throws, bounded in time (10 s).
  std::vector<Finding> (*check)(const ConnectorConfig&) = nullptr;
  /// Sources only, for `check`. Describes the tables that will be captured, also before the first start;
  /// changes nothing, bounded in time (10 s). Rows cannot be read by what comes.
  Result<std::vector<ScanTable>> (*list_tables)(const ConnectorConfig&) = nullptr;
  /// Sinks only, for `check`. Holds the settings against the tables that go to it; asks no server.
  std::vector<Finding> (*check_tables)(const ConnectorConfig&, std::span<const ScanTable>) = nullptr;

  [[nodiscard]] bool is_source() const { return make_source != nullptr; }
};

/// The one list, in connectors.cc.
[[nodiscard]] std::span<const ConnectorSpec* const> connector_specs();

}  // namespace millrace
