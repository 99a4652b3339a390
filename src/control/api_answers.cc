#include "control/api_answers.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace {

HttpResponse json_response(int status, std::string body) {
  body += '\n';
  return {status, "application/json", std::move(body)};
}

HttpResponse failure(int status, const Error& error) {
  return http_error(status, error.hint.empty() ? error.message : error.message + "; " + error.hint);
}

const ConnectorStatus* find_connector(const std::vector<ConnectorStatus>& all, std::string_view name) {
  const auto at = std::ranges::find(all, name, &ConnectorStatus::name);
  return at == all.end() ? nullptr : &*at;
}

HttpResponse no_connector(const std::vector<ConnectorStatus>& all, std::string_view name) {
  std::vector<std::string_view> known;
  known.reserve(all.size());
  for (const ConnectorStatus& one : all) known.push_back(one.name);
  const std::string_view near = nearest_name(name, known);
  return http_error(404, "no connector is called " + std::string(name) +
                             (near.empty() ? std::string() : "; did you mean " + std::string(near) + "?"));
}

}  // namespace millrace
