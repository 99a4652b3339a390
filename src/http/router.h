#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace millrace {

/// Finds the handler of a request. Filled before the server starts, then only read.
class HttpRouter {
 public:
  /// `pattern`: `/api/v1/topics/{topic}/rows`; a part in braces takes one part of the path, percent-decoded.
  void add(std::string_view method, std::string_view pattern, HttpHandler handler);

  /// Fills `request.parameters`, runs the handler. 404 and 405 when there is none, 400 for a path that is no
  /// path, 500 when the handler throws. HEAD is answered as GET.
  [[nodiscard]] HttpResponse dispatch(HttpRequest& request) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> parts;
    HttpHandler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace millrace
