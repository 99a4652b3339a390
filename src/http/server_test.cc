#include "http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/socket.h"
#include "http/url.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpRouter test_router() {
  HttpRouter router;
  router.add("GET", "/hello/{name}", [](const HttpRequest& request) {
    return HttpResponse{200, "text/plain",
                        request.parameters.at("name") + "|" + request.query_value("q").value_or("-")};
  });
  router.add("POST", "/size", [](const HttpRequest& request) {
    return HttpResponse{200, "text/plain", std::to_string(request.body.size())};
  });
  router.add("GET", "/throws",
             [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("secret"); });
  router.add("GET", "/stream", [](const HttpRequest&) {
    HttpResponse response;
    response.stream = [i = 0](std::string& chunk) mutable {
      chunk += "line " + std::to_string(i) + "\n";
      return ++i < 1000;
    };
    return response;
  });
  router.add("GET", "/endless", [](const HttpRequest& request) {
    HttpResponse response;
    response.stream = [stop = request.stop, calls = 0](std::string& chunk) mutable {
      chunk = "begun\n";
      if (calls++ == 0) return true;
      std::mutex mutex;
      std::condition_variable_any never;
      std::unique_lock lock(mutex);
      return never.wait(lock, stop, [] { return false; });
    };
    return response;
  });
  return router;
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status started = server_.start();
    ASSERT_TRUE(started);
  }

  [[nodiscard]] HostPort address() const { return *parse_host_port(server_.address()); }

  /// Sends bytes as they are and gives all that comes back until the server closes.
  [[nodiscard]] std::string raw(std::string_view bytes) const {
    const FileHandle handle = connected();
    [[maybe_unused]] const ssize_t sent = ::send(handle.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(handle.get(), SHUT_WR);
    std::string out;
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t got = ::recv(handle.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return out;
      out.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  [[nodiscard]] FileHandle connected() const {
    FileHandle handle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(handle.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return handle;
  }

  HttpRouter router_ = test_router();
  Logger logger_;
  HttpServer server_{
      {.listen = "127.0.0.1:0", .threads = 4, .waiting = 4, .max_body_bytes = 1000}, router_, logger_};
};

TEST_F(HttpServerTest, DecodesPathAndQuery) {
  HttpClient client(address());
  EXPECT_EQ(client.get("/hello/a%2Fb?q=x%20y")->body, "a/b|x y");
  EXPECT_EQ(client.get("/hello/again")->body, "again|-");
}

TEST_F(HttpServerTest, AnswersWhatItDoesNotHave) {
  HttpClient client(address());
  EXPECT_EQ(client.get("/nothing")->body, "{\"error_code\":404,\"message\":\"there is nothing here\"}\n");
  EXPECT_EQ(client.post("/hello/x", "")->status, 405);
  EXPECT_EQ(client.get("/hello/%zz")->status, 400);
  EXPECT_EQ(client.get("/hello/x?q=%zz")->status, 400);
  EXPECT_EQ(client.get("/hello/" + std::string(3000, 'a'))->status, 414);
  const auto thrown = client.get("/throws");
  EXPECT_EQ(thrown->status, 500);
  EXPECT_EQ(thrown->body.find("secret"), std::string::npos);
}

TEST_F(HttpServerTest, BoundsBodies) {
  HttpClient client(address());
  EXPECT_EQ(client.post("/size", std::string(1000, 'x'))->body, "1000");
  EXPECT_EQ(client.post("/size", std::string(1001, 'x'))->status, 413);
  EXPECT_THAT(raw("POST /size HTTP/1.1\r\nHost: localhost\r\n\r\n"), ::testing::EndsWith("\r\n\r\n0"));
  std::string chunked = "POST /size HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunked += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(raw(chunked + "0\r\n\r\n"), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, TakesNoRequestOutOfABody) {
  const std::string hidden = "GET /hello/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string answer =
      raw("GET /hello/seen HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(hidden.size()) +
          "\r\n\r\n" + hidden);
  EXPECT_THAT(answer, HasSubstr("seen"));
  EXPECT_THAT(answer, Not(HasSubstr("hidden")));
}

TEST_F(HttpServerTest, Streams) {
  HttpClient client(address());
  std::string seen;
  const auto answer = client.get_stream("/stream", [&](std::string_view piece) {
    seen += piece;
    return true;
  });
  ASSERT_TRUE(answer);
  EXPECT_THAT(seen, StartsWith("line 0\nline 1\n"));
  EXPECT_TRUE(seen.ends_with("line 999\n"));
  // One that the client breaks off, and one that is no stream.
  EXPECT_TRUE(client.get_stream("/stream", [](std::string_view) { return false; }));
  EXPECT_EQ(client.get_stream("/nothing", [](std::string_view) { return true; })->status, 404);
}

TEST_F(HttpServerTest, AnswersWholeWhateverRangesAreAsked) {
  std::string ranges = "bytes=0-";
  for (int i = 0; i < 1000; ++i) ranges += ",0-";
  const std::string answer = raw("GET /hello/x HTTP/1.1\r\nHost: localhost\r\nRange: " + ranges + "\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\nx|-"));
}

TEST_F(HttpServerTest, BoundsTheHeadOfARequest) {
  std::string many = "GET /hello/x HTTP/1.1\r\nHost: localhost\r\n";
  while (many.size() < 200'000) many += "X: " + std::string(500, 'a') + "\r\n";
  EXPECT_EQ(count(raw(many + "\r\n"), "HTTP/1.1 200"), 0U);
  EXPECT_EQ(count(raw(std::string(200'000, 'A')), "HTTP/1.1 200"), 0U);
  // A line that is too long ends the connection: what follows it is no request.
  EXPECT_EQ(count(raw("X: " + std::string(20'000, 'a') + "\r\n\r\n"), "HTTP/1.1"), 1U);
  // Each request of a connection has the whole measure.
  std::string pipelined;
  for (int i = 0; i < 20; ++i) {
    pipelined += "GET /hello/x HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(7'000, 'a') + "\r\n\r\n";
  }
  EXPECT_EQ(count(raw(pipelined), "x|-"), 20U);
}

TEST_F(HttpServerTest, RefusesPagesOfOthers) {
  EXPECT_THAT(raw("GET /hello/x HTTP/1.0\r\nHost: evil.example\r\n\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(raw("GET /hello/x HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(raw("POST /size HTTP/1.0\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: "
                  "0\r\n\r\n"),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(raw("GET /hello/x HTTP/1.0\r\nHost: localhost:1\r\nOrigin: http://localhost:1\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, OutlivesMalformedRequests) {
  const std::string host = "Host: localhost\r\n";
  const std::vector<std::string> all = {
      "",
      "\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      std::string(20'000, 'A'),
      "GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n",
      "POST /" + std::string(8'000, 'a') + " HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n",
      "GET /hello/x HTTP/1.1\r\n" + host + "X: " + std::string(9'000, 'a') + "\r\n\r\n",
      "GET /hello/x HTTP/1.1\r\n" + host + "Range: bytes=" + std::string(8'000, '1') + "-\r\n\r\n",
      "GET /hello/x HTTP/1.1\r\n" + host + "Range: bytes=9-2,-,5-999999999999999999999\r\n\r\n",
      "GET /stream HTTP/1.0\r\n" + host + "Range: bytes=1-2\r\n\r\n",
      "POST /size HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n",
      "POST /size HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n",
      "POST /size HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
      "POST /size HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Encoding: gzip\r\n\r\nnope",
      "POST /size HTTP/1.1\r\n" + host + "Content-Type: multipart/form-data\r\nContent-Length: 4\r\n\r\nnope",
      "POST /size HTTP/1.1\r\n" + host +
          "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n\r\n--x",
      "POST /a%0Ab HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "BREW /hello/x HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc",
      std::string("GET /\0 HTTP/1.1\r\n\r\n", 19),
      "GET /%00 HTTP/1.1\r\n" + host + "\r\n",
  };
  for (const std::string& one : all) {
    SCOPED_TRACE(one.substr(0, 60));
    const std::string answer = raw(one);
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << answer.substr(0, 100);
  }
  HttpClient client(address());
  EXPECT_EQ(client.get("/hello/still")->body, "still|-");
}

TEST_F(HttpServerTest, StopsAtOnceUnderIdleAndStreamingClients) {
  const FileHandle idle = connected();
  const FileHandle half = connected();
  ASSERT_GT(::send(half.get(), "GET /hel", 8, MSG_NOSIGNAL), 0);
  const FileHandle endless = connected();
  constexpr std::string_view kGet = "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n";
  ASSERT_GT(::send(endless.get(), kGet.data(), kGet.size(), MSG_NOSIGNAL), 0);
  std::array<char, 64> buffer{};
  ASSERT_GT(::recv(endless.get(), buffer.data(), buffer.size(), 0), 0);
  const auto begin = std::chrono::steady_clock::now();
  server_.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
}

TEST_F(HttpServerTest, TurnsAwayWhatHasNoPlace) {
  std::vector<FileHandle> held;
  for (int i = 0; i < 8; ++i) held.push_back(connected());  // four threads, four places
  std::string answer;
  // Those above may not have been handed over yet: the server accepts in its own time.
  for (int i = 0; i < 100 && answer.empty(); ++i) {
    const FileHandle further = connected();
    std::array<char, 64> buffer{};
    const ssize_t got = ::recv(further.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) answer.assign(buffer.data(), static_cast<std::size_t>(got));
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, SaysWhenThePortIsTaken) {
  HttpServer second({.listen = server_.address()}, router_, logger_);
  const Status started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().next, Next::kStop);
  EXPECT_EQ(started.error().message, "cannot listen on " + server_.address() + ": Address already in use");
  EXPECT_THAT(started.error().hint, HasSubstr("http.listen"));
}

TEST(HttpServerStart, RefusesToBeReachedFromOutside) {
  HttpRouter router;
  Logger logger;
  for (const char* address : {"0.0.0.0:0", "[::]:0", "localhost.example.com:0"}) {
    HttpServer server({.listen = address}, router, logger);
    const Status started = server.start();
    ASSERT_FALSE(started) << address;
    EXPECT_THAT(started.error().message, HasSubstr("other machines"));
  }
  HttpServer allowed({.listen = "0.0.0.0:0", .allow_remote = true}, router, logger);
  EXPECT_TRUE(allowed.start());
  HttpServer wrong({.listen = "8083"}, router, logger);
  EXPECT_EQ(wrong.start().error().message,
            "http.listen: expected host:port such as 127.0.0.1:8083 or [::1]:8083");
}

}  // namespace
}  // namespace millrace
