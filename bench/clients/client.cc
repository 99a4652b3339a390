// One client that sends JSON.SETs in pipelines of kDepth and reads the replies, by hiredis or by our own
// client:
//   client hiredis|own PORT ROWS
// Prints documents a second and CPU seconds (user and system) per million. The documents are made before the
// clock starts; FLUSHALL is the caller's.
#include <hiredis.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sink/redis/client/client.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kDepth = 500;

struct Document {
  std::string key;
  std::string json;
};

std::vector<Document> make_documents(std::size_t rows) {
  std::vector<Document> out;
  out.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t j = (i * 2654435761U) & 0xffffffffU;
    out.push_back(
        {"customer:" + std::to_string(i),
         R"({"id":)" + std::to_string(i) + R"(,"name":"Customer )" + std::to_string(j % 50000) +
             R"( Lee","email":"user)" + std::to_string(i) + R"(@example.com","status":"paid","amount":)" +
             std::to_string(j % 100000) + R"(,"age":)" + std::to_string(18 + j % 70) + R"(,"street":")" +
             std::to_string(j % 400) + R"( Long Avenue North","note":")" + std::string(120, 'x') + "\"}"});
  }
  return out;
}

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::exit(1);
}

void send_by_hiredis(const std::vector<Document>& documents, int port) {
  redisContext* context = redisConnect("127.0.0.1", port);
  if (context == nullptr || context->err != 0) give_up("hiredis: no connection");
  for (std::size_t at = 0; at < documents.size(); at += kDepth) {
    const std::size_t end = std::min(at + kDepth, documents.size());
    for (std::size_t i = at; i < end; ++i) {
      const char* words[] = {"JSON.SET", documents[i].key.c_str(), "$", documents[i].json.c_str()};
      const std::size_t sizes[] = {8, documents[i].key.size(), 1, documents[i].json.size()};
      redisAppendCommandArgv(context, 4, words, sizes);
    }
    for (std::size_t i = at; i < end; ++i) {
      void* reply = nullptr;
      if (redisGetReply(context, &reply) != REDIS_OK) give_up("hiredis: connection lost");
      if (static_cast<redisReply*>(reply)->type != REDIS_REPLY_STATUS) give_up("hiredis: refused");
      freeReplyObject(reply);
    }
  }
  redisFree(context);
}

void send_by_own(const std::vector<Document>& documents, int port) {
  SystemClock clock;
  ClientOptions options;
  options.uri.port = static_cast<std::uint16_t>(port);
  auto client = Client::connect(options, clock, {});
  if (!client) give_up("own client: no connection");
  Reply reply;
  for (std::size_t at = 0; at < documents.size(); at += kDepth) {
    const std::size_t end = std::min(at + kDepth, documents.size());
    for (std::size_t i = at; i < end; ++i) {
      append_command((*client)->out(), {"JSON.SET", documents[i].key, "$", documents[i].json});
    }
    (*client)->expect(end - at);
    while ((*client)->missing_replies() > 0) {
      if (!(*client)->exchange(clock.now_us() + 100'000)) give_up("own client: connection lost");
      for (auto got = (*client)->next(reply); got && *got; got = (*client)->next(reply)) {
        if (reply.kind != Reply::Kind::kSimple) give_up("own client: refused");
      }
    }
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int run(int argc, char** argv) {
  if (argc != 4) give_up("usage: client hiredis|own PORT ROWS");
  const std::string which = argv[1];
  const int port = std::atoi(argv[2]);
  const auto documents = make_documents(static_cast<std::size_t>(std::atoll(argv[3])));
  const SystemClock clock;
  const double cpu = cpu_seconds();
  const std::int64_t begin = clock.now_us();
  (which == "hiredis" ? send_by_hiredis : send_by_own)(documents, port);
  const auto rows = static_cast<double>(documents.size());
  std::printf("%.0f %.3f\n", rows / static_cast<double>(clock.now_us() - begin) * 1e6,
              (cpu_seconds() - cpu) / rows * 1e6);
  return 0;
}

}  // namespace
}  // namespace millrace::redis

int main(int argc, char** argv) { return millrace::redis::run(argc, argv); }
