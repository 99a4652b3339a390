#include "cli/progress.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/table.h"

namespace millrace {
namespace {

constexpr std::size_t kBarWidth = 20;
// Rows come in batches of thousands: over a shorter time a rate would jump.
constexpr std::int64_t kRateWindowUs = 2'000'000;
constexpr std::int64_t kFirstRateUs = 500'000;

std::string snapshot_part(const SnapshotProgress& snapshot, bool with_bar) {
  std::string out = " " + snapshot.table;
  if (snapshot.tables_total > 1)
    out += fmt::format(" (table {} of {})", snapshot.tables_done + 1, snapshot.tables_total);
  if (snapshot.rows_estimated > 0) {
    const double share =
        static_cast<double>(snapshot.rows_done) / static_cast<double>(snapshot.rows_estimated);
    out += fmt::format(" {}{:.0f} %", with_bar ? bar(share, kBarWidth) + " " : "",
                       share > 1 ? 100.0 : share * 100);
  }
  return out;
}

}  // namespace

double Progress::rate_of(const ConnectorView& one, std::int64_t now_us) {
  Seen& seen = seen_[one.name];
  const std::int64_t passed_us = now_us - seen.at_us;
  if (seen.at_us == 0 || one.rows < seen.rows) {
    seen = {one.rows, now_us, 0};
  } else if (passed_us >= kRateWindowUs || (seen.rate == 0 && passed_us >= kFirstRateUs)) {
    seen.rate = static_cast<double>(one.rows - seen.rows) * 1e6 / static_cast<double>(passed_us);
    if (passed_us >= kRateWindowUs) seen = {one.rows, now_us, seen.rate};
  }
  return seen.rate;
}

std::string Progress::part(const ConnectorView& one, std::int64_t now_us, bool with_bar) {
  const double rate = rate_of(one, now_us);
  std::string out = fmt::format("{}: {}", one.name, one.state);
  if (one.snapshot.active) out += snapshot_part(one.snapshot, with_bar);
  out += fmt::format(", {} rows", grouped(one.rows < 0 ? 0 : static_cast<std::uint64_t>(one.rows)));
  if (rate >= 0.5) out += fmt::format(" ({}/s)", grouped(static_cast<std::uint64_t>(std::llround(rate))));
  if (one.lag_ms >= 0) out += ", lag " + human_millis(one.lag_ms);
  if (one.dead_letters > 0) out += fmt::format(", {} dead letters", one.dead_letters);
  if (one.errors > 0) out += fmt::format(", {} errors", one.errors);
  return out;
}

std::string Progress::line(const std::vector<ConnectorView>& connectors, std::int64_t now_us) {
  std::string out;
  for (const ConnectorView& one : connectors) out += (out.empty() ? "" : " | ") + part(one, now_us, true);
  return out.empty() ? "no connectors" : out;
}

std::optional<std::string> Progress::plain_line(const std::vector<ConnectorView>& connectors,
                                                std::int64_t now_us) {
  std::string state;
  for (const ConnectorView& one : connectors) {
    state +=
        fmt::format("{}={}/{}/{}/{};", one.name, one.state, one.rows, one.errors, one.snapshot.rows_done);
  }
  if (state == last_state_) return std::nullopt;
  last_state_ = state;
  std::string out;
  for (const ConnectorView& one : connectors) out += (out.empty() ? "" : " | ") + part(one, now_us, false);
  return out;
}

}  // namespace millrace
