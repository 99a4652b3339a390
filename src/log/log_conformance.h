#pragma once

// What every log must do. A test file of a log includes this header, the log_conformance_*.h with the tests,
// and instantiates LogConformance with a maker of its LogHome.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "log/log.h"
#include "log/log_test_rows.h"

namespace millrace {

struct LogWorld {
  Clock& clock;
  FailPoints& failpoints;
  std::optional<std::uint64_t> min_free_bytes = 0;
};

/// Where a log lives across openings.
class LogHome {
 public:
  LogHome() = default;
  LogHome(const LogHome&) = delete;
  LogHome& operator=(const LogHome&) = delete;
  virtual ~LogHome() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<Log>> open(const LogWorld& world) = 0;
};

class LogConformance : public testing::TestWithParam<std::function<std::unique_ptr<LogHome>()>> {
 protected:
  void SetUp() override {
    home_ = GetParam()();
    reopen();
  }

  void reopen() {
    log_.reset();
    auto opened = home_->open({clock_, failpoints_, min_free_bytes_});
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }

  StreamId stream(std::string_view connector = "shop") {
    auto id = log_->open_stream(connector);
    EXPECT_TRUE(id);
    return id ? *id : 0;
  }

  void append(const BatchPtr& batch, const SourcePosition& after, std::string_view connector = "shop") {
    const Status done = log_->append(stream(connector), batch, after, {});
    ASSERT_TRUE(done) << done.error().message;
  }

  /// Selected rows from `from` on, as `topic=value`; `from` ends where the reader then stands.
  std::vector<std::string> read_all(LogPosition& from,
                                    const std::function<bool(std::string_view)>& wants = all_topics) {
    std::vector<std::string> out;
    for (int i = 0; i < 10'000; ++i) {
      auto read = log_->read(wants, from, 0);
      EXPECT_TRUE(read) << read.error().message;
      if (!read || !*read) return out;
      const ReadBatch& rows = **read;
      for (std::uint32_t at = rows.first_row; at < rows.end_row; ++at) {
        if (!rows.selected(at)) continue;
        const Row row = rows.batch->row(at);
        out.push_back(std::string(rows.batch->topics()[row.topic]) + "=" +
                      std::string(rows.batch->bytes(row.after[0])));
      }
      from = rows.after;
    }
    ADD_FAILURE() << "the log never ends";
    return out;
  }
  std::vector<std::string> read_all() {
    LogPosition from = *log_->earliest();
    return read_all(from);
  }

  TopicInfo topic(std::string_view name) {
    const auto topics = log_->topics();
    for (const TopicInfo& info : *topics) {
      if (info.topic == name) return info;
    }
    ADD_FAILURE() << "no topic " << name;
    return {};
  }

  ManualClock clock_;
  FailPoints failpoints_;
  std::optional<std::uint64_t> min_free_bytes_ = 0;
  std::unique_ptr<LogHome> home_;
  std::unique_ptr<Log> log_;
};

using Values = std::vector<std::string>;

}  // namespace millrace
