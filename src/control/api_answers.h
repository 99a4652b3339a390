#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "runtime/runtime.h"

namespace millrace {

// What the handlers of HTTP have in common.

[[nodiscard]] HttpResponse json_response(int status, std::string body);
[[nodiscard]] HttpResponse failure(int status, const Error& error);
/// Null when there is none.
[[nodiscard]] const ConnectorStatus* find_connector(const std::vector<ConnectorStatus>& all,
                                                    std::string_view name);
/// 404, with the name that may have been meant.
[[nodiscard]] HttpResponse no_connector(const std::vector<ConnectorStatus>& all, std::string_view name);

}  // namespace millrace
