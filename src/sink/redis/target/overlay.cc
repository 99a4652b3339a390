#include "sink/redis/target/overlay.h"

#include <algorithm>
#include <functional>

namespace millrace::redis {

void Overlay::reject_row(RowId id, std::string_view key, std::string_view member, const std::string& error,
                         std::vector<Rejected>& out) const {
  const Source& source = batches[id.batch];
  const std::uint16_t topic = source.batch->records()[id.row].topic;
  out.push_back({source.stream, source.sequence, id.row, std::string(source.batch->topics()[topic]),
                 std::string(key), error, output, std::string(member), moved_from});
}

void Overlay::reject(const Entry& entry, const std::string& error, std::vector<Rejected>& out) const {
  const std::size_t first = out.size();
  for (std::int32_t link = entry.earlier; link >= 0; link = links[static_cast<std::size_t>(link)].second) {
    reject_row(links[static_cast<std::size_t>(link)].first, key(entry), member(entry), error, out);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  reject_row(entry.last, key(entry), member(entry), error, out);
}

void Overlay::add_removal(std::string_view key, Entry of) {
  of.hash = std::hash<std::string_view>()(key);
  of.key_offset = static_cast<std::uint32_t>(keys.size());
  of.key_size = static_cast<std::uint32_t>(key.size());
  of.member_size = 0;
  of.action = Action::kDelete;
  of.moved_here = false;
  of.image = -1;
  of.earlier = -1;
  keys += key;
  entries.push_back(of);
}

RowCells Overlay::cells(const Entry& entry) const {
  if (entry.image >= 0) return RowCells(images[static_cast<std::size_t>(entry.image)]);
  const Batch& batch = *batches[entry.last.batch].batch;
  return {batch, batch.row(entry.last.row).after};
}

}  // namespace millrace::redis
