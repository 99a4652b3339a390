#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/pattern.h"
#include "base/result.h"
#include "connect/config.h"
#include "connect/setting_faults.h"
#include "source/postgres/client.h"

namespace millrace::postgres {

/// Which tables are captured: Debezium's include and exclude lists, anchored and without regard to case.
/// Thread-safe.
class TableFilter {
 public:
  [[nodiscard]] static TableFilter make(const ConnectorConfig& config, SettingFaults& faults);
  [[nodiscard]] bool captures(std::string_view schema, std::string_view table) const;
  /// A partition is captured under its own name or under that of its uppermost table (empty: not a
  /// partition).
  [[nodiscard]] bool captures(std::string_view schema, std::string_view table, std::string_view root_schema,
                              std::string_view root_table) const;
  /// An exclude list names it.
  [[nodiscard]] bool excludes(std::string_view schema, std::string_view table) const;

 private:
  PatternList schema_include_;
  PatternList schema_exclude_;
  PatternList table_include_;
  PatternList table_exclude_;
};

enum class SnapshotMode : std::uint8_t { kInitial, kNoData };
enum class PublicationMode : std::uint8_t { kFiltered, kDisabled, kAllTables, kNoTables };

/// Which values that the stream left out are read from the table. Thread-safe.
class ReselectFilter {
 public:
  [[nodiscard]] static ReselectFilter make(const ConnectorConfig& config, SettingFaults& faults);
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// `column`: `schema.table:column`.
  [[nodiscard]] bool takes(std::string_view column) const;

 private:
  bool enabled_ = false;
  PatternList include_;
  PatternList exclude_;
};

/// The connector's options, typed and with defaults that depend on its name filled in.
struct Settings {
  std::string connector;  ///< its name, for log lines
  ConnectionSettings connection;
  TableFilter filter;
  ReselectFilter reselect;
  bool reselect_must_succeed = false;
  std::vector<std::string> table_include;  ///< the patterns as written, for `check`
  std::string topic_prefix;
  std::string slot_name;
  bool drop_slot_on_stop = false;
  std::string publication_name;
  PublicationMode publication_mode = PublicationMode::kFiltered;
  bool via_partition_root = false;
  bool allow_keyless = false;
  SnapshotMode snapshot_mode = SnapshotMode::kInitial;
  std::int64_t status_interval_ms = 10'000;
  std::int64_t heartbeat_interval_ms = 10'000;
};

[[nodiscard]] std::span<const OptionSpec> postgres_options();

/// Reads the options; what cannot be is added to `faults`, and the settings are then of no use.
[[nodiscard]] Settings read_settings(const ConnectorConfig& config, SettingFaults& faults);
/// The same; the first fault is the error.
[[nodiscard]] Result<Settings> read_settings(const ConnectorConfig& config);

/// A slot or publication name made of a connector's name: `millrace_` and what PostgreSQL allows in one.
[[nodiscard]] std::string default_object_name(std::string_view connector);

}  // namespace millrace::postgres
