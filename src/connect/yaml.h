#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connect/config.h"
#include "connect/fault.h"

namespace millrace {

/// A setting out of YAML. `empty`: written as nothing at all (`key:`, `key: {}`, `key: []`).
struct FlatSetting {
  Setting setting;
  bool empty = false;
};

/// YAML in the flat model: nested keys joined with dots, sequences of scalars with commas (a comma inside an
/// item gets a backslash), scalars as they were written, anchors and `<<` followed. Bounded in size (1 MiB),
/// depth and count. A key given twice, in whichever way, is a fault; so is anything that is not a mapping of
/// scalars and sequences.
[[nodiscard]] std::vector<FlatSetting> flatten_yaml(std::string_view text, const std::string& file,
                                                    Faults& faults);

}  // namespace millrace
