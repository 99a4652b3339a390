#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

using ::testing::HasSubstr;

TEST(Histogram, QuantilesAreRightWithin19Percent) {
  for (const std::int64_t value : {std::int64_t{1}, std::int64_t{3}, std::int64_t{5}, std::int64_t{127},
                                   std::int64_t{1000}, std::int64_t{999'999'937}, INT64_MAX / 3}) {
    Histogram histogram;
    histogram.record(value, 1);
    EXPECT_NEAR(static_cast<double>(histogram.quantile_us(0.5).value()), static_cast<double>(value),
                static_cast<double>(value) * 0.19);
  }
  Histogram many;
  for (std::int64_t i = 1; i <= 1000; ++i) many.record(i, 1);
  EXPECT_NEAR(static_cast<double>(many.quantile_us(0.5).value()), 500, 95);
  EXPECT_NEAR(static_cast<double>(many.quantile_us(0.99).value()), 990, 188);
  EXPECT_NEAR(static_cast<double>(many.quantile_us(1).value()), 1000, 190);
  EXPECT_EQ(many.quantile_us(0).value(), 1);
  EXPECT_EQ(many.count(), 1000U);
  EXPECT_EQ(many.sum_us(), 500'500U);
}

TEST(Histogram, TakesAnyValue) {
  Histogram histogram;
  EXPECT_FALSE(histogram.quantile_us(0.5));
  histogram.record(-5, 1);
  EXPECT_EQ(histogram.quantile_us(0.5).value(), 0);
  histogram.record(INT64_MAX, 1, 10);
  EXPECT_GT(histogram.quantile_us(0.5).value(), INT64_MAX / 4 * 3);
}

TEST(Histogram, ForgetsWhatIsOlderThanAMinute) {
  constexpr std::int64_t kSecond = 1'000'000;
  Histogram histogram;
  histogram.record(1000, 100 * kSecond, 99);
  histogram.record(10, 131 * kSecond);
  EXPECT_GT(histogram.quantile_us(0.5).value(), 500);  // the half before counts
  histogram.record(10, 162 * kSecond);
  EXPECT_LT(histogram.quantile_us(0.99).value(), 20);
  histogram.record(1000, 170 * kSecond, 99);
  histogram.record(10, 300 * kSecond);  // both halves are old
  EXPECT_LT(histogram.quantile_us(0.99).value(), 20);
  EXPECT_EQ(histogram.count(), 201U);  // totals forget nothing
  histogram.advance(400 * kSecond);
  EXPECT_FALSE(histogram.quantile_us(0.5)) << "without new values too";
}

TEST(Metrics, SameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  Counter& counter = metrics.counter("rows_total", "Rows.", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(&counter, &metrics.counter("rows_total", "Rows.", {{"b", "2"}, {"a", "1"}}));
  EXPECT_NE(&counter, &metrics.counter("rows_total", "Rows.", {{"a", "1"}, {"b", "3"}}));
  EXPECT_DEATH(metrics.gauge("rows_total", "Rows.", {}), "internal error");
}

TEST(Metrics, AreShownAsPrometheusReadsThem) {
  Metrics metrics;
  metrics.counter("rows_total", "Rows\nread \\.", {{"topic", "a\"b\\c\nd"}}).add(3);
  metrics.gauge("queue_bytes", "Queue.", {}).set(-4);
  metrics.histogram("lag_seconds", "Lag.", {{"stage", "log"}}).record(2, 1, 2);
  EXPECT_EQ(metrics.expose(1),
            "# HELP lag_seconds Lag.\n"
            "# TYPE lag_seconds summary\n"
            "lag_seconds{stage=\"log\",quantile=\"0.5\"} 2e-06\n"
            "lag_seconds{stage=\"log\",quantile=\"0.95\"} 2e-06\n"
            "lag_seconds{stage=\"log\",quantile=\"0.99\"} 2e-06\n"
            "lag_seconds_sum{stage=\"log\"} 4e-06\n"
            "lag_seconds_count{stage=\"log\"} 2\n"
            "# HELP queue_bytes Queue.\n"
            "# TYPE queue_bytes gauge\n"
            "queue_bytes -4\n"
            "# HELP rows_total Rows\\nread \\\\.\n"
            "# TYPE rows_total counter\n"
            "rows_total{topic=\"a\\\"b\\\\c\\nd\"} 3\n");
}

TEST(Metrics, AreMadeAndUpdatedFromSeveralThreads) {
  Metrics metrics;
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) {
      metrics.counter("c", "", {{"n", std::to_string(i % 7)}}).add(1);
      metrics.histogram("h", "", {}).record(i, i * 100'000);
      if (i % 100 == 0) static_cast<void>(metrics.expose(1));
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(metrics.histogram("h", "", {}).count(), 2000U);
  EXPECT_THAT(metrics.expose(1), HasSubstr("c{n=\"0\"} 286\n"));
}

}  // namespace
}  // namespace millrace
