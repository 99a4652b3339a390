#include "cli/remote.h"

#include <utility>

#include "cli/views.h"
#include "connect/pipeline.h"

namespace millrace {
namespace {

constexpr std::string_view kDefaultUrl = "http://127.0.0.1:8083";

}  // namespace

Result<HostPort> remote_address(const RemoteOptions& options) {
  if (!options.url.empty() || options.file.empty()) {
    auto address = parse_http_url(options.url.empty() ? kDefaultUrl : std::string_view(options.url));
    if (!address) return stop_error("--url: " + address.error().message);
    return address;
  }
  auto listen = load_listen_address(options.file);
  if (!listen) return std::move(listen).error();
  auto address = parse_host_port(*listen);
  if (!address) return stop_error(options.file + ": http.listen: " + address.error().message);
  if (address->port == 0) {
    return stop_error(options.file + ": http.listen has port 0, so the real one is not known",
                      "give it with --url");
  }
  // Listening on all addresses; any of them will do.
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  return address;
}

ExitCode Remote::get(const std::string& path, HttpAnswer& answer, std::int64_t timeout_ms) {
  return judge(client_.get(path, timeout_ms), answer);
}

ExitCode Remote::post(const std::string& path, std::int64_t timeout_ms) {
  HttpAnswer answer;
  return post(path, "", answer, timeout_ms);
}

ExitCode Remote::post(const std::string& path, const std::string& body, HttpAnswer& answer,
                      std::int64_t timeout_ms) {
  return judge(client_.post(path, body, timeout_ms), answer);
}

ExitCode Remote::judge(Result<HttpAnswer> got, HttpAnswer& answer) {
  if (!got) {
    console_.complain({Next::kStop, "no millrace answers at http://" + address_.text(),
                       "start it with `millrace run FILE`, or say where it is with --url or --file"});
    return ExitCode::kUnreachable;
  }
  answer = *std::move(got);
  if (answer.status >= 200 && answer.status < 300) return ExitCode::kOk;
  console_.complain(parse_error_message(answer.body));
  return answer.status == 400 || answer.status == 404 ? ExitCode::kUsage : ExitCode::kFailed;
}

}  // namespace millrace
