#include "base/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace millrace {
namespace {

constexpr std::int64_t kHalfUs = 30'000'000;

/// Four buckets to a power of two: the two bits below the leading one choose among them.
std::size_t bucket_of(std::uint64_t value) {
  if (value < 4) return static_cast<std::size_t>(value);
  const auto power = static_cast<std::size_t>(std::bit_width(value)) - 1;
  return power * 4 - 4 + static_cast<std::size_t>((value >> (power - 2)) & 3U);
}

/// The middle of a bucket's range.
std::int64_t middle_of(std::size_t bucket) {
  if (bucket < 4) return static_cast<std::int64_t>(bucket);
  const std::size_t power = (bucket + 4) / 4;
  const std::uint64_t low = (4U + (bucket % 4)) * (std::uint64_t{1} << (power - 2));
  return static_cast<std::int64_t>(low + (std::uint64_t{1} << (power - 2)) / 2);
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string label_text(const MetricLabels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name + "=\"" + escaped(value, true) + "\"";
  }
  return out;
}

std::string seconds_text(std::uint64_t us) {
  std::string fraction = std::to_string(us % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  return std::to_string(us / 1'000'000) + "." + fraction;
}

enum Kind : int { kCounter, kGauge, kHistogram };

}  // namespace

void Histogram::turn(std::int64_t now_us) {
  std::int64_t turned = turned_us_.load(std::memory_order_relaxed);
  if (now_us - turned < kHalfUs || !turned_us_.compare_exchange_strong(turned, now_us)) return;
  const int next = 1 - current_.load(std::memory_order_relaxed);
  for (auto& bucket : halves_[static_cast<std::size_t>(next)]) bucket.store(0, std::memory_order_relaxed);
  current_.store(next, std::memory_order_relaxed);
}

void Histogram::record(std::int64_t value_us, std::int64_t now_us, std::uint64_t count) {
  turn(now_us);
  const std::uint64_t value = value_us < 0 ? 0 : static_cast<std::uint64_t>(value_us);
  const std::size_t bucket = std::min(bucket_of(value), kBuckets - 1);
  halves_[static_cast<std::size_t>(current_.load(std::memory_order_relaxed))][bucket].fetch_add(
      count, std::memory_order_relaxed);
  total_count_.fetch_add(count, std::memory_order_relaxed);
  total_sum_us_.fetch_add(value * count, std::memory_order_relaxed);
}

std::int64_t Histogram::quantile_us(double q) const {
  std::array<std::uint64_t, kBuckets> counts{};
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    counts[i] = halves_[0][i].load(std::memory_order_relaxed) + halves_[1][i].load(std::memory_order_relaxed);
    total += counts[i];
  }
  if (total == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return middle_of(i);
  }
  return middle_of(kBuckets - 1);
}

struct Metrics::Family {
  std::string help;
  int kind = kCounter;
  std::map<std::string, std::unique_ptr<Counter>> counters;
  std::map<std::string, std::unique_ptr<Gauge>> gauges;
  std::map<std::string, std::unique_ptr<Histogram>> histograms;

  Counter& at(const std::string& labels, Counter* /*type*/) { return made(counters[labels]); }
  Gauge& at(const std::string& labels, Gauge* /*type*/) { return made(gauges[labels]); }
  Histogram& at(const std::string& labels, Histogram* /*type*/) { return made(histograms[labels]); }

 private:
  template <typename T>
  static T& made(std::unique_ptr<T>& slot) {
    if (!slot) slot = std::make_unique<T>();
    return *slot;
  }
};

template <typename T>
T& Metrics::get(std::string_view name, std::string_view help, const MetricLabels& labels, int kind) {
  const std::lock_guard lock(mutex_);
  auto found = families_.find(name);
  if (found == families_.end()) {
    auto family = std::make_shared<Family>();
    family->help = help;
    family->kind = kind;
    found = families_.emplace(std::string(name), std::move(family)).first;
  }
  MILLRACE_CHECK(found->second->kind == kind);
  return found->second->at(label_text(labels), static_cast<T*>(nullptr));
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Counter>(name, help, labels, kCounter);
}
Gauge& Metrics::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Gauge>(name, help, labels, kGauge);
}
Histogram& Metrics::histogram(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Histogram>(name, help, labels, kHistogram);
}

std::string Metrics::expose() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto braces = [](const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; };
  for (const auto& [name, family] : families_) {
    constexpr std::array<const char*, 3> kTypes = {"counter", "gauge", "summary"};
    out += "# HELP " + name + " " + escaped(family->help, false) + "\n";
    out += "# TYPE " + name + " " + kTypes.at(static_cast<std::size_t>(family->kind)) + "\n";
    for (const auto& [labels, metric] : family->counters) {
      out += name + braces(labels) + " " + std::to_string(metric->value()) + "\n";
    }
    for (const auto& [labels, metric] : family->gauges) {
      out += name + braces(labels) + " " + std::to_string(metric->value()) + "\n";
    }
    for (const auto& [labels, metric] : family->histograms) {
      for (const auto& [q, text] : {std::pair{0.5, "0.5"}, {0.95, "0.95"}, {0.99, "0.99"}}) {
        const std::string with = labels + (labels.empty() ? "" : ",") + "quantile=\"" + text + "\"";
        out += name + "{" + with + "} " + seconds_text(static_cast<std::uint64_t>(metric->quantile_us(q))) + "\n";
      }
      out += name + "_sum" + braces(labels) + " " + seconds_text(metric->sum_us()) + "\n";
      out += name + "_count" + braces(labels) + " " + std::to_string(metric->count()) + "\n";
    }
  }
  return out;
}

}  // namespace millrace
