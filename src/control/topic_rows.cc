#include "control/topic_rows.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "control/start_point.h"
#include "format/change_json.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxBytes = 4U << 20U;
constexpr std::size_t kMaxRows = 10'000;
constexpr std::size_t kRowsAtOnce = 500;
constexpr std::uint64_t kMaxWaitMs = 60'000;
constexpr std::int64_t kWaitStepUs = 100'000;  // so that a stop is noticed

using Form = ChangeJsonWriter::Form;

struct Query {
  StartPoint from;
  std::size_t limit = 1000;
  Form form = Form::kPlain;
  std::int64_t wait_us = 0;
};

Result<Query> parse(const HttpRequest& request) {
  Query query;
  auto from = parse_start_point(request.query_value("from").value_or("earliest"));
  if (!from) return stop_error("from: " + from.error().message);
  query.from = *from;
  const auto limit = parse_uint64(request.query_value("limit").value_or("1000"));
  if (!limit || *limit == 0 || *limit > kMaxRows)
    return stop_error("limit: expected a number from 1 to 10000");
  query.limit = static_cast<std::size_t>(*limit);
  const std::string format = request.query_value("format").value_or("json");
  if (format != "json" && format != "debezium") return stop_error("format: expected json or debezium");
  query.form = format == "json" ? Form::kPlain : Form::kDebezium;
  const auto wait_ms = parse_uint64(request.query_value("wait_ms").value_or("0"));
  if (!wait_ms || *wait_ms > kMaxWaitMs) return stop_error("wait_ms: expected a number from 0 to 60000");
  query.wait_us = static_cast<std::int64_t>(*wait_ms) * 1000;
  return query;
}

HttpResponse failure(const Error& error) {
  return http_error(500, error.hint.empty() ? error.message : error.message + "; " + error.hint);
}

HttpResponse no_topic(const std::vector<TopicInfo>& topics, const std::string& name) {
  std::vector<std::string_view> known;
  known.reserve(topics.size());
  for (const TopicInfo& one : topics) known.push_back(one.topic);
  const std::string_view near = nearest_name(name, known);
  std::string message = "there is no topic " + name;
  if (!near.empty()) message += "; did you mean " + std::string(near) + "?";
  return http_error(404, message);
}

Result<std::uint64_t> resolve(const StartPoint& from, const TopicInfo& topic, Log& log) {
  switch (from.kind) {
    case StartPoint::Kind::kEarliest:
      return topic.first_offset;
    case StartPoint::Kind::kLatest:
      return topic.next_offset;
    case StartPoint::Kind::kTime:
      return log.offset_at(topic.topic, from.wall_us);
    case StartPoint::Kind::kOffset:
      break;
  }
  return std::max(from.offset, topic.first_offset);
}

/// Rows from `offset` on as lines; `offset` moves behind the last of them.
Status append_rows(const Query& query, const std::string& topic, Log& log, std::uint64_t& offset,
                   std::string& out) {
  ChangeJsonWriter writer(query.form);
  std::size_t rows = 0;
  while (rows < query.limit && out.size() < kMaxBytes) {
    auto found = log.read_topic(topic, offset, std::min(query.limit - rows, kRowsAtOnce), 0);
    if (!found) return std::move(found).error();
    if (found->empty()) break;
    for (const TopicRow& row : *found) {
      if (Status written = writer.append(out, *row.batch, row.row, row.offset); !written) {
        return stop_error("topic " + topic + ", offset " + std::to_string(row.offset) +
                              " cannot be shown: " + written.error().message,
                          "Go on with from=" + std::to_string(row.offset + 1) + ".");
      }
      out += '\n';
      offset = row.offset + 1;
      ++rows;
      if (out.size() >= kMaxBytes) break;
    }
  }
  return {};
}

/// Until there is a row at or after `offset`, the time is over or the server stops.
Status wait_for_row(const Query& query, const HttpRequest& request, Log& log, Clock& clock,
                    std::uint64_t offset) {
  const std::int64_t until_us = clock.now_us() + query.wait_us;
  while (!request.stop.stop_requested()) {
    const std::int64_t now_us = clock.now_us();
    if (now_us >= until_us) return {};
    auto found =
        log.read_topic(request.parameters.at("topic"), offset, 1, std::min(until_us, now_us + kWaitStepUs));
    if (!found) return std::move(found).error();
    if (!found->empty()) return {};
  }
  return {};
}

}  // namespace

HttpResponse answer_topic_rows(const HttpRequest& request, Log& log, Clock& clock, WaitPlaces& places) {
  const auto query = parse(request);
  if (!query) return http_error(400, query.error().message);
  const std::string& name = request.parameters.at("topic");
  const auto topics = log.topics();
  if (!topics) return failure(topics.error());
  const auto topic = std::ranges::find(*topics, name, &TopicInfo::topic);
  if (topic == topics->end()) return no_topic(*topics, name);
  auto offset = resolve(query->from, *topic, log);
  if (!offset) return failure(offset.error());
  HttpResponse response;
  if (query->wait_us > 0) {
    const WaitPlaces::Place place(places);
    if (!place.taken()) {
      response.headers.emplace("Retry-After", "1");
    } else if (const Status waited = wait_for_row(*query, request, log, clock, *offset); !waited) {
      return failure(waited.error());
    }
  }
  response.content_type = "application/x-ndjson";
  const std::string begin = std::to_string(*offset);
  const Status read = append_rows(*query, name, log, *offset, response.body);
  // What came before the fault is good: the client sees the fault when it asks for more.
  if (!read && response.body.empty()) return failure(read.error());
  response.headers.emplace("Millrace-Begin-Offset", begin);
  response.headers.emplace("Millrace-Next-Offset", std::to_string(*offset));
  response.headers.emplace("Millrace-End-Offset", std::to_string(topic->next_offset));
  return response;
}

}  // namespace millrace
