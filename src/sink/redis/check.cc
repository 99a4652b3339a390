#include "sink/redis/check.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <stop_token>
#include <utility>

#include "base/text.h"
#include "format/time_text.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/index/index_plan.h"
#include "sink/redis/lane.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/position_store.h"
#include "sink/redis/rights.h"
#include "sink/redis/settings.h"

namespace millrace::redis {
namespace {

using Level = Finding::Level;

constexpr std::int64_t kMinimumMajor = 6;  // SCAN with TYPE, users
constexpr int kScanRounds = 20;
constexpr std::int64_t kBudgetUs = 10'000'000;

/// The questions asked of one server, and what was found so far.
class Checker {
 public:
  Checker(const Settings& settings, Servers& servers, std::size_t node, Clock& clock)
      : settings_(settings),
        servers_(servers),
        node_(node),
        clock_(clock),
        until_us_(clock.now_us() + kBudgetUs),
        needed_(needed_commands(settings)) {}

  std::vector<Finding> run() {
    version();
    modules();
    rights();
    position();
    std::set<std::pair<std::string, std::string_view>> seen;
    for (const Output& output : settings_.outputs) {
      const std::string prefix = common_prefix(output, settings_.topics);
      const std::string_view type = traits_of(output.target.type).redis_type;
      if (prefix.empty() || !seen.emplace(prefix, type).second) continue;
      if (prefix == output.target.key_template.form("a.b.c")) {
        one_key(prefix, type);
      } else {
        other_types(prefix, type);
      }
    }
    outputs();
    if (!servers_.is_cluster()) indexes();  // there are none
    eviction();
    persistence();
    return std::move(findings_);
  }

 private:
  void add(Level level, std::string subject, std::string message, std::string fix = {}) {
    if (servers_.is_cluster()) subject += " at " + servers_.name(node_);
    findings_.push_back({level, std::move(subject), std::move(message), std::move(fix)});
  }

  /// The reply, which may be an error, or nothing when the server is gone or the time is over. The one way to
  /// the client: after a call that failed there must be no other.
  std::optional<Reply> call(const std::vector<std::string>& command) { return call_at(node_, command); }

  std::optional<Reply> call_at(std::size_t node, const std::vector<std::string>& command) {
    if (gone_ || clock_.now_us() > until_us_) return std::nullopt;
    auto reply = servers_.call(node, command);
    if (!reply) {
      gone_ = true;
      findings_.push_back(finding_of("connection", reply.error()));
      return std::nullopt;
    }
    if (reply->text.rfind("NOPERM", 0) == 0 && reply->is_error()) not_allowed(command.front());
    return std::move(*reply);
  }

  /// A right that lacks: the sink's, or only one for a look.
  void not_allowed(const std::string& command) {
    if (command == "ACL" || std::ranges::find(told_, command) != told_.end()) return;
    told_.push_back(command);
    const auto same = [&command](const NeededCommand& one) { return one.command.front() == command; };
    const auto needed = std::ranges::find_if(needed_, same);
    if (needed == needed_.end()) {
      add(Level::kWarning, command, "the user may not use it, so it was not looked at");
    } else {
      right_lacks(needed->right);
    }
  }

  void right_lacks(const std::string& right) {
    if (std::ranges::find(lacking_, right) != lacking_.end()) return;
    lacking_.push_back(right);
    const std::string user = user_of(settings_);
    add(Level::kError, "right " + right, "user " + user + " has it not, and the sink will need it",
        "ACL SETUSER " + user + " +" + right);
  }

  /// What the sink will do, asked of the server before it is done.
  void rights() {
    const std::string user = user_of(settings_);
    for (const NeededCommand& one : needed_) {
      std::vector<std::string> words = {"ACL", "DRYRUN", user};
      words.insert(words.end(), one.command.begin(), one.command.end());
      const auto reply = call(words);
      if (!reply) return;
      const bool cannot_ask = reply->is_error() && (reply->text.starts_with("NOPERM") ||
                                                    reply->text.find("subcommand") != std::string::npos);
      if (cannot_ask) {
        return add(Level::kWarning, "rights", "were not looked at: user " + user + " may not ask for them",
                   "ACL SETUSER " + user + " +acl|dryrun");
      }
      const DryRun said = read_dry_run(reply->text, reply->is_error());
      if (said == DryRun::kMayNotRun) right_lacks(one.right);
      if (said == DryRun::kMayNotUseKey && one.command.size() > 1) key_lacks(one.command);
    }
    if (lacking_.empty()) add(Level::kOk, "rights", "all that the sink needs");
  }

  void key_lacks(const std::vector<std::string>& command) {
    const std::string& key = command[command.front() == "XINFO" ? 2 : 1];
    if (std::ranges::find(lacking_, "~" + key) != lacking_.end()) return;
    lacking_.push_back("~" + key);
    const std::string user = user_of(settings_);
    add(Level::kError, "keys " + key + "*", "user " + user + " may not use them",
        "ACL SETUSER " + user + " ~" + key + "*");
  }

  /// The same without errors.
  std::optional<Reply> ask(const std::vector<std::string>& command) {
    auto reply = call(command);
    if (reply && reply->is_error()) reply.reset();
    return reply;
  }

  std::map<std::string, std::string> info(const std::string& section) {
    std::map<std::string, std::string> out;
    const auto reply = ask({"INFO", section});
    if (!reply) return out;
    std::string_view rest = reply->text;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find("\r\n"));
      rest.remove_prefix(std::min(rest.size(), line.size() + 2));
      const std::size_t colon = line.find(':');
      if (colon != std::string_view::npos) out[std::string(line.substr(0, colon))] = line.substr(colon + 1);
    }
    return out;
  }

  void version() {
    auto server = info("server");
    const std::string version = server["redis_version"];
    if (version.empty()) return;
    const auto major = parse_int64(version.substr(0, version.find('.')));
    if (major && *major < kMinimumMajor) {
      add(Level::kError, "server version", "Redis " + version + " is too old",
          "use Redis Stack 7 or Redis 8");
    } else {
      add(Level::kOk, "server version", "Redis " + version);
    }
    if (server["redis_mode"] == "cluster" && !servers_.is_cluster()) {
      add(Level::kError, "server mode", "it is a node of a cluster",
          "name the cluster's nodes in redis.cluster.nodes");
    }
    auto replication = info("replication");
    if (replication["role"] == "slave") {
      add(Level::kError, "server role", "it is a replica, which takes no writes",
          "point redis.uri at the primary");
    }
  }

  void module(const std::string& name, const std::string& command, const std::string& missing,
              const std::string& fix) {
    const auto reply = ask({"COMMAND", "INFO", command});
    if (!reply || !reply->is_array() || reply->elements.empty()) return;  // not known either way
    if (reply->elements.front().elements.empty()) {
      add(Level::kError, name, missing, fix);
    } else {
      add(Level::kOk, name, "there");
    }
  }

  void modules() {
    const auto is_json = [](const Output& output) { return output.target.type == TargetType::kJson; };
    if (std::ranges::any_of(settings_.outputs, is_json)) {
      module("JSON module", "JSON.SET", "missing, and target.type is json",
             "use Redis Stack or Redis 8, or target.type: hash");
    }
    const auto ends_fields = [](const Output& output) { return !output.target.field_expiries.empty(); };
    if (std::ranges::any_of(settings_.outputs, ends_fields)) {
      module("expiry of fields", "HPEXPIREAT", "missing, and target.expire.fields needs it",
             "use Redis 7.4 or later, or leave target.expire.fields out");
    }
    if (settings_.indexes.empty()) return;
    module("search module", "FT.CREATE", "missing, and there are indexes to make",
           "use Redis Stack or Redis 8");
  }

  void position() {
    const std::string key = PositionStore(servers_, settings_.connector, {}).key(node_);
    const auto type = ask({"TYPE", key});
    if (!type) return;
    if (type->text == "none" || type->text == "hash") {
      add(Level::kOk, "position",
          type->text == "none" ? "none yet: every row will be written" : "there, under " + key);
    } else {
      add(Level::kError, "position", "the key " + key + " is of type " + type->text, "UNLINK " + key);
    }
  }

  /// All rows go to it.
  void one_key(const std::string& key, std::string_view wanted) {
    const auto type = ask({"TYPE", key});
    if (!type) return;
    if (type->text == wanted || type->text == "none") {
      return add(Level::kOk, "key " + key, type->text == "none" ? "not there yet" : "there");
    }
    add(Level::kWarning, "key " + key, "is of type " + type->text + ": rows that need it will be parked",
        "remove it, or choose another target.key");
  }

  void other_types(const std::string& prefix, std::string_view wanted) {
    std::map<std::string, int> others;
    int seen = 0;
    std::string cursor = "0";
    for (int round = 0; round < kScanRounds; ++round) {
      const auto found = ask({"SCAN", cursor, "MATCH", glob_escaped(prefix) + "*", "COUNT", "500"});
      if (!found || found->elements.size() != 2) return;
      for (const Reply& key : found->elements[1].elements) {
        if (++seen > 500) break;
        const auto type = ask({"TYPE", key.text});
        if (type && type->text != wanted && type->text != "none") ++others[type->text];
      }
      cursor = found->elements[0].text;
      if (cursor == "0" || seen > 500) break;
    }
    if (others.empty()) {
      add(Level::kOk, "keys " + prefix + "*",
          "none of another type among " + std::to_string(seen) + " looked at");
      return;
    }
    for (const auto& [type, count] : others) {
      add(Level::kWarning, "keys " + prefix + "*",
          std::to_string(count) + " of " + std::to_string(seen) + " looked at are of type " + type +
              ": rows that need such a key will be parked",
          "remove them, or choose another target.key");
    }
  }

  /// What will be noted when the sink begins.
  void outputs() {
    const std::string key = notes_key(settings_.connector);
    if (servers_.node_of(key) != node_) return;
    const auto notes = ask({"HGETALL", key});
    PositionStore store(servers_, settings_.connector, {});
    bool fresh = true;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      const auto there = call_at(i, {"EXISTS", store.key(i)});
      fresh = fresh && there && there->as_integer() == 0;
    }
    if (!notes || gone_) return;
    std::string now;
    append_timestamp(now, clock_.wall_us(), "Z", 0);
    const OutputNotes next = next_notes(read_notes(*notes), settings_.outputs, fresh, now);
    for (const std::string& sentence : note_sentences(next, settings_.connector))
      add(Level::kWarning, "outputs", sentence);
  }

  OwnedIndexes owned() {
    const auto reply = ask({"HGETALL", owned_key(settings_.connector)});
    return reply ? read_owned(*reply) : OwnedIndexes();
  }

  void indexes() {
    const OwnedIndexes ours = owned();
    for (const IndexDefinition& index : settings_.indexes) index_there(index, ours);
    for (const std::string& name : removed_indexes(settings_.indexes, ours)) {
      if (!ask({"FT.INFO", name})) continue;
      if (settings_.drop_removed_indexes) {
        add(Level::kOk, "index " + name, "no longer in the file, will be dropped; the documents stay");
      } else {
        add(Level::kWarning, "index " + name, "no longer in the file, and stays",
            "FT.DROPINDEX " + name + " keeps the documents; or redis.index.drop.removed: true");
      }
    }
  }

  void index_there(const IndexDefinition& index, const OwnedIndexes& ours) {
    const std::string subject = "index " + index.name;
    const auto info = call({"FT.INFO", index.name});
    if (!info || (info->is_error() && !is_unknown_index(info->text))) return;
    const IndexPlan plan = plan_index(index, *info, ours);
    if (plan.step == IndexPlan::Step::kNothing) return add(Level::kOk, subject, "there, as defined");
    const Level level = plan.step == IndexPlan::Step::kLeave ? Level::kWarning : Level::kOk;
    add(level, subject, plan_text(index, plan), plan_hint(index, plan));
  }

  std::string config(const std::string& name) {
    const auto reply = ask({"CONFIG", "GET", name});
    return reply && reply->elements.size() == 2 ? reply->elements[1].text : std::string();
  }

  void eviction() {
    auto memory = info("memory");
    const std::string policy = memory["maxmemory_policy"];
    if (policy.empty()) return;
    const bool limited = !memory["maxmemory"].empty() && memory["maxmemory"] != "0";
    const auto used = parse_uint64(memory["used_memory"]);
    const auto most = parse_uint64(memory["maxmemory"]);
    if (limited && used && most && *used >= *most && policy == "noeviction") {
      return add(Level::kWarning, "memory",
                 human_bytes(*used) + " are used, and maxmemory is " + human_bytes(*most) +
                     ": nothing can be written until there is room",
                 "CONFIG SET maxmemory to more, or remove keys");
    }
    if (policy == "noeviction") {
      add(Level::kOk, "eviction",
          limited ? "off: when memory is full, writes wait" : "off, and memory has no limit");
    } else if (limited) {
      add(Level::kWarning, "eviction",
          "maxmemory-policy " + policy + " removes documents when memory is full, unnoticed",
          "CONFIG SET maxmemory-policy noeviction");
    } else {
      add(Level::kOk, "eviction", policy + ", without a limit of memory it does nothing");
    }
  }

  void persistence() {
    const std::string append_only = config("appendonly");
    const std::string save = config("save");
    if (append_only.empty()) return;
    if (append_only == "yes" || !save.empty()) {
      add(Level::kOk, "persistence", append_only == "yes" ? "append-only file" : "snapshots");
    } else {
      add(Level::kWarning, "persistence",
          "off: after a restart of Redis everything is written again from the log",
          "CONFIG SET appendonly yes");
    }
  }

  const Settings& settings_;
  Servers& servers_;
  std::size_t node_;
  Clock& clock_;
  std::int64_t until_us_;
  bool gone_ = false;
  std::vector<NeededCommand> needed_;
  std::vector<std::string> lacking_;  ///< rights that were told
  std::vector<std::string> told_;     ///< commands likewise
  std::vector<Finding> findings_;
};

/// Where it is connected to; of a cluster each node with its slots, which are all there are.
std::vector<Finding> connected(const Servers& servers) {
  if (!servers.is_cluster()) return {{Level::kOk, "connection", "Redis at " + servers.name(0), {}}};
  std::vector<Finding> out = {{Level::kOk,
                               "connection",
                               "a Redis Cluster, all slots served by " + std::to_string(servers.size()) +
                                   (servers.size() == 1 ? " master" : " masters"),
                               {}}};
  for (const SlotMap::Node& node : servers.map().nodes)
    out.push_back({Level::kOk, "node " + node.at.text(), "slots " + ranges_text(node.slots), {}});
  return out;
}

/// Rows of these would be read and written nowhere.
std::vector<Finding> topics_without_output(const Settings& settings) {
  std::vector<Finding> out;
  for (const std::string& topic : settings.topics.names) {
    const auto takes = [&](const Output& output) { return Lane(output).takes_topic(topic); };
    if (std::ranges::any_of(settings.outputs, takes)) continue;
    out.push_back({Level::kWarning, "topic " + topic, "no output takes it: its rows go nowhere",
                   "name it in the topics of an output, or leave it out of the sink's"});
  }
  return out;
}

}  // namespace

std::vector<Finding> check(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return {{Level::kError, "settings", settings.error().message, settings.error().hint}};
  settings->client.connect_timeout_ms = std::min<std::int64_t>(settings->client.connect_timeout_ms, 5'000);
  settings->client.reply_timeout_ms = std::min<std::int64_t>(settings->client.reply_timeout_ms, 5'000);
  SystemClock clock;
  std::vector<Finding> findings = topics_without_output(*settings);
  auto servers = Servers::connect(settings->client, clock, {});
  if (!servers) {
    findings.push_back(finding_of("connection", servers.error()));
    return findings;
  }
  std::ranges::move(connected(**servers), std::back_inserter(findings));
  for (std::size_t i = 0; i < (*servers)->size(); ++i) {
    std::vector<Finding> more = Checker(*settings, **servers, i, clock).run();
    findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
  return findings;
}

}  // namespace millrace::redis
