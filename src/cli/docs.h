#pragma once

#include <map>
#include <span>
#include <string>

#include "connect/spec.h"

namespace millrace {

/// The generated pages by file name: `postgres.md`, `redis.md`..., `pipeline-file.md`. They follow from the
/// option tables alone.
[[nodiscard]] std::map<std::string, std::string> option_pages(std::span<const ConnectorSpec* const> specs);

}  // namespace millrace
