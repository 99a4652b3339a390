#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Only rises. Updated per batch, not per row. Thread-safe.
class Counter {
 public:
  void add(std::uint64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Thread-safe.
class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Distribution of microseconds over a moving window of about a minute: four buckets to each power of two,
/// two halves of 30 s that take turns, so a quantile is right within 19 % and forgets what is old.
/// Thread-safe.
class Histogram {
 public:
  void record(std::int64_t value_us, std::int64_t now_us, std::uint64_t count = 1);
  /// Moves the window on; `record` does too.
  void advance(std::int64_t now_us);
  /// `q` in 0..1, e.g. 0.99. Nothing when the window is empty.
  [[nodiscard]] std::optional<std::int64_t> quantile_us(double q) const;
  [[nodiscard]] std::uint64_t count() const { return total_count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t sum_us() const { return total_sum_us_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kBuckets = 256;
  using Half = std::array<std::atomic<std::uint64_t>, kBuckets>;

  std::array<Half, 2> halves_{};
  std::atomic<int> current_{0};
  std::atomic<std::int64_t> turned_us_{0};
  std::atomic<std::uint64_t> total_count_{0};
  std::atomic<std::uint64_t> total_sum_us_{0};
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// All metrics of the process. A metric lives as long as the registry; asking again for the same name and
/// labels gives the same object. Names follow Prometheus (`millrace_rows_total`). Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels);
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels);
  /// Exposed as a Prometheus summary in seconds with the quantiles 0.5, 0.95 and 0.99.
  Histogram& histogram(std::string_view name, std::string_view help, const MetricLabels& labels);

  /// Prometheus text format 0.0.4. A summary that nothing was recorded in of late has the quantiles NaN.
  [[nodiscard]] std::string expose(std::int64_t now_us) const;

 private:
  struct Family;
  template <typename T>
  T& get(std::string_view name, std::string_view help, const MetricLabels& labels, int kind);
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
};

}  // namespace millrace
