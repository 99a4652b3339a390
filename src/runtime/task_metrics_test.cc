#include "runtime/task_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace millrace {
namespace {

using ::testing::HasSubstr;

/// The page is written by hand: each metric of the runtime must be in it.
TEST(TaskMetrics, AreAllDocumented) {
  std::ifstream file("docs/metrics.md");
  ASSERT_TRUE(file.is_open()) << "run from the top of the tree";
  std::stringstream page;
  page << file.rdbuf();

  Metrics metrics;
  const SourceMetrics source(metrics, "db");
  const SinkMetrics sink(metrics, "cache");
  const StateMetrics state(metrics, "db");
  std::istringstream lines(metrics.expose(1));
  int found = 0;
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kType = "# TYPE ";
    if (!line.starts_with(kType)) continue;
    const std::string name = line.substr(kType.size(), line.find(' ', kType.size()) - kType.size());
    EXPECT_THAT(page.str(), HasSubstr("`" + name + "`"));
    ++found;
  }
  EXPECT_GE(found, 15);
}

TEST(StateMetrics, ShowsOneStateAndNoneWhenGone) {
  Metrics metrics;
  StateMetrics state(metrics, "db");
  state.show(ConnectorState::kStuck, true);
  EXPECT_THAT(metrics.expose(1), HasSubstr(R"(millrace_connector_state{connector="db",state="stuck"} 1)"));
  EXPECT_THAT(metrics.expose(1), HasSubstr(R"(millrace_connector_state{connector="db",state="running"} 0)"));
  state.show(ConnectorState::kStuck, false);
  EXPECT_THAT(metrics.expose(1), HasSubstr(R"(millrace_connector_state{connector="db",state="stuck"} 0)"));
}

}  // namespace
}  // namespace millrace
