#include "sink/redis/entry_place.h"

#include "sink/redis/target/nest.h"

namespace millrace::redis {
namespace {

constexpr char kBehindKey = '\0';

}  // namespace

std::string EntryPlace::handle() const {
  std::string out = key;
  out += kBehindKey;
  return out += member;
}

EntryPlace EntryPlace::of(const std::string& handle) {
  const std::size_t at = handle.find(kBehindKey);
  return {handle.substr(0, at), handle.substr(at + 1)};
}

std::string EntryPlace::shown(const Target& target) const {
  std::string out = key;
  if (target.nest) return out.append(" ").append(nest_place(member).path());
  return member.empty() ? out : out.append(" ").append(member);
}

}  // namespace millrace::redis
