#include "sink/redis/slot_move.h"

#include <span>
#include <string_view>

#include "sink/redis/pipeline.h"

namespace millrace::redis {
namespace {

/// The command that puts what was read under another key; none: there was nothing.
std::vector<std::string> copy_command(TargetType type, const Reply& read, const std::string& to) {
  if (type == TargetType::kJson) {
    return read.kind == Reply::Kind::kNull ? std::vector<std::string>()
                                           : std::vector<std::string>{"JSON.SET", to, "$", read.text};
  }
  if (read.elements.empty()) return {};
  std::vector<std::string> out = {"HSET", to};
  for (const Reply& one : read.elements) out.push_back(one.text);
  return out;
}

}  // namespace

Status move_between_slots(Servers& servers, Lane& lane, const Overlay& overlay, const std::string& from,
                          std::vector<Rejected>& rejected, std::vector<std::string>& leaving) {
  const Overlay::Entry& entry = overlay.entries.front();
  const std::string to(overlay.key(entry));
  std::string bytes;
  const std::size_t known = rejected.size();
  const auto park = [&] { lane.parked().add(std::span(rejected).subspan(known)); };
  const std::uint32_t commands = lane.writer().append(bytes, overlay, entry, rejected);
  park();
  if (commands == 0) return {};

  bool refused = false;
  const auto judge = [&](const Reply& reply) -> Status {
    if (!reply.is_error()) return {};
    if (next_of_error(reply.text) != Next::kReject) return reply_error("a write", reply.text);
    overlay.reject(entry, reject_sentence(reply.text), rejected);
    park();
    refused = true;
    return {};
  };
  const TargetType type = lane.target().type;
  auto read = servers.call_key(from, {type == TargetType::kJson ? "JSON.GET" : "HGETALL", from});
  if (!read) return std::move(read).error();
  MILLRACE_TRY(judge(*read));
  if (refused) return {};
  const std::vector<std::string> copy = copy_command(type, *read, to);
  if (!copy.empty()) {
    auto copied = servers.call_key(to, copy);
    if (!copied) return std::move(copied).error();
    MILLRACE_TRY(judge(*copied));
    if (refused) return {};
  }
  for (std::uint32_t i = 0; i < commands && !refused; ++i) {
    auto written = servers.call_wire(servers.node_of(to), nth_command(bytes, i));
    if (!written) return std::move(written).error();
    MILLRACE_TRY(judge(*written));
  }
  if (refused) {  // what is parked leaves nothing behind
    if (copy.empty()) return {};
    auto removed = servers.call_key(to, {"UNLINK", to});
    return removed ? Status() : std::move(removed).error();
  }
  lane.parked().applied(overlay, entry);
  if (!copy.empty()) leaving.push_back(from);
  return {};
}

}  // namespace millrace::redis
