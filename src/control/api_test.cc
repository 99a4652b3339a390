#include "control/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/failpoint.h"
#include "base/logging.h"
#include "control/wait_places.h"
#include "log/memory/memory_log.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Runs by itself when asked to: each look at it is half a second later.
class RunningClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_us() const override {
    if (running_) now_us_ += 500'000;
    return now_us_;
  }
  [[nodiscard]] std::int64_t wall_us() const override { return now_us_; }
  void sleep_until(std::int64_t until_us) override { now_us_ = std::max(now_us_, until_us); }
  void advance_us(std::int64_t by_us) { now_us_ += by_us; }
  void run(bool running) { running_ = running; }

 private:
  mutable std::int64_t now_us_ = 1'700'000'000'000'000;
  bool running_ = false;
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() { add_api_routes(router_, api_); }

  void append(int rows, const std::string& commit) {
    auto schema = std::make_shared<TableSchema>();
    schema->id = 1;
    schema->schema = "public";
    schema->table = "t";
    ColumnSchema column;
    column.name = "id";
    column.type = CellType::kInt64;
    column.optional = false;
    schema->columns = {column};
    schema->key_columns = {0};
    builder_.begin_transaction(commit, 1, clock_.wall_us());
    for (int i = 0; i < rows; ++i) {
      RowRecord row;
      row.schema = builder_.schema(schema_ == nullptr ? schema_ = schema : schema_);
      row.topic = builder_.topic("p.public.t");
      row.after_count = 1;
      row.transaction = builder_.transaction();
      row.index = static_cast<std::uint32_t>(i);
      row.first_cell = builder_.add_cells(1);
      builder_.cell(row.first_cell) = BatchBuilder::put_word(CellType::kInt64, next_id_++);
      builder_.add_row(row);
    }
    builder_.end_transaction();
    builder_.set_received_us(clock_.wall_us());
    const auto stream = log_->open_stream("source");
    ASSERT_TRUE(stream);
    const Status appended = log_->append(*stream, builder_.seal(), {0, commit, 0, ""}, {});
    ASSERT_TRUE(appended) << appended.error().message;
  }

  HttpResponse get(const std::string& path, std::map<std::string, std::string> query = {}) {
    HttpRequest request{.method = "GET", .path = path, .query = std::move(query)};
    return router_.dispatch(request);
  }
  HttpResponse post(const std::string& path, std::string body = {}) {
    HttpRequest request{.method = "POST", .path = path, .body = std::move(body)};
    return router_.dispatch(request);
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      out.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return out;
  }

  RunningClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
  MemoryDisk disk_;
  std::unique_ptr<Log> log_ = *open_memory_log(disk_, {}, clock_, logger_, metrics_, failpoints_);
  std::vector<ConnectorStatus> status_;
  std::vector<std::string> calls_;
  std::vector<LetterRequest> requests_;
  Api api_{"shop",
           *log_,
           clock_,
           metrics_,
           Redactor({"s3cret-pw", "pw"}),
           [this] { return status_; },
           [this](std::string_view name) {
             calls_.push_back("pause " + std::string(name));
             return Status();
           },
           [this](std::string_view name) {
             calls_.push_back("resume " + std::string(name));
             return Status();
           },
           [](std::string_view) { return Status(stop_error("not now", "later")); },
           [this](std::string_view name) {
             calls_.push_back("reset " + std::string(name));
             return Status();
           },
           [this](std::string_view name) {
             calls_.push_back("forget " + std::string(name));
             return Status();
           },
           8,
           [this](std::string_view, LetterRequest request) -> Result<std::uint64_t> {
             if (request.by == "nobody") return stop_error("sink cache is paused", "resume it");
             requests_.push_back(std::move(request));
             return requests_.size();
           },
           [](std::string_view, std::uint64_t id) -> Result<LetterOperation> {
             if (id != 1) return stop_error("no such operation");
             return LetterOperation{
                 .id = 1, .asked_us = 1, .matched = 3, .done = 2, .held = 1, .message = {}};
           }};
  HttpRouter router_;
  BatchBuilder builder_;
  TableSchemaPtr schema_;
  std::uint64_t next_id_ = 100;
};

TEST_F(ApiTest, StatusKeepsItsContract) {
  ConnectorStatus source;
  source.name = "shop";
  source.kind = "postgres";
  source.state = ConnectorState::kWaiting;
  source.message = "login failed for s3cret-pw";
  source.position = "0/16B3748";
  source.lag_bytes = 5;
  source.rows = 7;
  status_ = {source};
  const HttpResponse response = get("/api/v1/status");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"({"pipeline":"shop","connectors":[{"name":"shop","kind":"postgres",)"
                                       R"("type":"source","state":"waiting for source",)"
                                       R"x("message":"login failed for (hidden)")x"));
  EXPECT_THAT(response.body, HasSubstr(R"("position":"0/16B3748","as_of_ms":0,"lag_bytes":5,"lag_ms":-1)"));
  EXPECT_THAT(response.body, HasSubstr(R"("rows":7,"errors":0)"));
  EXPECT_THAT(response.body, Not(HasSubstr("s3cret-pw")));
}

TEST_F(ApiTest, HealthFailsOnlyForWhatNeedsTheOperator) {
  ConnectorStatus one;
  one.name = "a";
  for (const ConnectorState state :
       {ConnectorState::kRunning, ConnectorState::kWaiting, ConnectorState::kPaused,
        ConnectorState::kSnapshot, ConnectorState::kStarting}) {
    one.state = state;
    status_ = {one};
    EXPECT_EQ(get("/health").status, 200);
  }
  for (const ConnectorState state : {ConnectorState::kFailed, ConnectorState::kStuck}) {
    one.state = state;
    one.message = "lost with s3cret-pw";
    status_ = {ConnectorStatus{}, one};
    const HttpResponse response = get("/health");
    EXPECT_EQ(response.status, 503);
    EXPECT_THAT(response.body, HasSubstr(R"("connector":"a")"));
    EXPECT_THAT(response.body, HasSubstr("lost with (hidden)"));
  }
}

TEST_F(ApiTest, ListsTopics) {
  EXPECT_EQ(get("/api/v1/topics").body, "[]\n");
  append(3, "0/1");
  EXPECT_THAT(get("/api/v1/topics").body,
              HasSubstr(R"([{"topic":"p.public.t","first_offset":0,"next_offset":3,"bytes":)"));
}

TEST_F(ApiTest, GivesRowsFromWhereAsked) {
  append(3, "0/1");
  clock_.advance_us(10'000'000);
  append(2, "0/2");
  const auto offsets = [&](const std::string& from, const std::string& limit = "1000") {
    const HttpResponse response = get("/api/v1/topics/p.public.t/rows", {{"from", from}, {"limit", limit}});
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.at("Millrace-End-Offset"), "5");
    return std::to_string(lines(response.body).size()) + " to " + response.headers.at("Millrace-Next-Offset");
  };
  EXPECT_EQ(offsets("earliest"), "5 to 5");
  EXPECT_EQ(offsets("earliest", "2"), "2 to 2");
  EXPECT_EQ(offsets("latest"), "0 to 5");
  EXPECT_EQ(offsets("4"), "1 to 5");
  EXPECT_EQ(offsets("99"), "0 to 99");
  EXPECT_EQ(offsets("1700000005000"), "2 to 5");
  EXPECT_EQ(offsets("2023-11-14T22:13:25Z"), "2 to 5");
  const auto rows = lines(get("/api/v1/topics/p.public.t/rows", {{"from", "3"}, {"limit", "1"}}).body);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_THAT(rows[0], HasSubstr(R"("offset":3)"));
  EXPECT_THAT(rows[0], HasSubstr(R"("op":"c")"));
  EXPECT_THAT(rows[0], HasSubstr(R"("commit":"0/2")"));
  EXPECT_THAT(rows[0], HasSubstr(R"("after":{"id":103})"));
}

TEST_F(ApiTest, WaitsForARowNoLongerThanAsked) {
  append(1, "0/1");
  clock_.run(true);
  const std::int64_t before_us = clock_.now_us();
  const HttpResponse response =
      get("/api/v1/topics/p.public.t/rows", {{"from", "latest"}, {"wait_ms", "3000"}});
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.headers.at("Millrace-Next-Offset"), "1");
  clock_.run(false);
  EXPECT_GE(clock_.now_us() - before_us, 3'000'000);
  EXPECT_LT(clock_.now_us() - before_us, 5'000'000);
}

TEST_F(ApiTest, SaysWhereTheRowsBeginAfterRetention) {
  append(3, "0/1");
  append(1, "0/2");
  ASSERT_TRUE(log_->retain({1, -1}, clock_.wall_us() + 3'600'000'000));
  append(2, "0/3");
  const HttpResponse response = get("/api/v1/topics/p.public.t/rows", {{"from", "1"}});
  EXPECT_EQ(response.headers.at("Millrace-Begin-Offset"), "4");
  EXPECT_EQ(lines(response.body).size(), 2U);
}

TEST_F(ApiTest, ShowsAndForgetsSinksThatHoldTheLog) {
  append(3, "0/1");
  ASSERT_TRUE(log_->settle("gone", *log_->earliest(), {}));
  ASSERT_TRUE(log_->settle("a b", *log_->latest(), {}));
  ConnectorStatus one;
  one.name = "a b";
  status_ = {one};
  const std::string body = get("/api/v1/sinks").body;
  EXPECT_THAT(body, HasSubstr(R"({"sink":"a b","position":"1:1:0","bytes":0,"in_pipeline":true})"));
  EXPECT_THAT(body, HasSubstr(R"({"sink":"gone","position":"1:0:0","bytes":)"));
  EXPECT_THAT(body, HasSubstr(R"("in_pipeline":false})"));
  EXPECT_EQ(post("/api/v1/sinks/gone/forget").status, 202);
  EXPECT_EQ(post("/api/v1/connectors/a%20b/reset").status, 202);
  EXPECT_EQ(calls_, (std::vector<std::string>{"forget gone", "reset a b"}));
}

TEST(WaitPlaces, AreGivenBack) {
  WaitPlaces places(2);
  {
    const WaitPlaces::Place first(places);
    const WaitPlaces::Place second(places);
    const WaitPlaces::Place third(places);
    EXPECT_TRUE(first.taken());
    EXPECT_TRUE(second.taken());
    EXPECT_FALSE(third.taken());
  }
  EXPECT_TRUE(WaitPlaces::Place(places).taken());
}

TEST_F(ApiTest, SaysWhatIsWrongWithARequest) {
  append(1, "0/1");
  const std::string rows = "/api/v1/topics/p.public.t/rows";
  EXPECT_EQ(get(rows, {{"limit", "0"}}).status, 400);
  EXPECT_EQ(get(rows, {{"limit", "10001"}}).status, 400);
  EXPECT_EQ(get(rows, {{"from", "yesterday"}}).status, 400);
  EXPECT_EQ(get(rows, {{"format", "xml"}}).status, 400);
  EXPECT_EQ(get(rows, {{"wait_ms", "-1"}}).status, 400);
  const HttpResponse missing = get("/api/v1/topics/p.public.tt/rows");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("there is no topic p.public.tt; did you mean p.public.t?"));
}

TEST_F(ApiTest, ListsDeadLetters) {
  ConnectorStatus sink;
  sink.name = "cache";
  sink.is_source = false;
  ConnectorStatus source;
  source.name = "shop";
  status_ = {source, sink};
  append(2, "0/1");
  const std::vector<Rejected> rejected = {{1, 0, 1, "p.public.t", "t:id:\"1\"", "WRONGTYPE", "documents"}};
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), rejected));
  const HttpResponse response = get("/api/v1/connectors/cache/dead-letters");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body,
              HasSubstr(R"("at":"2023-11-14T22:13:20.000Z","topic":"p.public.t",)"
                        R"("output":"documents","target_key":"t:id:\"1\"","error":"WRONGTYPE")"));
  EXPECT_EQ(get("/api/v1/connectors/shop/dead-letters").status, 400);
  EXPECT_THAT(get("/api/v1/connectors/cach/dead-letters").body, HasSubstr("did you mean cache?"));
  EXPECT_EQ(get("/api/v1/connectors/cache/dead-letters", {{"limit", "x"}}).status, 400);
}

/// A sink with three dead letters, of rows 100 to 102.
class LettersApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ConnectorStatus sink;
    sink.name = "cache";
    sink.is_source = false;
    status_ = {sink};
    append(3, "0/1");
    std::vector<Rejected> rows;
    for (std::uint32_t i = 0; i < 3; ++i)
      rows.push_back({1, 0, i, "p.public.t", "t:" + std::to_string(i),
                      i == 2 ? "other" : "error 7" + std::to_string(i)});
    ASSERT_TRUE(log_->settle("cache", *log_->latest(), rows));
    auto letters = *log_->dead_letters("cache", 3, 1);
    add_event(letters[0],
              {clock_.wall_us(), LetterEvent::What::kDrop, LetterState::kDropped, "http", "", ""});
    ASSERT_TRUE(log_->update_dead_letters("cache", letters));
  }
  HttpResponse letters(const std::string& path, std::map<std::string, std::string> query = {}) {
    return get("/api/v1/connectors/cache/dead-letters" + path, std::move(query));
  }
  HttpResponse act(const std::string& action, std::string body) {
    return post("/api/v1/connectors/cache/dead-letters/" + action, std::move(body));
  }
  static std::ptrdiff_t count(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    std::ptrdiff_t n = 0;
    for (std::size_t at = 0; (at = response.body.find("\"id\":", at)) != std::string::npos; ++at) ++n;
    return n;
  }
};

TEST_F(LettersApiTest, ListsByStateTopicAndError) {
  EXPECT_EQ(count(letters("")), 2);
  EXPECT_EQ(count(letters("", {{"state", "all"}})), 3);
  EXPECT_EQ(count(letters("", {{"state", "dropped"}})), 1);
  EXPECT_EQ(count(letters("", {{"error", "error 99"}})), 2) << "numbers do not count";
  EXPECT_EQ(count(letters("", {{"topic", "none"}})), 0);
  EXPECT_EQ(letters("", {{"state", "sleepy"}}).status, 400);
  const HttpResponse page = letters("", {{"limit", "1"}});
  EXPECT_EQ(count(page), 1);
  EXPECT_EQ(page.headers.at("Millrace-Next-Id"), "2");
  EXPECT_FALSE(letters("", {{"from", "2"}}).headers.contains("Millrace-Next-Id"));
}

TEST_F(LettersApiTest, GroupsByTheFormOfTheError) {
  const std::string body = letters("/groups").body;
  EXPECT_THAT(body,
              HasSubstr(R"([{"count":2,"topic":"p.public.t","output":"","error":"error N","first_at":)"));
  EXPECT_THAT(body, HasSubstr(R"("first":{"id":1,"commit":"0/1","index":0,)"));
  EXPECT_THAT(body, HasSubstr(R"("last":{"id":2,"commit":"0/1","index":1,)"));
  EXPECT_THAT(body, Not(HasSubstr("other")));
}

TEST_F(LettersApiTest, ShowsAndExportsTheRowAndItsHistory) {
  const std::string row = R"("change":{"op":"c","before":null,"after":{"id":101}})";
  EXPECT_THAT(letters("/2").body, HasSubstr(row));
  EXPECT_THAT(letters("/2").body, HasSubstr(R"("row_kept":"copied")"));
  EXPECT_THAT(letters("/3").body, HasSubstr(R"("what":"drop","state":"dropped","by":"http")"));
  EXPECT_EQ(letters("/4").status, 404);
  EXPECT_EQ(letters("/x").status, 404);
  const HttpResponse all = letters("", {{"format", "ndjson"}, {"state", "all"}});
  EXPECT_EQ(lines(all.body).size(), 3U);
  EXPECT_THAT(lines(all.body)[1], HasSubstr(row));
  EXPECT_EQ(all.content_type, "application/x-ndjson");
}

TEST_F(LettersApiTest, HandsRequestsOn) {
  const HttpResponse taken =
      act("replay", R"({"ids":[2,1,2],"error":"e","topic":"t","output":"o","force":true,"by":"me"})");
  EXPECT_EQ(taken.status, 202);
  EXPECT_EQ(taken.body, "{\"operation\":1}\n");
  EXPECT_EQ(requests_[0].which.ids, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(requests_[0].which.error, "e");
  EXPECT_EQ(requests_[0].which.topic, "t");
  EXPECT_EQ(requests_[0].which.output, "o");
  EXPECT_TRUE(requests_[0].force);
  EXPECT_EQ(requests_[0].by, "me");
  EXPECT_EQ(act("drop", R"({"all":true})").status, 202);
  EXPECT_EQ(requests_[1].action, LetterRequest::Action::kDrop);
  EXPECT_EQ(requests_[1].by, "http");
  EXPECT_EQ(act("replay", R"({"all":true,"by":"nobody"})").status, 409);
  EXPECT_THAT(letters("/operations/1").body, HasSubstr(R"("state":"queued")"));
  EXPECT_THAT(letters("/operations/1").body, HasSubstr(R"("matched":3,"done":2,"failed":0)"));
  EXPECT_EQ(letters("/operations/9").status, 404);
}

TEST_F(LettersApiTest, RefusesRequestsThatAreNotClear) {
  for (const char* body :
       {"", "[]", "{}", R"({"force":true})", R"({"ids":[]})", R"({"ids":["a"]})", R"({"id":1})",
        R"({"all":"yes"})", R"({"all":true,"edit":{"id":1}})", R"({"ids":[1],"edit":[]})"}) {
    EXPECT_EQ(act("replay", body).status, 400) << body;
  }
  EXPECT_EQ(act("drop", R"({"ids":[1],"edit":{"id":1}})").status, 400);
  EXPECT_EQ(act("drop", R"({"all":true,"force":true})").status, 400);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(LettersApiTest, EditsTheRowItSends) {
  EXPECT_EQ(act("replay", R"({"ids":[2],"edit":{"id":555}})").status, 202);
  ASSERT_NE(requests_.at(0).edited, nullptr);
  EXPECT_EQ(requests_[0].edited->row(0).after[0].word, 555U);
  EXPECT_EQ(requests_[0].edited_columns, "id");
  const HttpResponse wrong = act("replay", R"({"ids":[2],"edit":{"id":"sesame"}})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("whole number"));
  EXPECT_THAT(wrong.body, Not(HasSubstr("sesame")));
  EXPECT_EQ(act("replay", R"({"ids":[9],"edit":{"id":1}})").status, 404);
}

TEST_F(ApiTest, CommandsConnectors) {
  ConnectorStatus one;
  one.name = "a b";
  status_ = {one};
  EXPECT_EQ(post("/api/v1/connectors/a%20b/pause").status, 202);
  EXPECT_EQ(post("/api/v1/connectors/a%20b/resume").status, 202);
  const HttpResponse refused = post("/api/v1/connectors/a%20b/restart");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr("not now; later"));
  EXPECT_EQ(post("/api/v1/connectors/nobody/pause").status, 404);
  EXPECT_EQ(get("/api/v1/connectors/a%20b/pause").status, 405);
  EXPECT_THAT(calls_, ::testing::ElementsAre("pause a b", "resume a b"));
}

TEST_F(ApiTest, ExposesMetrics) {
  metrics_.counter("millrace_test_total", "A test.", {}).add(3);
  const HttpResponse response = get("/metrics");
  EXPECT_THAT(response.body, HasSubstr("millrace_test_total 3\n"));
  EXPECT_THAT(response.body, HasSubstr("process_resident_memory_bytes "));
  EXPECT_THAT(response.content_type, HasSubstr("text/plain"));
}

}  // namespace
}  // namespace millrace
