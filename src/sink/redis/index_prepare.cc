// The part of IndexWatch that works before rows flow.
#include <fmt/format.h>

#include <utility>

#include "sink/redis/index/index_words.h"
#include "sink/redis/index_watch.h"

namespace millrace::redis {
namespace {

Error refused(const std::vector<std::string>& words, const Reply& reply) {
  Error error = reply_error(words[0] + " " + words[1], reply.text);
  if (reply.text.find("unknown command") != std::string::npos) {
    error.hint = "indexes need the search module: use Redis Stack or Redis 8";
  }
  return error;
}

}  // namespace

Status IndexWatch::prepare(Client& client) {
  auto owned = client.call({"HGETALL", owned_key(context_.connector)});
  if (!owned) return std::move(owned).error();
  if (owned->is_error() && !indexes_.empty()) return reply_error("HGETALL", owned->text);
  owned_ = read_owned(*owned);
  MILLRACE_TRY(drop_removed(client));
  for (Watched& index : indexes_) MILLRACE_TRY(begin(client, index));
  next_us_ = context_.clock.now_us() + options_.poll_ms * 1000;
  return {};
}

Status IndexWatch::drop_removed(Client& client) {
  std::vector<IndexDefinition> wanted;
  wanted.reserve(indexes_.size());
  for (const Watched& index : indexes_) wanted.push_back(index.definition);
  removed_.clear();
  for (const std::string& name : removed_indexes(wanted, owned_)) {
    const auto info = client.call({"FT.INFO", name});
    if (!info) return info.error();
    if (options_.drop_removed || (info->is_error() && is_unknown_index(info->text))) {
      MILLRACE_TRY(drop(client, name));
    } else {
      removed_.push_back(
          fmt::format("index {0} is no longer in the file and stays; FT.DROPINDEX {0} drops it and keeps the "
                      "documents, redis.index.drop.removed: true at the next start",
                      name));
    }
  }
  return {};
}

Status IndexWatch::begin(Client& client, Watched& index) {
  const IndexDefinition& definition = index.definition;
  const auto info = client.call({"FT.INFO", definition.name});
  if (!info) return info.error();
  if (info->is_error() && !is_unknown_index(info->text)) return refused({"FT.INFO", definition.name}, *info);
  index.plan = plan_index(definition, *info, owned_);
  const IndexPlan::Step step = index.plan.step;
  for (const std::string& name : index.plan.leftovers) MILLRACE_TRY(drop(client, name));
  const std::string text = plan_text(definition, index.plan);
  if (step != IndexPlan::Step::kNothing) {
    context_.logger.info("a search index is not as defined", {{"connector", context_.connector},
                                                              {"index", std::string_view(definition.name)},
                                                              {"plan", std::string_view(text)}});
  }
  if (step == IndexPlan::Step::kCreate) {
    MILLRACE_TRY(make(client, definition));
    MILLRACE_TRY(point(client, definition, definition.name));
    context_.logger.info("search index created",
                         {{"connector", context_.connector}, {"index", std::string_view(definition.name)}});
  }
  if (step == IndexPlan::Step::kCreate || step == IndexPlan::Step::kNothing) {
    for (const std::string& alias : definition.aliases) MILLRACE_TRY(point(client, definition, alias));
    if (step == IndexPlan::Step::kNothing) take(index, *info);
    return {};
  }
  if (step != IndexPlan::Step::kLeave) {
    MILLRACE_TRY(make(client, definition));
    index.building = true;
  }
  show_plan(index);
  show_failures(index, index_health(*info));
  return {};
}

/// The note comes first: an index without one would not be ours after a crash in between.
Status IndexWatch::make(Client& client, const IndexDefinition& definition) {
  const std::string own = own_name(definition);
  const bool noted = owned_.contains(own);
  if (!noted) {
    MILLRACE_TRY(command(client, {"HSET", owned_key(context_.connector), own, definition.name}));
    owned_[own] = definition.name;
  }
  MILLRACE_TRY(context_.failpoints.pass("redis.index_noted"));
  const auto made = client.call(create_command(definition));
  if (!made) return made.error();
  if (made->is_error() && in_capitals(made->text).find("ALREADY EXISTS") != std::string::npos) {
    if (noted) return {};
    owned_.erase(own);  // another sink's, of the same definition
    return command(client, {"HDEL", owned_key(context_.connector), own});
  }
  if (made->is_error()) {
    if (next_of_error(made->text) != Next::kReject) return reply_error("FT.CREATE " + own, made->text);
    return stop_error(
        "Redis refused to create the index " + definition.name + ": " + made->text.substr(0, 200),
        "check indexes." + definition.name + "; the command was " + create_text(definition));
  }
  return context_.failpoints.pass("redis.index_created");
}

/// Lets `alias` mean the index that has the definition's name, unless it is that of somebody else's index.
Status IndexWatch::point(Client& client, const IndexDefinition& definition, const std::string& alias) {
  std::string target = own_name(definition);
  const auto there = client.call({"FT.INFO", alias});
  if (!there) return there.error();
  const std::string now = name_in(*there);
  if (alias != definition.name) {
    const auto main = client.call({"FT.INFO", definition.name});
    if (!main) return main.error();
    target = name_in(*main);
  }
  if (now == target) return {};
  if (!now.empty() && !owned_.contains(now)) {
    removed_.push_back("alias " + alias + " of index " + definition.name + " is " + now +
                       ", which this sink has not made: it stays there");
    return {};
  }
  return command(client, {"FT.ALIASUPDATE", alias, target});
}

Status IndexWatch::drop(Client& client, const std::string& name) {
  MILLRACE_TRY(command(client, {"FT.DROPINDEX", name}));
  owned_.erase(name);
  context_.logger.info("search index dropped",
                       {{"connector", context_.connector}, {"index", std::string_view(name)}});
  return command(client, {"HDEL", owned_key(context_.connector), name});
}

Status IndexWatch::command(Client& client, const std::vector<std::string>& words) {
  const auto reply = client.call(words);
  if (!reply) return reply.error();
  if (!reply->is_error()) return {};
  const bool gone = words.front() == "FT.DROPINDEX" && is_unknown_index(reply->text);
  return gone ? Status() : Status(refused(words, *reply));
}

}  // namespace millrace::redis
