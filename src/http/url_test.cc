#include "http/url.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Url, ReadsAddresses) {
  EXPECT_EQ(parse_host_port("127.0.0.1:8083")->text(), "127.0.0.1:8083");
  EXPECT_EQ(parse_host_port("[::1]:0")->host, "::1");
  EXPECT_EQ(parse_host_port("[::1]:5")->text(), "[::1]:5");
  for (const char* wrong :
       {"", "127.0.0.1", ":80", "a:b", "a:70000", "::1:80", "[::1:80", "[::1]80", "a:-1"}) {
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
  }
}

TEST(Url, ReadsHttpUrls) {
  EXPECT_EQ(parse_http_url("http://localhost:9/")->text(), "localhost:9");
  EXPECT_EQ(parse_http_url("http://localhost")->port, 80);
  for (const char* wrong :
       {"localhost:9", "https://a:1", "http://", "http://a:0", "http://a/b", "http://u@a:1"}) {
    EXPECT_FALSE(parse_http_url(wrong)) << wrong;
  }
}

TEST(Url, KnowsLoopbackByItsWriting) {
  EXPECT_TRUE(is_loopback_host("127.1.2.3"));
  EXPECT_TRUE(is_loopback_host("localhost"));
  EXPECT_TRUE(is_loopback_host("::1"));
  EXPECT_FALSE(is_loopback_host("127.0.0.1.example.com"));
  EXPECT_FALSE(is_loopback_host("0.0.0.0"));
  EXPECT_FALSE(is_loopback_host("localhost.example.com"));
}

TEST(Url, DecodesPercentSigns) {
  EXPECT_EQ(percent_decode("a%2Fb%41+", false), "a/bA+");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  for (const char* wrong : {"%", "%4", "a%4g", "%%41"}) EXPECT_FALSE(percent_decode(wrong, false)) << wrong;
  EXPECT_EQ(percent_encode("a/b \xC3\xA4~"), "a%2Fb%20%C3%A4~");
}

TEST(Url, ReadsQueries) {
  const auto query = parse_query("a=1&b=x%26y+z&&c&a=2");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->at("a"), "1");
  EXPECT_EQ(query->at("b"), "x&y z");
  EXPECT_EQ(query->at("c"), "");
  EXPECT_FALSE(parse_query("a=%zz"));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "k" + std::to_string(i) + "&";
  EXPECT_FALSE(parse_query(many));
}

}  // namespace
}  // namespace millrace
