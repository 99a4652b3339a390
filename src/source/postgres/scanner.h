#pragma once

#include <memory>

#include "connect/verify.h"
#include "source/postgres/options.h"

namespace millrace::postgres {

/// Reads the captured tables in the order of their keys, a COPY of so many rows at a time; see TableScanner.
/// Each is a statement of its own, so no snapshot is held that would keep vacuum from its work.
[[nodiscard]] std::unique_ptr<TableScanner> make_table_scanner(Settings settings);

/// The tables that are published, and those that the lists capture and will be; see
/// ConnectorSpec::list_tables.
[[nodiscard]] Result<std::vector<ScanTable>> list_scan_tables(Settings settings);

}  // namespace millrace::postgres
