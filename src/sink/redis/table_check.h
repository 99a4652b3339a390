#pragma once

#include <span>
#include <vector>

#include "connect/spec.h"
#include "sink/redis/settings.h"

namespace millrace::redis {

/// What the outputs and indexes of `settings` cannot do with the tables that go to the sink, `tables`. An
/// error where no row could be written, a warning where something of a row would be left out, where an index
/// would not find it, or where old rows lack what the key is made of. Pure.
[[nodiscard]] std::vector<Finding> check_tables(const Settings& settings, std::span<const ScanTable> tables);

}  // namespace millrace::redis
