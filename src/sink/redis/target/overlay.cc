#include "sink/redis/target/overlay.h"

#include <algorithm>

namespace millrace::redis {

void Overlay::reject_row(RowId id, std::string_view key, const std::string& error,
                         std::vector<Rejected>& out) const {
  const Source& source = batches[id.batch];
  const std::uint16_t topic = source.batch->records()[id.row].topic;
  out.push_back({source.stream, source.sequence, id.row, std::string(source.batch->topics()[topic]),
                 std::string(key), error, output});
}

void Overlay::reject(const Entry& entry, const std::string& error, std::vector<Rejected>& out) const {
  const std::size_t first = out.size();
  for (std::int32_t link = entry.earlier; link >= 0; link = links[static_cast<std::size_t>(link)].second) {
    reject_row(links[static_cast<std::size_t>(link)].first, key(entry), error, out);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  reject_row(entry.last, key(entry), error, out);
}

RowCells Overlay::cells(const Entry& entry) const {
  if (entry.image >= 0) return RowCells(images[static_cast<std::size_t>(entry.image)]);
  const Batch& batch = *batches[entry.last.batch].batch;
  return {batch, batch.row(entry.last.row).after};
}

}  // namespace millrace::redis
