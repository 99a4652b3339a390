#include "sink/redis/encoder.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::size_t kMaxPlans = 4096;

bool is_kept(const Cell& cell) { return cell.type == CellType::kUnchanged; }

bool same_value(const Batch& a_batch, const Cell& a, const Batch& b_batch, const Cell& b) {
  if (a.type != b.type) return false;
  switch (storage_of(a.type)) {
    case CellStorage::kWord:
      return a.word == b.word;
    case CellStorage::kBytes:
      return a_batch.bytes(a) == b_batch.bytes(b);
    case CellStorage::kCells:
      break;
  }
  const auto a_cells = a_batch.elements(a);
  const auto b_cells = b_batch.elements(b);
  const auto same = [&](const Cell& x, const Cell& y) { return same_value(a_batch, x, b_batch, y); };
  return std::equal(a_cells.begin(), a_cells.end(), b_cells.begin(), b_cells.end(), same);
}

}  // namespace

/// A row with its keys and columns worked out. The keys are views of the encoder's buffers.
struct Encoder::Change {
  std::uint32_t row = 0;
  Row cells;
  const TablePlan* plan = nullptr;
  std::string_view key;
  std::string_view old_key;  ///< empty: the key has not changed, or the row is new
  std::vector<Cell>
      resolved;        ///< after, with kept values taken from the old row where it has them; empty: after
  bool keeps = false;  ///< some column keeps a value that only Redis (or an earlier change) knows

  [[nodiscard]] std::span<const Cell> after() const { return resolved.empty() ? cells.after : resolved; }
};

void Overlay::reject_row(RowId id, std::string_view key, const std::string& error,
                         std::vector<Rejected>& out) const {
  const Source& source = batches[id.batch];
  const std::uint16_t topic = source.batch->records()[id.row].topic;
  out.push_back({source.stream, source.sequence, id.row, std::string(source.batch->topics()[topic]),
                 std::string(key), error});
}

void Overlay::reject(const Entry& entry, const std::string& error, std::vector<Rejected>& out) const {
  const std::size_t first = out.size();
  for (std::int32_t link = entry.earlier; link >= 0; link = links[static_cast<std::size_t>(link)].second) {
    reject_row(links[static_cast<std::size_t>(link)].first, key(entry), error, out);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  reject_row(entry.last, key(entry), error, out);
}

void Encoder::begin(const ReadBatch& rows, bool replayed) {
  replayed_ = replayed;
  const Batch& batch = *rows.batch;
  if (overlay_.batches.empty() || overlay_.batches.back().batch != rows.batch) {
    overlay_.batches.push_back({rows.batch, rows.stream, rows.sequence});
  }
  if (overlay_.empty() && plans_.size() > kMaxPlans) plans_.clear();
  plan_of_.assign(batch.topics().size() * batch.schemas().size(), nullptr);
}

Overlay Encoder::take() {
  std::fill(slots_.begin(), slots_.end(), 0U);
  return std::exchange(overlay_, {});
}

void Encoder::grow() {
  slots_.assign(std::max(kFirstSlots, slots_.size() * 2), 0U);
  for (std::size_t i = 0; i < overlay_.entries.size(); ++i) {
    std::size_t at = overlay_.entries[i].hash & (slots_.size() - 1);
    while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

std::int32_t Encoder::find(std::string_view key) const {
  if (slots_.empty()) return -1;
  const std::size_t hash = std::hash<std::string_view>()(key);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    const Overlay::Entry& entry = overlay_.entries[slots_[at] - 1];
    if (entry.hash == hash && overlay_.key(entry) == key) return static_cast<std::int32_t>(slots_[at] - 1);
  }
  return -1;
}

std::uint32_t Encoder::find_or_add(std::string_view key, bool& found) {
  if (overlay_.entries.size() * 2 >= slots_.size()) grow();
  const std::size_t hash = std::hash<std::string_view>()(key);
  std::size_t at = hash & (slots_.size() - 1);
  for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    const Overlay::Entry& entry = overlay_.entries[slots_[at] - 1];
    found = entry.hash == hash && overlay_.key(entry) == key;
    if (found) return slots_[at] - 1;
  }
  found = false;
  Overlay::Entry entry;
  entry.hash = hash;
  entry.key_offset = static_cast<std::uint32_t>(overlay_.keys.size());
  entry.key_size = static_cast<std::uint32_t>(key.size());
  overlay_.keys += key;
  overlay_.entries.push_back(entry);
  slots_[at] = static_cast<std::uint32_t>(overlay_.entries.size());
  return slots_[at] - 1;
}

void Encoder::link_row(Overlay::Entry& entry, std::uint32_t row, bool fresh) {
  if (!fresh) {
    overlay_.links.emplace_back(entry.last, entry.earlier);
    entry.earlier = static_cast<std::int32_t>(overlay_.links.size() - 1);
  }
  entry.last = {static_cast<std::uint32_t>(overlay_.batches.size() - 1), row};
}

void Encoder::put(std::string_view key, const Change& change, Overlay::Action action, std::int32_t image) {
  bool found = false;
  Overlay::Entry& entry = overlay_.entries[find_or_add(key, found)];
  link_row(entry, change.row, !found);
  entry.action = action;
  entry.image = image;
  entry.plan = change.plan;
}

/// The row of `change` is at `key` no longer.
void Encoder::leave(std::string_view key, const Change& change) {
  const std::int32_t at = find(key);
  if (at >= 0 && is_of_another_row(overlay_.entries[static_cast<std::size_t>(at)], change)) return;
  remove(key, change.row, *change.plan);
}

/// Whether another row has moved to the key that this one leaves only now: rows may change places when the
/// key is checked at the end of the transaction only. The source then sends old rows whole, so they tell.
bool Encoder::is_of_another_row(const Overlay::Entry& entry, const Change& change) const {
  if (!entry.moved_here || entry.action == Overlay::Action::kDelete || entry.plan != change.plan)
    return false;
  const Batch* batch = overlay_.batches.back().batch.get();
  const std::vector<Overlay::CellRef> there = cells_of(entry);
  const std::span<const Cell> before = change.cells.before;
  for (std::size_t i = 0; i < std::min(before.size(), there.size()); ++i) {
    if (is_missing(before[i]) || is_missing(there[i].cell)) continue;
    if (!same_value(*batch, before[i], *there[i].batch, there[i].cell)) return true;
  }
  return false;
}

void Encoder::remove(std::string_view key, std::uint32_t row, const TablePlan& plan) {
  bool found = false;
  Overlay::Entry& entry = overlay_.entries[find_or_add(key, found)];
  link_row(entry, row, !found);
  entry.action = Overlay::Action::kDelete;
  entry.moved_here = false;
  entry.image = -1;
  entry.plan = &plan;
}

std::vector<Overlay::CellRef> Encoder::cells_of(const Overlay::Entry& entry) const {
  if (entry.image >= 0) return overlay_.images[static_cast<std::size_t>(entry.image)];
  const Batch* batch = overlay_.batches[entry.last.batch].batch.get();
  std::vector<Overlay::CellRef> cells;
  for (const Cell& cell : batch->row(entry.last.row).after) cells.push_back({batch, cell});
  return cells;
}

/// The change's columns over those of `base` (none: over nothing), kept as an image.
std::int32_t Encoder::merged_image(const Change& change, const Overlay::Entry* base, bool& complete) {
  const Batch* batch = overlay_.batches.back().batch.get();
  const auto after = change.after();
  std::vector<Overlay::CellRef> image;
  if (base != nullptr) image = cells_of(*base);
  image.resize(after.size(), {batch, Cell{CellType::kUnchanged, {0, 0, 0}, 0, 0}});
  complete = true;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (!is_kept(after[i])) image[i] = {batch, after[i]};
    if (is_kept(image[i].cell)) complete = false;
  }
  overlay_.images.push_back(std::move(image));
  return static_cast<std::int32_t>(overlay_.images.size() - 1);
}

std::optional<std::string> Encoder::work_out(std::uint32_t row, Change& change) {
  const Batch& batch = *overlay_.batches.back().batch;
  change.row = row;
  change.cells = batch.row(row);
  const Row& r = change.cells;
  const TablePlan*& plan = plan_of_[r.topic * batch.schemas().size() + r.schema];
  if (plan == nullptr) plan = &plans_.plan(batch.topics()[r.topic], batch.schemas()[r.schema]);
  change.plan = plan;
  if (!plan->error.empty()) return plan->error;
  if (r.op == Op::kDelete) return work_out_delete(change);
  const std::size_t columns = plan->schema->columns.size();
  if (r.after.size() != columns) return "the change was sent without its row";
  if (r.op == Op::kUpdate && std::any_of(r.after.begin(), r.after.end(), is_kept)) {
    change.resolved.assign(r.after.begin(), r.after.end());
    for (std::size_t i = 0; i < columns; ++i) {
      if (is_kept(change.resolved[i]) && i < r.before.size() && !is_missing(r.before[i]))
        change.resolved[i] = r.before[i];
      if (is_kept(change.resolved[i])) change.keeps = true;
    }
  }
  new_key_.clear();
  auto error = plan->key->append(new_key_, batch, change.after());
  change.key = new_key_;
  return r.op == Op::kUpdate ? work_out_old_key(change, std::move(error)) : error;
}

std::optional<std::string> Encoder::work_out_delete(Change& change) {
  const Row& r = change.cells;
  const TableSchema& schema = *change.plan->schema;
  std::vector<Cell> cells(r.before.begin(), r.before.end());
  if (cells.empty() && r.key.size() == schema.key_columns.size()) {  // a plain record
    cells.assign(schema.columns.size(), Cell{CellType::kAbsent, {0, 0, 0}, 0, 0});
    for (std::size_t i = 0; i < r.key.size(); ++i) cells[schema.key_columns[i]] = r.key[i];
  }
  if (cells.size() != schema.columns.size()) return "the delete was sent without the old row's key";
  new_key_.clear();
  auto error = change.plan->key->append(new_key_, *overlay_.batches.back().batch, cells);
  change.key = new_key_;
  return error;
}

/// `error`: why there is no new key. The old one is worked out all the same: its document must go.
std::optional<std::string> Encoder::work_out_old_key(Change& change, std::optional<std::string> error) {
  const Row& r = change.cells;
  const RowKey& key = *change.plan->key;
  if (r.before.empty()) {
    if (error || key.within_table_key()) return error;
    return "target.key uses a column outside the key of table " + change.plan->schema->table +
           ", and the update was sent without the old row; ALTER TABLE ... REPLICA IDENTITY FULL makes the "
           "source send it";
  }
  if (r.before.size() != change.plan->schema->columns.size())
    return "the change was sent with half of its old row";
  const auto columns_used = key.columns();
  const auto was_null = [&r](std::uint16_t c) { return r.before[c].type == CellType::kNull; };
  if (std::any_of(columns_used.begin(), columns_used.end(), was_null))
    return error;  // had no key, was parked
  old_key_.clear();
  auto no_old_key = key.append(old_key_, *overlay_.batches.back().batch, r.before);
  if (no_old_key) return error ? error : no_old_key;
  if (error || old_key_ != new_key_) change.old_key = old_key_;
  return error;
}

Encoder::Taken Encoder::add(std::uint32_t row, std::vector<Rejected>& rejected) {
  switch (overlay_.batches.back().batch->records()[row].op) {
    case Op::kTruncate:
      return Taken::kTruncate;
    case Op::kMessage:
    case Op::kSchema:
    case Op::kBegin:
    case Op::kEnd:
      return Taken::kYes;
    default:
      break;
  }
  Change change;
  if (const auto error = work_out(row, change)) {
    if (!change.old_key.empty()) leave(change.old_key, change);
    reject(row, change.key, *error, rejected);
    return Taken::kYes;
  }
  if (change.cells.op == Op::kDelete) {
    leave(change.key, change);
    return Taken::kYes;
  }
  return change.old_key.empty() ? add_change(change, rejected) : add_moved(change);
}

Encoder::Taken Encoder::add_change(const Change& change, std::vector<Rejected>& rejected) {
  bool complete = true;
  if (!change.keeps) {
    put(change.key, change, Overlay::Action::kPut,
        change.resolved.empty() ? -1 : merged_image(change, nullptr, complete));
    return Taken::kYes;
  }
  const std::int32_t at = find(change.key);
  if (at < 0) {
    put(change.key, change, Overlay::Action::kPatch, merged_image(change, nullptr, complete));
    return Taken::kYes;
  }
  const Overlay::Entry base = overlay_.entries[static_cast<std::size_t>(at)];
  if (base.action == Overlay::Action::kDelete) {
    reject(change.row, change.key, "the update keeps values of a row that was deleted before it", rejected);
    return Taken::kYes;
  }
  if (base.plan != change.plan) return Taken::kFlush;
  const std::int32_t image = merged_image(change, &base, complete);
  const bool whole = base.action == Overlay::Action::kPut || complete;
  put(change.key, change, whole ? Overlay::Action::kPut : Overlay::Action::kPatch, image);
  return Taken::kYes;
}

Encoder::Taken Encoder::add_moved(const Change& change) {
  bool complete = true;
  std::int32_t image = -1;
  Overlay::Action action = Overlay::Action::kPut;
  if (change.keeps) {
    const std::int32_t at = find(change.old_key);
    const Overlay::Entry base = at < 0 ? Overlay::Entry{} : overlay_.entries[static_cast<std::size_t>(at)];
    const bool known = at >= 0 && base.action == Overlay::Action::kPut;
    if (!known && !replayed_) return Taken::kMove;
    const bool use_base = at >= 0 && base.action != Overlay::Action::kDelete;
    if (use_base && base.plan != change.plan) return Taken::kFlush;
    image = merged_image(change, use_base ? &base : nullptr, complete);
    if (!known && !complete) action = Overlay::Action::kPatch;
  } else if (!change.resolved.empty()) {
    image = merged_image(change, nullptr, complete);
  }
  leave(change.old_key, change);
  put(change.key, change, action, image);
  overlay_.entries[static_cast<std::size_t>(find(change.key))].moved_here = true;
  return Taken::kYes;
}

void Encoder::reject(std::uint32_t row, std::string_view key, const std::string& error,
                     std::vector<Rejected>& rejected) const {
  overlay_.reject_row({static_cast<std::uint32_t>(overlay_.batches.size() - 1), row}, key, error, rejected);
}

Overlay Encoder::take_move(std::uint32_t row, std::string& from, std::vector<Rejected>& rejected) {
  MILLRACE_CHECK(overlay_.empty());
  Change change;
  if (const auto error = work_out(row, change)) {
    reject(row, change.key, *error, rejected);
    return {};
  }
  bool complete = false;
  from = change.old_key;
  put(change.key, change, Overlay::Action::kPatch, merged_image(change, nullptr, complete));
  const Overlay::Source source = overlay_.batches.back();
  Overlay out = take();
  overlay_.batches.push_back(source);  // the batch goes on
  return out;
}

std::vector<RowKey> Encoder::topic_keys(std::uint32_t row, std::vector<Rejected>& rejected) {
  const Batch& batch = *overlay_.batches.back().batch;
  const Row r = batch.row(row);
  const TablePlan& plan = plans_.plan(batch.topics()[r.topic], batch.schemas()[r.schema]);
  const std::span<const RowKey> keys = plans_.keys_of(plan.topic);
  if (keys.empty()) reject(row, {}, plan.error, rejected);
  return {keys.begin(), keys.end()};
}

}  // namespace millrace::redis
