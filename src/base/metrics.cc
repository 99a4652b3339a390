#include "base/metrics.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "base/check.h"

namespace millrace {
namespace {

constexpr std::int64_t kHalfUs = 30'000'000;

/// 0..3 have a bucket each; from 4 on, the power of two and the two bits below the leading one.
std::size_t bucket_of(std::uint64_t value) {
  if (value < 4) return static_cast<std::size_t>(value);
  const auto power = static_cast<unsigned>(std::bit_width(value)) - 1U;
  return (power - 1U) * 4U + static_cast<std::size_t>((value >> (power - 2U)) & 3U);
}

/// The middle of a bucket.
std::int64_t value_of(std::size_t bucket) {
  if (bucket < 4) return static_cast<std::int64_t>(bucket);
  const std::size_t power = bucket / 4 + 1;
  const std::uint64_t width = std::uint64_t{1} << (power - 2);
  const std::uint64_t lower = (4 + bucket % 4) * width;
  return static_cast<std::int64_t>(lower + width / 2);
}

enum Kind : int { kCounter, kGauge, kSummary };

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out.push_back(c);
    }
  }
}

/// `a="1",b="2"`, by name, so that the same labels in another order are the same metric.
std::string label_text(MetricLabels labels) {
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out.push_back(',');
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out.push_back('"');
  }
  return out;
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const std::string& labels, std::string_view more_labels, const std::string& value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !more_labels.empty()) {
    out.push_back('{');
    out += labels;
    if (!labels.empty() && !more_labels.empty()) out.push_back(',');
    out += more_labels;
    out.push_back('}');
  }
  out.push_back(' ');
  out += value;
  out.push_back('\n');
}

std::string seconds(std::uint64_t value_us) {
  std::array<char, 40> text{};
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), static_cast<double>(value_us) / 1e6);
  return error == std::errc{} ? std::string(text.data(), end) : "0";
}

}  // namespace

void Histogram::advance(std::int64_t now_us) {
  std::int64_t turned_us = turned_us_.load(std::memory_order_relaxed);
  const std::int64_t passed_us = now_us - turned_us;
  if (passed_us < kHalfUs) return;
  // One thread turns; what another records meanwhile may be lost from the window, never from the totals.
  if (!turned_us_.compare_exchange_strong(turned_us, now_us, std::memory_order_relaxed)) return;
  const int next = 1 - current_.load(std::memory_order_relaxed);
  for (auto& bucket : halves_[static_cast<std::size_t>(next)]) bucket.store(0, std::memory_order_relaxed);
  if (passed_us >= 2 * kHalfUs) {
    for (auto& bucket : halves_[static_cast<std::size_t>(1 - next)])
      bucket.store(0, std::memory_order_relaxed);
  }
  current_.store(next, std::memory_order_relaxed);
}

void Histogram::record(std::int64_t value_us, std::int64_t now_us, std::uint64_t count) {
  advance(now_us);
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(value_us, 0));
  const auto half = static_cast<std::size_t>(current_.load(std::memory_order_relaxed));
  halves_[half][bucket_of(value)].fetch_add(count, std::memory_order_relaxed);
  total_count_.fetch_add(count, std::memory_order_relaxed);
  total_sum_us_.fetch_add(value * count, std::memory_order_relaxed);
}

std::optional<std::int64_t> Histogram::quantile_us(double q) const {
  std::array<std::uint64_t, kBuckets> counts{};
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    counts[i] = halves_[0][i].load(std::memory_order_relaxed) + halves_[1][i].load(std::memory_order_relaxed);
    all += counts[i];
  }
  if (all == 0) return std::nullopt;
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(all));
  const std::uint64_t wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(rank), 1, all);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts[i];
    if (seen >= wanted) return value_of(i);
  }
  return std::nullopt;
}

struct Metrics::Family {
  int kind = kCounter;
  std::string help;
  std::map<std::string, std::unique_ptr<Counter>> counters;
  std::map<std::string, std::unique_ptr<Gauge>> gauges;
  std::map<std::string, std::unique_ptr<Histogram>> histograms;
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

template <typename T>
T& Metrics::get(std::string_view name, std::string_view help, const MetricLabels& labels, int kind) {
  const std::lock_guard lock(mutex_);
  auto found = families_.find(name);
  if (found == families_.end()) {
    auto family = std::make_unique<Family>();
    family->kind = kind;
    family->help = help;
    found = families_.emplace(std::string(name), std::move(family)).first;
  }
  Family& family = *found->second;
  MILLRACE_CHECK(family.kind == kind);
  const auto member = [](auto& members, std::string key) -> T& {
    auto& slot = members[std::move(key)];
    if (slot == nullptr) slot = std::make_unique<T>();
    return *slot;
  };
  if constexpr (std::is_same_v<T, Counter>) {
    return member(family.counters, label_text(labels));
  } else if constexpr (std::is_same_v<T, Gauge>) {
    return member(family.gauges, label_text(labels));
  } else {
    return member(family.histograms, label_text(labels));
  }
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Counter>(name, help, labels, kCounter);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Gauge>(name, help, labels, kGauge);
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const MetricLabels& labels) {
  return get<Histogram>(name, help, labels, kSummary);
}

std::string Metrics::expose(std::int64_t now_us) const {
  constexpr std::array kTypes = {"counter", "gauge", "summary"};
  constexpr std::array<std::pair<double, const char*>, 3> kQuantiles = {
      {{0.5, "quantile=\"0.5\""}, {0.95, "quantile=\"0.95\""}, {0.99, "quantile=\"0.99\""}}};
  std::string out;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + " ";
    append_escaped(out, family->help, false);
    out += "\n# TYPE " + name + " " + kTypes[static_cast<std::size_t>(family->kind)] + "\n";
    for (const auto& [labels, counter] : family->counters) {
      append_sample(out, name, "", labels, "", std::to_string(counter->value()));
    }
    for (const auto& [labels, gauge] : family->gauges) {
      append_sample(out, name, "", labels, "", std::to_string(gauge->value()));
    }
    for (const auto& [labels, histogram] : family->histograms) {
      histogram->advance(now_us);
      for (const auto& [q, text] : kQuantiles) {
        const std::optional<std::int64_t> value = histogram->quantile_us(q);
        append_sample(out, name, "", labels, text,
                      value ? seconds(static_cast<std::uint64_t>(*value)) : std::string("NaN"));
      }
      append_sample(out, name, "_sum", labels, "", seconds(histogram->sum_us()));
      append_sample(out, name, "_count", labels, "", std::to_string(histogram->count()));
    }
  }
  return out;
}

}  // namespace millrace
