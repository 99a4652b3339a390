#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "event/batch.h"

namespace millrace {

/// Names and types of a table version's key: keys of different forms cannot be compared.
[[nodiscard]] std::string key_form(const TableSchema& schema);

/// The keys that a change touches, as bytes that are equal when the keys are: that of the row it leaves and,
/// when it changes the key, that of the row it found. None: the table has no key, or the source did not send
/// it.
[[nodiscard]] std::vector<std::string> row_keys(const Batch& batch, const Row& row);

}  // namespace millrace
