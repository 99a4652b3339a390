#include "runtime/later_rows.h"

#include <algorithm>
#include <utility>

#include "runtime/row_keys.h"

namespace millrace {

WatchedRow watched_row(const StreamPosition& place, std::string output, const LetterImage& image) {
  const Batch& batch = *image.batch;
  const Row row = batch.row(image.row);
  WatchedRow out;
  out.place = place;
  out.output = std::move(output);
  out.topic = batch.topics()[row.topic];
  out.whole_table = row.op == Op::kTruncate;
  out.form = key_form(batch.schema(row));
  if (!out.whole_table) out.keys = row_keys(batch, row);
  return out;
}

void LaterRows::watch(const WatchedRow& row) {
  Topic& topic = topics_[row.topic][row.output];
  for (const std::string& key : row.keys) topic.keys[key].watch(row.place);
  topic.truncated.watch(row.place);
  topic.any.watch(row.place);
  topic.all = topic.all || row.whole_table;
  const auto [cursor, is_new] = cursors_.emplace(row.place.stream, row.place);
  if (!is_new) cursor->second = std::min(cursor->second, row.place);
}

Result<bool> LaterRows::advance(const LogPosition& end, std::int64_t until_us) {
  for (auto& [stream, cursor] : cursors_) {
    const StreamPosition to = end.at(stream);
    while (cursor < to) {
      if (clock_.now_us() >= until_us) return false;
      MILLRACE_TRY(step(cursor, to));
    }
  }
  return true;
}

Result<std::uint64_t> LaterRows::first_sequence(StreamId stream) {
  const auto streams = log_.streams();
  if (!streams) return streams.error();
  const auto at = std::ranges::find(*streams, stream, &StreamInfo::id);
  return at == streams->end() ? 0 : at->first_sequence;
}

/// One batch of the stream of `cursor`, or over many that have nothing of interest.
Status LaterRows::step(StreamPosition& cursor, const StreamPosition& end) {
  const auto first = first_sequence(cursor.stream);
  if (!first) return first.error();
  if (cursor.sequence < *first) {
    cursor = {cursor.stream, *first, 0};
    cuts_[cursor.stream] = cursor;
    return {};
  }
  auto from = log_.latest();  // of the other streams nothing is to be read
  if (!from) return std::move(from).error();
  from->set(cursor);
  const auto read =
      log_.read([this](std::string_view topic) { return topics_.contains(topic); }, *from, clock_.now_us());
  if (!read) {
    const auto now_first = first_sequence(cursor.stream);
    if (now_first && *now_first > cursor.sequence) return {};  // cut just now: the next step says so
    return read.error();
  }
  if (!*read) {
    cursor = end;
    return {};
  }
  const ReadBatch& rows = **read;
  if (rows.stream == cursor.stream) MILLRACE_TRY(look_at(rows, end));
  cursor = std::min(rows.after.at(cursor.stream), end);
  return {};
}

Status LaterRows::look_at(const ReadBatch& rows, const StreamPosition& end) {
  const Batch& batch = *rows.batch;
  std::vector<Outputs*> topics(batch.topics().size(), nullptr);
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const auto at = topics_.find(batch.topics()[i]);
    if (at != topics_.end()) topics[i] = &at->second;
  }
  std::vector<std::string> forms;
  for (const TableSchemaPtr& schema : batch.schemas()) forms.push_back(key_form(*schema));
  for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) {
    const StreamPosition place{rows.stream, rows.sequence, i};
    const RowRecord& record = batch.records()[i];
    Outputs* outputs = topics[record.topic];
    if (outputs != nullptr && place < end) MILLRACE_TRY(take(*outputs, batch, place, forms[record.schema]));
  }
  return {};
}

Status LaterRows::take(Outputs& outputs, const Batch& batch, const StreamPosition& place,
                       const std::string& form) {
  const Row row = batch.row(place.row);
  if (row.op > Op::kTruncate) return {};
  const bool truncates = row.op == Op::kTruncate;
  const std::vector<std::string> keys = truncates ? std::vector<std::string>() : row_keys(batch, row);
  for (auto& [output, topic] : outputs) {
    std::vector<Mark*> touched;
    if (topic.all) touched.push_back(&topic.any);
    if (truncates) touched.push_back(&topic.truncated);
    if (!truncates) topic.forms[form] = place;
    for (const std::string& key : keys) {
      const auto at = topic.keys.find(key);
      if (at != topic.keys.end()) touched.push_back(&at->second);
    }
    if (std::ranges::none_of(touched, &Mark::is_open)) continue;
    const auto applied = was_applied(place, output);
    if (!applied) return applied.error();
    if (!*applied) continue;
    for (Mark* mark : touched) mark->last = place;
  }
  return {};
}

/// Not when it was rejected too.
Result<bool> LaterRows::was_applied(const StreamPosition& place, std::string_view output) {
  const auto letter = log_.dead_letter_of(sink_, place, output);
  if (!letter) return letter.error();
  return !*letter || (*letter)->state == LetterState::kDone;
}

LaterRows::Verdict LaterRows::verdict(const WatchedRow& row) const {
  const auto topic = topics_.find(row.topic);
  if (topic == topics_.end() || !topic->second.contains(row.output)) return Verdict::kNoKey;
  const Topic& seen = topic->second.at(row.output);
  if (seen.truncated.later_than(row.place)) return Verdict::kLater;
  if (row.whole_table && seen.any.later_than(row.place)) return Verdict::kLater;
  for (const std::string& key : row.keys) {
    const auto at = seen.keys.find(key);
    if (at != seen.keys.end() && at->second.later_than(row.place)) return Verdict::kLater;
  }
  const auto cut = cuts_.find(row.place.stream);
  if (cut != cuts_.end() && row.place < cut->second) return Verdict::kCut;
  if (row.whole_table) return Verdict::kNone;
  if (row.keys.empty()) return Verdict::kNoKey;
  const bool changed = std::ranges::any_of(
      seen.forms, [&](const auto& form) { return form.first != row.form && row.place < form.second; });
  return changed ? Verdict::kNoKey : Verdict::kNone;
}

}  // namespace millrace
