#include "runtime/in_flight.h"

#include <utility>

namespace millrace {
namespace {

// Rows of a batch share its image: a range of them counts for its part.
std::size_t share_of_image(const ReadBatch& rows) {
  const std::size_t all = rows.batch->size();
  const std::size_t some = rows.end_row - rows.first_row;
  return all == 0 ? 0 : rows.batch->image_bytes() / all * some + rows.batch->image_bytes() % all;
}

}  // namespace

void InFlight::add(const ReadBatch& rows) {
  Entry entry{rows.after};
  if (rows.first_row < rows.end_row) {
    entry.bytes = share_of_image(rows);
    for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) entry.rows += rows.selected(i) ? 1 : 0;
    entry.received_us = rows.batch->received_us();
    const auto records = rows.batch->records();
    entry.transactions = 1 + records[rows.end_row - 1].transaction - records[rows.first_row].transaction;
  }
  bytes_ += entry.bytes;
  entries_.push_back(std::move(entry));
}

std::optional<InFlight::Entry> InFlight::take(const LogPosition& durable) {
  if (entries_.empty()) return std::nullopt;
  Entry& oldest = entries_.front();
  if (oldest.rows > 0 && !durable.covers(oldest.after)) return std::nullopt;
  bytes_ -= oldest.bytes;
  Entry out = std::move(oldest);
  entries_.pop_front();
  return out;
}

void InFlight::clear() {
  entries_.clear();
  bytes_ = 0;
}

SplitRows split_applied(ReadBatch rows, const LogPosition& applied) {
  SplitRows split;
  const StreamPosition until = applied.at(rows.stream);
  const bool whole =
      until.sequence > rows.sequence || (until.sequence == rows.sequence && until.row >= rows.end_row);
  if (whole && rows.first_row < rows.end_row) {
    rows.already_applied = true;
    split.applied = std::move(rows);
  } else if (until.sequence == rows.sequence && until.row > rows.first_row) {
    ReadBatch before = rows;
    before.end_row = until.row;
    before.after.set(until);
    before.already_applied = true;
    rows.first_row = until.row;
    split.applied = std::move(before);
    split.fresh = std::move(rows);
  } else {
    split.fresh = std::move(rows);
  }
  return split;
}

}  // namespace millrace
