#include "sink/redis/rights.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace millrace::redis {
namespace {

using Lines = std::vector<std::string_view>;

/// Words of commands by what needs them; `K` stands for a key, `I` for an index.
constexpr std::string_view kKey = "K";
constexpr std::string_view kIndex = "I";

Lines every_sink() {
  return {"EXISTS K", "MULTI",    "EXEC",     "HMGET K f",   "HSET K f v",    "HGETALL K",
          "HDEL K f", "UNLINK K", "EVAL r 0", "EVALSHA s 0", "SCRIPT LOAD r", "SCAN 0"};
}

Lines of_type(TargetType type) {
  switch (type) {
    case TargetType::kJson:
      return {"JSON.SET K $ 1", "JSON.GET K", "JSON.DEL K"};
    case TargetType::kHash:
      return {"HGET K f", "TYPE K"};
    case TargetType::kString:
      return {"SET K v", "TYPE K"};
    case TargetType::kSet:
      return {"SADD K m", "SREM K m"};
    case TargetType::kSortedSet:
      return {"ZADD K 1 m", "ZREM K m"};
    case TargetType::kStream:
      break;
  }
  return {"XADD K * f v", "XRANGE K - +", "XINFO STREAM K", "DEL K"};
}

Lines of_output(const Output& output) {
  const Target& target = output.target;
  Lines out = of_type(target.type);
  const auto add = [&out](const Lines& more) { out.insert(out.end(), more.begin(), more.end()); };
  if (target.merge) add({"JSON.MERGE K $ 1", "JSON.MSET K $ 1", "JSON.OBJLEN K"});
  if (target.nests()) {
    add({"JSON.TYPE K", "JSON.OBJKEYS K", "HKEYS K", "HDEL K f", "JSON.MERGE K $ 1", "JSON.ARRINSERT K $ 0 1",
         "JSON.ARRLEN K"});
  }
  if (target.expiry.seconds > 0 || !target.expiry.column.empty())
    add({"EXPIRE K 1", "PEXPIREAT K 1", "PERSIST K"});
  if (!target.field_expiries.empty())
    add({"HEXPIRE K 1 FIELDS 1 f", "HPEXPIREAT K 1 FIELDS 1 f", "HPERSIST K FIELDS 1 f"});
  if (target.guard) add({"GET K", "SET K v", "PTTL K", "EXPIRE K 1"});
  return out;
}

/// `SCRIPT LOAD` is a right of its own, as is `XINFO STREAM`.
std::string right_of(const std::vector<std::string>& command) {
  std::string out = command[0];
  if (out == "SCRIPT" || out == "XINFO") out += "|" + command[1];
  std::ranges::transform(
      out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return out;
}

class Collector {
 public:
  void add(const Lines& lines, const std::string& key, const std::string& index = {}) {
    for (const std::string_view line : lines) {
      NeededCommand one;
      for (std::string_view rest = line; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        one.command.emplace_back(word == kKey ? key : word == kIndex ? index : std::string(word));
      }
      one.right = right_of(one.command);
      const auto same = [&one](const NeededCommand& other) { return other.right == one.right; };
      if (std::ranges::none_of(out_, same)) out_.push_back(std::move(one));
    }
  }
  std::vector<NeededCommand> take() { return std::move(out_); }

 private:
  std::vector<NeededCommand> out_;
};

}  // namespace

std::vector<NeededCommand> needed_commands(const Settings& settings) {
  const std::string own = "millrace:" + settings.connector;
  Collector out;
  out.add(every_sink(), own);
  for (const Output& output : settings.outputs) {
    const std::string prefix = common_prefix(output, settings.topics);
    out.add(of_output(output), prefix.empty() ? own : prefix);
  }
  for (const IndexDefinition& index : settings.indexes) {
    out.add({"FT.INFO I", "FT.CREATE I SCHEMA f TAG", "FT.ALIASUPDATE I I", "FT.DROPINDEX I"}, own,
            index.name);
  }
  if (settings.wait_replicas > 0) out.add({"WAIT 0 1"}, own);
  return out.take();
}

std::string user_of(const Settings& settings) {
  const std::string& name = settings.client.uri.username;
  return name.empty() ? "default" : name;
}

DryRun read_dry_run(std::string_view answer, bool is_error) {
  if (is_error) return DryRun::kNotKnown;
  if (answer == "OK") return DryRun::kMay;
  if (answer.find("to run the") != std::string_view::npos) return DryRun::kMayNotRun;
  if (answer.find("to access the") != std::string_view::npos) return DryRun::kMayNotUseKey;
  return DryRun::kNotKnown;
}

}  // namespace millrace::redis
