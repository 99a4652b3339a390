#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "connect/spec.h"

namespace millrace {

/// Text on the option called `name`, from every kind that has it and from the pipeline file; `kind` narrows
/// it to one
/// (`file`: the pipeline file). The name may be a filled-in one (`indexes.flights.prefix`), may begin with
/// `connectors.<name>.` or the kind, and may end with `*` for a list. Without a name: a list of all options.
/// The error names the nearest.
[[nodiscard]] Result<std::string> explain_option(std::string_view name, std::string_view kind,
                                                 std::span<const ConnectorSpec* const> specs);

}  // namespace millrace
