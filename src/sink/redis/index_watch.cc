#include "sink/redis/index_watch.h"

#include <fmt/format.h>

#include <utility>

namespace millrace::redis {

IndexWatch::IndexWatch(std::vector<IndexDefinition> indexes, std::int64_t poll_ms, TaskContext& context)
    : poll_us_(poll_ms * 1000), context_(context) {
  for (IndexDefinition& index : indexes) indexes_.push_back({std::move(index), {}, {}, 0, false});
  next_us_ = context_.clock.now_us() + poll_us_;
}

Status IndexWatch::create_missing(Client& client) {
  for (Watched& index : indexes_) {
    const std::string& name = index.definition.name;
    auto info = client.call({"FT.INFO", name});
    if (!info) return std::move(info).error();
    if (!info->is_error()) {
      const auto differences = index_differences(index.definition, *info);
      if (!differences.empty()) {
        index.difference = fmt::format("index {} is there with another definition and is left alone: {}",
                                       name, fmt::join(differences, "; "));
        context_.logger.warn("a search index differs from its definition",
                             {{"connector", context_.connector}, {"index", std::string_view(name)}});
      }
      take(index, *info);
      continue;
    }
    if (!is_unknown_index(info->text)) {
      Error error = reply_error("FT.INFO " + name, info->text);
      if (info->text.find("unknown command") != std::string::npos)
        error.hint = "indexes need the search module: use Redis Stack or Redis 8";
      return error;
    }
    auto made = client.call(create_command(index.definition));
    if (!made) return std::move(made).error();
    if (made->is_error()) {
      if (next_of_error(made->text) != Next::kReject) return reply_error("FT.CREATE " + name, made->text);
      return stop_error("Redis refused to create the index " + name + ": " + made->text.substr(0, 200),
                        "check indexes." + name + "; the command was " + create_text(index.definition));
    }
    context_.logger.info("search index created",
                         {{"connector", context_.connector}, {"index", std::string_view(name)}});
  }
  return {};
}

void IndexWatch::take(Watched& index, const Reply& info) {
  index.asked = false;
  const std::string& name = index.definition.name;
  if (info.is_error()) {
    index.failures = is_unknown_index(info.text)
                         ? "index " + name + " is gone; it is created again at the next start"
                         : "";
    return;
  }
  const IndexHealth health = index_health(info);
  context_.metrics
      .gauge("millrace_redis_index_failures", "Documents that a search index has left out since it was made",
             {{"connector", context_.connector}, {"index", name}})
      .set(health.failures);
  index.failures.clear();
  if (health.failures > 0) {
    std::string fields;
    for (const std::string& field : health.fields) fields += (fields.empty() ? "" : ", ") + field;
    index.failures = "index " + name +
                     " leaves out documents whose values do not fit: " + std::to_string(health.failures) +
                     " so far" + (fields.empty() ? "" : ", by field " + fields) + "; FT.INFO " + name +
                     " shows the last one";
    if (health.failures > index.failure_count) {
      context_.logger.warn("a search index leaves documents out", {{"connector", context_.connector},
                                                                   {"index", std::string_view(name)},
                                                                   {"failures", health.failures}});
    }
  }
  index.failure_count = health.failures;
}

void IndexWatch::ask_if_due(Client& client, Pipeline& pipeline) {
  const std::int64_t now_us = context_.clock.now_us();
  if (indexes_.empty() || now_us < next_us_) return;
  next_us_ = now_us + poll_us_;
  for (Watched& index : indexes_) {
    if (index.asked) continue;
    index.asked = true;
    const std::size_t start = client.out().size();
    append_command(client.out(), {"FT.INFO", index.definition.name});
    client.expect(1);
    Group group;
    group.kind = Group::Kind::kCommand;
    group.bytes = client.out().size() - start;
    group.on_reply = [this, &index](const Reply& reply) {
      take(index, reply);
      return Status();
    };
    pipeline.push(std::move(group));
  }
}

std::vector<std::string> IndexWatch::warnings() const {
  std::vector<std::string> out;
  for (const Watched& index : indexes_) {
    if (!index.difference.empty()) out.push_back(index.difference);
    if (!index.failures.empty()) out.push_back(index.failures);
  }
  return out;
}

}  // namespace millrace::redis
