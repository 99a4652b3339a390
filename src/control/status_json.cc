#include "control/status_json.h"

#include <algorithm>
#include <utility>

#include "control/json_builder.h"

namespace millrace {
namespace {

constexpr std::size_t kMinSecretBytes = 6;

void add_snapshot(JsonBuilder& json, const SnapshotProgress& snapshot) {
  json.key("snapshot").begin_object();
  json.key("active").boolean(snapshot.active);
  json.key("table").text(snapshot.table);
  json.key("tables_done").unsigned_integer(snapshot.tables_done);
  json.key("tables_total").unsigned_integer(snapshot.tables_total);
  json.key("rows_done").unsigned_integer(snapshot.rows_done);
  json.key("rows_estimated").integer(snapshot.rows_estimated);
  json.end_object();
}

void add_connector(JsonBuilder& json, const ConnectorStatus& one, const Redactor& redactor) {
  json.begin_object();
  json.key("name").text(one.name);
  json.key("kind").text(one.kind);
  json.key("type").text(one.is_source ? "source" : "sink");
  json.key("state").text(state_name(one.state, one.is_source));
  json.key("message").text(redactor.clean(one.message));
  json.key("hint").text(redactor.clean(one.hint));
  json.key("position").text(one.position);
  json.key("as_of_ms").integer(one.as_of_us / 1000);
  json.key("lag_bytes").integer(one.lag_bytes);
  json.key("lag_ms").integer(one.lag_ms);
  if (one.is_source) json.key("retained_bytes").integer(one.retained_bytes);
  json.key("rows").unsigned_integer(one.rows);
  json.key("errors").unsigned_integer(one.errors);
  if (!one.is_source) json.key("dead_letters").unsigned_integer(one.dead_letters);
  if (!one.is_source) json.key("dead_letters_ever").unsigned_integer(one.dead_letters_ever);
  if (one.is_source) add_snapshot(json, one.snapshot);
  json.key("warnings").begin_array();
  for (const std::string& warning : one.warnings) json.text(redactor.clean(warning));
  json.end_array().end_object();
}

}  // namespace

Redactor::Redactor(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const std::string& one) { return one.size() < kMinSecretBytes; });
}

std::string Redactor::clean(std::string text) const {
  constexpr std::string_view kHidden = "(hidden)";
  for (const std::string& secret : secrets_) {
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + kHidden.size())) {
      text.replace(at, secret.size(), kHidden);
    }
  }
  return text;
}

std::string status_json(std::string_view pipeline, const std::vector<ConnectorStatus>& connectors,
                        const Redactor& redactor) {
  JsonBuilder json;
  json.begin_object().key("pipeline").text(pipeline).key("connectors").begin_array();
  for (const ConnectorStatus& one : connectors) add_connector(json, one, redactor);
  json.end_array().end_object();
  return json.take();
}

std::string topics_json(std::vector<TopicInfo> topics) {
  std::ranges::sort(topics, {}, &TopicInfo::topic);
  JsonBuilder json;
  json.begin_array();
  for (const TopicInfo& one : topics) {
    json.begin_object();
    json.key("topic").text(one.topic);
    json.key("first_offset").unsigned_integer(one.first_offset);
    json.key("next_offset").unsigned_integer(one.next_offset);
    json.key("bytes").unsigned_integer(one.bytes);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

std::string sinks_json(const std::vector<SinkHold>& sinks) {
  JsonBuilder json;
  json.begin_array();
  for (const SinkHold& one : sinks) {
    json.begin_object();
    json.key("sink").text(one.sink);
    json.key("position").text(one.position);
    json.key("bytes").integer(one.bytes);
    json.key("in_pipeline").boolean(one.in_pipeline);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

Health health_of(const std::vector<ConnectorStatus>& connectors, const Redactor& redactor) {
  Health health;
  JsonBuilder reasons;
  reasons.begin_array();
  for (const ConnectorStatus& one : connectors) {
    if (one.state != ConnectorState::kFailed && one.state != ConnectorState::kStuck) continue;
    health.ok = false;
    reasons.begin_object();
    reasons.key("connector").text(one.name);
    reasons.key("state").text(state_name(one.state, one.is_source));
    reasons.key("message").text(redactor.clean(one.message));
    reasons.key("hint").text(redactor.clean(one.hint));
    reasons.end_object();
  }
  reasons.end_array();
  health.json = std::string(R"({"status":)") + (health.ok ? R"("ok")" : R"("failing")") + R"(,"reasons":)" +
                reasons.take() + "}";
  return health;
}

}  // namespace millrace
