#include "sink/redis/client/uri.h"

#include <gtest/gtest.h>

namespace millrace::redis {
namespace {

TEST(Uri, Forms) {
  const auto plain = parse_uri("redis://127.0.0.1:6379/0");
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, Uri());
  const auto full = parse_uri("rediss://us%40er:p%3Aa@ss@cache.example:7000/12");
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->username, "us@er");
  EXPECT_EQ(full->password, "p:a@ss");
  EXPECT_EQ(full->host, "cache.example");
  EXPECT_EQ(full->port, 7000);
  EXPECT_EQ(full->database, 12);
  EXPECT_EQ(full->text(), "cache.example:7000/12");
  const auto password = parse_uri("redis://:secret@[::1]");
  ASSERT_TRUE(password);
  EXPECT_EQ(password->username, "");
  EXPECT_EQ(password->password, "secret");
  EXPECT_EQ(password->text(), "[::1]:6379/0");
  const auto path = parse_uri("unix://u:p@/run/redis.sock?db=3");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->unix_path, "/run/redis.sock");
  EXPECT_EQ(path->password, "p");
  EXPECT_EQ(path->database, 3);
}

TEST(Uri, RefusesTheRestWithoutShowingIt) {
  for (const char* bad : {"", "localhost:6379", "http://h", "redis://", "redis://:6379", "redis://h:0",
                          "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h/-1", "redis://h/0?a=b",
                          "redis://[::1", "redis://[::1]x", "redis://u:hunter2%zz@h", "redis://u:hunter2%4@h",
                          "redis://u:hunter2%00@h", "unix://run/x", "unix:///x?hunter2=1", "redis://a b"}) {
    const auto uri = parse_uri(bad);
    ASSERT_FALSE(uri) << bad;
    EXPECT_EQ(uri.error().next, Next::kStop);
    EXPECT_EQ((uri.error().message + uri.error().hint).find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace millrace::redis
