#pragma once

#include <vector>

#include "connect/spec.h"

namespace millrace::postgres {

/// The PostgreSQL source, `kind: postgres`.
[[nodiscard]] const ConnectorSpec& postgres_spec();

/// Looks at the server without changing anything; for the spec.
[[nodiscard]] std::vector<Finding> check_postgres(const ConnectorConfig& config);

}  // namespace millrace::postgres
