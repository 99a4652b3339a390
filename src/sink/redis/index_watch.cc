#include "sink/redis/index_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sink/redis/index/index_words.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kBuildingPollUs = 500'000;

}  // namespace

IndexWatch::IndexWatch(std::vector<IndexDefinition> indexes, const WatchOptions& options,
                       TaskContext& context)
    : options_(options), context_(context) {
  for (IndexDefinition& index : indexes) {
    indexes_.emplace_back();
    indexes_.back().definition = std::move(index);
  }
}

void IndexWatch::step_if_due(Client& client, Pipeline& pipeline) {
  const std::int64_t now_us = context_.clock.now_us();
  if (now_us < next_us_) return;
  std::int64_t wait_us = options_.poll_ms * 1000;
  if (std::ranges::any_of(indexes_, &Watched::building)) wait_us = std::min(wait_us, kBuildingPollUs);
  next_us_ = now_us + wait_us;
  for (const std::string& name : std::exchange(forgotten_, {})) {
    owned_.erase(name);
    send(client, pipeline, {"HDEL", owned_key(context_.connector), name},
         [](const Reply&) { return Status(); });
  }
  for (Watched& index : indexes_) {
    if (index.asked > 0) continue;
    if (index.moved) {
      drop_old(client, pipeline, index);
    } else if (index.complete) {
      move(client, pipeline, index);
    } else {
      ask(client, pipeline, index);
    }
  }
}

void IndexWatch::send(Client& client, Pipeline& pipeline, const std::vector<std::string>& words,
                      OnReply on_reply) {
  const std::size_t start = client.out().size();
  append_command(client.out(), words);
  client.expect(1);
  Group group;
  group.kind = Group::Kind::kCommand;
  group.bytes = client.out().size() - start;
  group.on_reply = std::move(on_reply);
  pipeline.push(std::move(group));
}

void IndexWatch::ask(Client& client, Pipeline& pipeline, Watched& index) {
  ++index.asked;
  send(client, pipeline, {"FT.INFO", index.definition.name}, [this, &index](const Reply& reply) {
    --index.asked;
    take(index, reply);
    return Status();
  });
  if (!index.building) return;
  ++index.asked;
  send(client, pipeline, {"FT.INFO", own_name(index.definition)}, [this, &index](const Reply& reply) {
    --index.asked;
    take_progress(index, reply);
    return Status();
  });
}

void IndexWatch::take(Watched& index, const Reply& info) {
  const std::string& name = index.definition.name;
  if (info.is_error()) {
    index.failures = is_unknown_index(info.text)
                         ? "index " + name + " is gone; it is created again at the next start"
                         : "";
    return;
  }
  if (!index.building) {
    index.plan = plan_index(index.definition, info, owned_);
    show_plan(index);
  }
  show_failures(index, index_health(info));
}

void IndexWatch::show_plan(Watched& index) {
  index.difference = plan_text(index.definition, index.plan);
  if (index.difference.empty()) return;
  index.difference = "index " + index.definition.name + " " + index.difference;
  if (const std::string hint = plan_hint(index.definition, index.plan); !hint.empty()) {
    index.difference += "; " + hint;
  }
}

void IndexWatch::take_progress(Watched& index, const Reply& info) {
  const std::string own = own_name(index.definition);
  if (info.is_error()) {
    index.building = !is_unknown_index(info.text);
    index.progress = "index " + own + ", which was being built, is gone; the next start begins it again";
    return;
  }
  const IndexHealth health = index_health(info);
  const auto behind = std::ranges::find_if(index.definition.outputs, options_.is_behind);
  const bool waits = behind != index.definition.outputs.end();
  index.complete = !health.indexing && !waits;
  context_.metrics
      .gauge("millrace_redis_index_percent",
             "How much of the documents a search index that is built has read",
             {{"connector", context_.connector}, {"index", index.definition.name}})
      .set(static_cast<std::int64_t>(health.share * 100));
  index.difference.clear();
  index.progress =
      fmt::format("index {} is built anew as {}: {:.0f}% of the keys, {} documents; queries see {}",
                  index.definition.name, own, health.share * 100, health.documents, index.plan.there);
  if (waits) index.progress += ", until `millrace rebuild` has written all rows anew";
}

/// In one transaction, so that no query comes in between.
void IndexWatch::move(Client& client, Pipeline& pipeline, Watched& index) {
  const std::string own = own_name(index.definition);
  const auto no_word = [](const Reply&) { return Status(); };
  send(client, pipeline, {"MULTI"}, no_word);
  if (index.plan.step == IndexPlan::Step::kReplace) {
    send(client, pipeline, {"FT.DROPINDEX", index.plan.there}, no_word);
  }
  send(client, pipeline, {"FT.ALIASUPDATE", index.definition.name, own}, no_word);
  for (const std::string& alias : index.definition.aliases) {
    send(client, pipeline, {"FT.ALIASUPDATE", alias, own}, no_word);
  }
  ++index.asked;
  send(client, pipeline, {"EXEC"}, [this, &index](const Reply& reply) {
    --index.asked;
    return take_move(index, reply);
  });
}

Status IndexWatch::take_move(Watched& index, const Reply& reply) {
  const std::string& name = index.definition.name;
  const auto first = static_cast<std::size_t>(index.plan.step == IndexPlan::Step::kReplace);
  std::string error = reply.is_error() ? reply.text : "";
  for (std::size_t i = first; i < reply.elements.size(); ++i) {
    if (reply.elements[i].is_error()) error = reply.elements[i].text;
  }
  index.trouble.clear();
  if (!error.empty()) {
    index.complete = false;  // asked again first: it may be gone
    index.trouble = "index " + name + " is built, but its alias cannot be moved: " + error.substr(0, 200);
    return {};
  }
  index.moved = true;
  index.progress.clear();
  next_us_ = 0;
  context_.logger.info("search index has been built anew",
                       {{"connector", context_.connector}, {"index", std::string_view(name)}});
  return context_.failpoints.pass("redis.index_moved");
}

void IndexWatch::drop_old(Client& client, Pipeline& pipeline, Watched& index) {
  const std::string& old = index.plan.there;
  if (!owned_.contains(old) || old == own_name(index.definition)) {
    static_cast<void>(take_drop(index, {}));
    return;
  }
  ++index.asked;
  send(client, pipeline, {"FT.DROPINDEX", old}, [this, &index](const Reply& reply) {
    --index.asked;
    return take_drop(index, reply);
  });
}

Status IndexWatch::take_drop(Watched& index, const Reply& reply) {
  index.trouble.clear();
  if (reply.is_error() && !is_unknown_index(reply.text)) {
    index.trouble =
        "index " + index.plan.there + " is replaced but cannot be dropped: " + reply.text.substr(0, 200);
    return {};
  }
  if (owned_.contains(index.plan.there)) forgotten_.push_back(index.plan.there);
  index.building = index.complete = index.moved = false;
  index.difference.clear();
  next_us_ = 0;
  return context_.failpoints.pass("redis.index_dropped");
}

void IndexWatch::show_failures(Watched& index, const IndexHealth& health) {
  const std::string& name = index.definition.name;
  context_.metrics
      .gauge("millrace_redis_index_failures", "Documents that a search index has left out since it was made",
             {{"connector", context_.connector}, {"index", name}})
      .set(health.failures);
  std::string fields;
  for (const FieldFailures& one : health.fields) {
    context_.metrics
        .gauge("millrace_redis_index_field_failures",
               "Documents that a field of a search index has left out since it was made",
               {{"connector", context_.connector}, {"index", name}, {"field", one.field}})
        .set(one.count);
    if (!fields.empty()) fields += "; ";
    fields +=
        fmt::format("{} by {}, last {}: {}", one.count,
                    one.field.empty() ? "no field in particular" : "field " + one.field, one.key, one.error);
  }
  index.failures.clear();
  if (health.failures > 0) {
    index.failures = fmt::format("index {} leaves out documents whose values do not fit: {} so far{}", name,
                                 health.failures, fields.empty() ? "" : " (" + fields + ")");
  }
  if (health.failures > index.failure_count) {
    std::string names;
    for (const FieldFailures& one : health.fields) {
      if (!one.field.empty()) names += (names.empty() ? "" : ",") + one.field;
    }
    context_.logger.warn("a search index leaves documents out", {{"connector", context_.connector},
                                                                 {"index", std::string_view(name)},
                                                                 {"fields", std::string_view(names)},
                                                                 {"failures", health.failures}});
  }
  index.failure_count = health.failures;
}

std::vector<std::string> IndexWatch::warnings() const {
  std::vector<std::string> out = removed_;
  for (const Watched& index : indexes_) {
    for (const std::string* text : {&index.difference, &index.progress, &index.trouble, &index.failures}) {
      if (!text->empty()) out.push_back(*text);
    }
  }
  return out;
}

}  // namespace millrace::redis
