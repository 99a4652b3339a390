#include "source/postgres/spec.h"

#include "source/postgres/options.h"
#include "source/postgres/position.h"
#include "source/postgres/scanner.h"
#include "source/postgres/source.h"

namespace millrace::postgres {
namespace {

Result<std::unique_ptr<Source>> make_source(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return std::move(settings).error();
  return std::unique_ptr<Source>(std::make_unique<PostgresSource>(std::move(*settings)));
}

Result<std::unique_ptr<TableScanner>> make_scanner(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return std::move(settings).error();
  return make_table_scanner(std::move(*settings));
}

Result<std::vector<ScanTable>> list_tables(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return std::move(settings).error();
  return list_scan_tables(std::move(*settings));
}

void validate(const ConnectorConfig& config, SettingFaults& faults) {
  static_cast<void>(read_settings(config, faults));
}

}  // namespace

const ConnectorSpec& postgres_spec() {
  static const ConnectorSpec spec = {
      .kind = "postgres",
      .aliases = {"postgresql", "io.debezium.connector.postgresql.PostgresConnector"},
      .summary =
          "Captures the changes of PostgreSQL tables (14 or newer) by logical replication with pgoutput.",
      .options = postgres_options(),
      .validate = validate,
      .compare_positions = compare_positions,
      .make_source = make_source,
      .make_sink = nullptr,
      .make_scanner = make_scanner,
      .check = check_postgres,
      .list_tables = list_tables,
  };
  return spec;
}

}  // namespace millrace::postgres
