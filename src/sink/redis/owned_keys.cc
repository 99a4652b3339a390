#include "sink/redis/owned_keys.h"

#include <algorithm>

namespace millrace::redis {

void OwnedKeys::add(Lane& lane, const ScanTable& table) {
  if (!lane.takes_topic(table.topic) || table.schema == nullptr) return;
  static_cast<void>(lane.encoder().plans().plan(table.topic, table.schema));
  for (const RowKey& key : lane.encoder().plans().keys_of(table.topic))
    owners_.push_back({&lane, table.topic, key});
}

/// Both have keys of their own, or lie in the same object of a document.
bool OwnedKeys::lie_alike(const Lane& a, const Lane& b) {
  const auto& in_a = a.target().nest;
  const auto& in_b = b.target().nest;
  return in_a && in_b ? in_a->names() == in_b->names() : !in_a && !in_b;
}

bool OwnedKeys::is_another(const Owner& owner, const Lane& lane, std::string_view topic) const {
  if (!lie_alike(lane, *owner.lane)) return false;
  if (owner.topic != topic) return true;
  const auto is_the_same = [&](const Owner& own) {
    return own.lane == &lane && own.topic == topic && own.key.same_keys(owner.key);
  };
  return owner.lane != &lane && std::ranges::none_of(owners_, is_the_same);
}

bool OwnedKeys::may_be_shared(const Lane& lane, std::string_view topic) const {
  const auto is_own = [&](const Owner& owner) { return owner.lane == &lane && owner.topic == topic; };
  const auto begin_alike = [](const Owner& a, const Owner& b) {
    const std::size_t length = std::min(a.key.prefix().size(), b.key.prefix().size());
    return a.key.prefix().substr(0, length) == b.key.prefix().substr(0, length);
  };
  return std::ranges::any_of(owners_, [&](const Owner& own) {
    return is_own(own) && std::ranges::any_of(owners_, [&](const Owner& other) {
             return is_another(other, lane, topic) && begin_alike(own, other);
           });
  });
}

bool OwnedKeys::may_be_of_another(const Lane& lane, std::string_view topic, std::string_view key) const {
  return std::ranges::any_of(
      owners_, [&](const Owner& owner) { return is_another(owner, lane, topic) && owner.key.matches(key); });
}

bool OwnedKeys::may_be_of_any(std::string_view key) const {
  return std::ranges::any_of(owners_, [key](const Owner& owner) { return owner.key.matches(key); });
}

}  // namespace millrace::redis
