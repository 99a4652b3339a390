#include "log/stream_state.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

enum class HiddenRows : std::uint8_t { kNone, kStay, kShow, kGiveUp };

/// What becomes of the rows hidden so far.
Result<HiddenRows> judge_hidden(const StreamState& stream, const Batch* batch, const SourcePosition& after) {
  const StreamHead& head = stream.head;
  if (head.all_visible()) return HiddenRows::kNone;
  // Without a position: the source was forgotten since, and will not end what it began before.
  if (!head.position || after.epoch != head.position->epoch) return HiddenRows::kGiveUp;
  if (after.commit != head.position->commit) return HiddenRows::kShow;
  if (batch == nullptr || batch->size() == 0) return HiddenRows::kStay;
  const TransactionRecord& next = batch->transactions()[batch->records().front().transaction];
  if (batch->commit(next) == head.open_commit && next.id == head.open_id) {
    return batch->complete_rows() > 0 ? HiddenRows::kShow : HiddenRows::kStay;
  }
  if (head.open_id == 0) return HiddenRows::kShow;
  return stop_error(
      "stream " + std::to_string(stream.id) + " of " + stream.connector + ": transaction " +
          std::to_string(next.id) + " follows rows of transaction " + std::to_string(head.open_id) +
          ", which has not ended",
      "the source broke off a transaction and did not send it again; this is a fault in the connector");
}

/// Rows of each of the batch's topics: all of them, and those that are complete.
struct TopicRows {
  std::uint32_t all = 0;
  std::uint32_t complete = 0;
};

std::vector<TopicRows> count_rows(const Batch& batch) {
  std::vector<TopicRows> counts(batch.topics().size());
  const auto records = batch.records();
  for (std::size_t i = 0; i < records.size(); ++i) {
    TopicRows& count = counts[records[i].topic];
    ++count.all;
    if (i < batch.complete_rows()) ++count.complete;
  }
  return counts;
}

/// The topic's end once what was hidden before this append has been dealt with.
TopicHead settle_hidden(const TopicState& topic, HiddenRows hidden) {
  TopicHead head = topic.head;
  if (hidden == HiddenRows::kShow) head.visible_offset = head.next_offset;
  if (hidden == HiddenRows::kGiveUp) head.next_offset = head.visible_offset;
  return head;
}

void plan_topics(const std::vector<TopicState*>& topics, const Batch& batch, std::size_t stored_bytes,
                 HiddenRows hidden, AppendPlan& plan) {
  const std::vector<TopicRows> counts = count_rows(batch);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].all == 0) continue;
    TopicChange change;
    change.topic = topics[i];
    change.head = settle_hidden(*topics[i], hidden);
    change.first_offset = change.head.next_offset;
    change.entry = {plan.sequence, counts[i].all, batch.received_us(), change.head.bytes};
    const bool shows = change.head.visible_offset == change.head.next_offset;
    change.head.next_offset += counts[i].all;
    change.head.bytes += stored_bytes * counts[i].all / batch.size();
    // While older rows stay hidden, complete_rows is 0: nothing can be complete behind an open transaction.
    if (shows) change.head.visible_offset += counts[i].complete;
    if (change.head.visible_offset != change.head.next_offset) plan.hidden.push_back(topics[i]);
    plan.topics.push_back(change);
  }
}

/// Topics with hidden rows that the batch does not touch.
void plan_hidden(const StreamState& stream, HiddenRows hidden, AppendPlan& plan) {
  for (TopicState* topic : stream.hidden) {
    if (hidden == HiddenRows::kGiveUp) plan.cut_topics.push_back(topic);
    const bool touched = std::any_of(plan.topics.begin(), plan.topics.end(),
                                     [topic](const TopicChange& change) { return change.topic == topic; });
    if (touched) continue;
    if (hidden == HiddenRows::kStay) {
      plan.hidden.push_back(topic);
    } else {
      plan.topics.push_back({topic, settle_hidden(*topic, hidden), {}, 0});
    }
  }
}

Status plan_schemas(const StreamState& stream, const Batch& batch, AppendPlan& plan) {
  for (const TableSchemaPtr& schema : batch.schemas()) {
    const auto known = stream.schemas.find(schema->id);
    if (known == stream.schemas.end()) {
      plan.new_schemas.push_back(schema);
    } else if (known->second != schema && *known->second != *schema) {
      return stop_error("stream " + std::to_string(stream.id) + " of " + stream.connector + ": schema " +
                            std::to_string(schema->id) + " of table " + schema->table +
                            " is not the one stored under this number",
                        "this is a fault in the connector: a number of a schema was used twice");
    }
  }
  return {};
}

/// Moves the end of the stream and what is visible of it.
void plan_head(const StreamState& stream, const Batch* batch, std::size_t stored_bytes, HiddenRows hidden,
               AppendPlan& plan) {
  StreamHead& head = plan.head;
  if (hidden == HiddenRows::kGiveUp) {
    plan.new_holes.push_back({head.visible_sequence, head.visible_row, head.next_sequence});
  }
  if (hidden != HiddenRows::kStay) {
    head.visible_sequence = head.next_sequence;
    head.visible_row = 0;
  }
  if (batch == nullptr) return;
  plan.sequence = stream.head.next_sequence;
  head.next_sequence += 1;
  head.next_bytes += stored_bytes;
  if (batch->complete_rows() == batch->size()) {
    if (hidden != HiddenRows::kStay) head.visible_sequence = head.next_sequence;
  } else {
    if (hidden != HiddenRows::kStay) head.visible_row = static_cast<std::uint32_t>(batch->complete_rows());
    const TransactionRecord& open = batch->transactions()[batch->records().back().transaction];
    head.open_id = open.id;
    head.open_commit = std::string(batch->commit(open));
  }
  if (head.all_visible()) {
    head.open_id = 0;
    head.open_commit.clear();
  }
}

}  // namespace

std::uint32_t StreamState::visible_rows(std::uint64_t sequence, std::uint32_t rows) const {
  for (const Hole& hole : holes) {
    if (sequence >= hole.sequence && sequence < hole.end_sequence)
      return sequence == hole.sequence ? hole.row : 0;
  }
  if (sequence == head.visible_sequence) return head.visible_row;
  return sequence < head.visible_sequence ? rows : 0;
}

StreamPosition StreamState::skip_holes(StreamPosition position) const {
  for (const Hole& hole : holes) {
    const bool in_first = position.sequence == hole.sequence && position.row >= hole.row;
    const bool in_rest = position.sequence > hole.sequence && position.sequence < hole.end_sequence;
    if (in_first || in_rest) position = {position.stream, hole.end_sequence, 0};
  }
  return position;
}

Result<AppendPlan> plan_append(const StreamState& stream, const std::vector<TopicState*>& topics,
                               const Batch* batch, std::size_t stored_bytes, const SourcePosition& after) {
  AppendPlan plan;
  plan.head = stream.head;
  const auto hidden = judge_hidden(stream, batch, after);
  if (!hidden) return hidden.error();
  plan_head(stream, batch, stored_bytes, *hidden, plan);
  if (batch != nullptr) {
    MILLRACE_CHECK(topics.size() == batch->topics().size());
    plan_topics(topics, *batch, stored_bytes, *hidden, plan);
    MILLRACE_TRY(plan_schemas(stream, *batch, plan));
  }
  plan_hidden(stream, *hidden, plan);
  plan.head.position = after;
  return plan;
}

void apply_append(StreamState& stream, const AppendPlan& plan, const BatchPtr& batch) {
  stream.head = plan.head;
  stream.hidden = plan.hidden;
  stream.holes.insert(stream.holes.end(), plan.new_holes.begin(), plan.new_holes.end());
  for (const TopicChange& change : plan.topics) {
    change.topic->head = change.head;
    change.topic->stored = true;
  }
  for (const TableSchemaPtr& schema : plan.new_schemas) stream.schemas.emplace(schema->id, schema);
  if (batch != nullptr) stream.tail.put(plan.sequence, batch);
}

}  // namespace millrace
