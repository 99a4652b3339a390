#include "sink/redis/extra_finder.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::size_t kSharedAtOnce = 50;  // keys whose members are asked for in one go
constexpr std::string_view kMembersAtOnce = "500";

std::size_t hash_of(std::string_view key, std::string_view member) {
  const std::size_t of_key = std::hash<std::string_view>()(key);
  if (member.empty()) return of_key;
  return (of_key ^ (of_key >> 29U)) * 0x9e3779b97f4a7c15ULL + std::hash<std::string_view>()(member);
}

bool is_shared(const Target& target) { return traits_of(target.type).has_members || target.nest; }

}  // namespace

void ExtraFinder::begin(const ScanTable& table) {
  topic_ = table.topic;
  noted_.assign(lanes_.size(), {});
  sorted_ = false;
  lane_ = 0;
  waiting_ = false;
  node_ = 0;
  cursor_.assign(1, '0');  // not "0": g++ 12 warns of an overlap that is none
  shared_.clear();
  told_.clear();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const Target& target = lanes_[i]->target();
    if (!lanes_[i]->takes_topic(topic_) || traits_of(target.type).is_history) continue;
    const TablePlan& plan = lanes_[i]->encoder().plans().plan(topic_, table.schema);
    if (!plan.error.empty()) continue;
    EntryNames names(target, plan);
    if (names.unfit().empty()) noted_[i].names.emplace(std::move(names));
  }
}

void ExtraFinder::note(const Lane& lane, std::string_view key, std::string_view member) {
  const auto at = std::ranges::find(lanes_, &lane, [](const auto& one) { return one.get(); });
  Noted& noted = noted_[static_cast<std::size_t>(at - lanes_.begin())];
  if (!sorted_ && noted.names) noted.hashes.push_back(hash_of(key, member));
}

Result<bool> ExtraFinder::find(std::vector<ExtraEntry>& out) {
  if (!std::exchange(sorted_, true)) {
    for (Noted& noted : noted_) std::ranges::sort(noted.hashes);
  }
  while (lane_ < lanes_.size() && !noted_[lane_].names) ++lane_;
  if (lane_ == lanes_.size()) return true;
  MILLRACE_TRY(shared_.empty() ? list_keys(out) : list_members(out));
  if (shared_.empty() && cursor_ == "0") next_node();
  return false;
}

void ExtraFinder::next_node() {
  if (++node_ < servers_.size()) return;
  node_ = 0;
  waiting_ = target().nest && !waiting_;
  if (waiting_) return;
  told_.clear();
  ++lane_;
}

KeySearch ExtraFinder::search() const {
  const RowKey& keys = noted_[lane_].names->keys();
  if (waiting_) return {keys, target().waiting_prefix, "hash", target().in_cluster};
  return {keys, {}, traits_of(target().type).redis_type};
}

Status ExtraFinder::list_keys(std::vector<ExtraEntry>& out) {
  const KeySearch wanted = search();
  auto found = servers_.call(node_, {"SCAN", cursor_, "MATCH", wanted.pattern(), "COUNT", "1000", "TYPE",
                                     std::string(wanted.redis_type)});
  if (!found) return std::move(found).error();
  if (found->is_error() || found->elements.size() != 2) return reply_error("SCAN", found->text);
  cursor_ = found->elements[0].text;
  for (const Reply& one : found->elements[1].elements) {
    const std::string_view key = wanted.name_of(one.text);
    if (!wanted.keys.matches(key) || owned_.may_be_of_another(*lanes_[lane_], topic_, key)) continue;
    if (is_shared(target())) {
      shared_.push_back({std::string(key), "0"});
    } else {
      take(key, {}, out);
    }
  }
  return {};
}

Status ExtraFinder::list_members(std::vector<ExtraEntry>& out) {
  std::vector<Shared> asked;
  while (!shared_.empty() && asked.size() < kSharedAtOnce) {
    asked.push_back(std::move(shared_.front()));
    shared_.pop_front();
    servers_.put(servers_.node_of(asked.back().key), members_command(asked.back()));
  }
  const auto replies = servers_.take();
  if (!replies) return replies.error();
  for (std::size_t i = 0; i < asked.size(); ++i)
    MILLRACE_TRY(take_members(std::move(asked[i]), (*replies)[i], out));
  return {};
}

std::vector<std::string> ExtraFinder::members_command(const Shared& shared) const {
  const auto scan = [&shared](std::string_view name, const std::string& key) -> std::vector<std::string> {
    return {std::string(name), key, shared.cursor, "COUNT", std::string(kMembersAtOnce)};
  };
  if (waiting_) return scan("HSCAN", target().waiting_key(shared.key));
  if (target().nest) return {"JSON.GET", shared.key, noted_[lane_].names->box_path()};
  return scan(target().type == TargetType::kSet ? "SSCAN" : "ZSCAN", shared.key);
}

Status ExtraFinder::take_members(Shared shared, const Reply& reply, std::vector<ExtraEntry>& out) {
  if (reply.is_error()) {  // another type is there by now
    return next_of_error(reply.text) == Next::kReject ? Status() : reply_error("a key's members", reply.text);
  }
  if (target().nest && !waiting_) {
    for (EntryNames::Found& row : noted_[lane_].names->in_document(shared.key, reply.text)) {
      if (is_new(shared.key, row.member))
        take(EntryPlace{shared.key, std::move(row.member)}, std::move(row.name), out);
    }
    return {};
  }
  if (reply.elements.size() != 2) return reconnect_error("Redis answered a scan with something else");
  const std::vector<Reply>& members = reply.elements[1].elements;
  const bool alone = target().type == TargetType::kSet;  // else with a value behind each
  for (std::size_t i = 0; i < members.size(); i += alone ? 1 : 2) take(shared.key, members[i].text, out);
  shared.cursor = reply.elements[0].text;
  if (shared.cursor != "0") shared_.push_back(std::move(shared));
  return {};
}

void ExtraFinder::take(std::string_view key, std::string_view member, std::vector<ExtraEntry>& out) {
  if (!is_new(key, member)) return;
  auto name = noted_[lane_].names->of(key, member);
  if (name) take(EntryPlace{std::string(key), std::string(member)}, std::move(*name), out);
}

void ExtraFinder::take(const EntryPlace& place, RowName name, std::vector<ExtraEntry>& out) {
  const Lane& lane = *lanes_[lane_];
  ExtraEntry entry{.output = lane.name(), .place = place.shown(lane.target()), .handle = place.handle()};
  entry.name = std::move(name);
  told_.insert(hash_of(place.key, place.member));
  out.push_back(std::move(entry));
}

/// Neither a row nor an earlier answer has named it.
bool ExtraFinder::is_new(std::string_view key, std::string_view member) const {
  const std::size_t hash = hash_of(key, member);
  return !std::ranges::binary_search(noted_[lane_].hashes, hash) && !told_.contains(hash);
}

}  // namespace millrace::redis
