#include "sink/redis/target/encoder.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::size_t kFirstSlots = 1024;
constexpr std::size_t kMaxPlans = 4096;

bool is_kept(const Cell& cell) { return cell.type == CellType::kUnchanged; }

}  // namespace

/// A row with its keys and columns worked out. The keys are views of the encoder's buffers.
struct Encoder::Change {
  std::uint32_t row = 0;
  Row cells;
  const TablePlan* plan = nullptr;
  Id id;
  Id old_id;            ///< empty: the key has not changed, or the row is new
  bool absent = false;  ///< the row has no place there by now: a sorted set's score is NULL
  std::vector<Cell>
      resolved;        ///< after, with kept values taken from the old row where it has them; empty: after
  bool keeps = false;  ///< some column keeps a value that only Redis (or an earlier change) knows

  [[nodiscard]] std::span<const Cell> after() const { return resolved.empty() ? cells.after : resolved; }
};

/// Why a row cannot be written as a whole.
std::string Encoder::not_sent(const Change& change) const {
  std::string text = "the update was sent without the value of column ";
  for (std::size_t i = 0; i < change.after().size(); ++i) {
    if (!is_kept(change.after()[i]) || !change.plan->written[i]) continue;
    text += change.plan->schema->columns[i].name;
    break;
  }
  const bool kept = traits_of(target_.type).has_fields;  // it is the key that changes
  return text +
         (kept ? ", which cannot be carried into another document"
               : ", which target.type: " + std::string(traits_of(target_.type).name) +
                     " cannot keep as it is") +
         "; ALTER TABLE ... REPLICA IDENTITY FULL makes the source send it";
}

void Encoder::begin(const ReadBatch& rows, bool replayed) {
  replayed_ = replayed;
  overlay_.output = output_;
  const Batch& batch = *rows.batch;
  if (overlay_.batches.empty() || overlay_.batches.back().batch != rows.batch) {
    overlay_.batches.push_back({rows.batch, rows.stream, rows.sequence, rows.resent});
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

bool Encoder::is_entry(const Overlay::Entry& entry, std::size_t hash, const Id& id) const {
  return entry.hash == hash && entry.key_size == id.key_size &&
         std::string_view(overlay_.keys).substr(entry.key_offset, entry.key_size + entry.member_size) ==
             id.text;
}

std::int32_t Encoder::find(const Id& id) const {
  if (slots_.empty()) return -1;
  const std::size_t hash = std::hash<std::string_view>()(id.text);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (is_entry(overlay_.entries[slots_[at] - 1], hash, id))
      return static_cast<std::int32_t>(slots_[at] - 1);
  }
  return -1;
}

Overlay::Entry& Encoder::add_entry(const Id& id, std::size_t hash) {
  Overlay::Entry entry;
  entry.hash = hash;
  entry.key_offset = static_cast<std::uint32_t>(overlay_.keys.size());
  entry.key_size = static_cast<std::uint32_t>(id.key_size);
  entry.member_size = static_cast<std::uint32_t>(id.text.size() - id.key_size);
  overlay_.keys += id.text;
  return overlay_.entries.emplace_back(entry);
}

std::uint32_t Encoder::find_or_add(const Id& id, bool& found) {
  if (overlay_.entries.size() * 2 >= slots_.size()) grow();
  const std::size_t hash = std::hash<std::string_view>()(id.text);
  std::size_t at = hash & (slots_.size() - 1);
  for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    found = is_entry(overlay_.entries[slots_[at] - 1], hash, id);
    if (found) return slots_[at] - 1;
  }
  found = false;
  add_entry(id, hash);
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

void Encoder::put(const Id& id, const Change& change, Overlay::Action action, std::int32_t image) {
  bool found = false;
  Overlay::Entry& entry = overlay_.entries[find_or_add(id, found)];
  link_row(entry, change.row, !found);
  entry.action = action;
  entry.is_parked = false;
  entry.image = image;
  entry.plan = change.plan;
}

/// The row of `change` is at `id` no longer.
void Encoder::leave(const Id& id, const Change& change) {
  const std::int32_t at = find(id);
  if (at >= 0 && is_of_another_row(overlay_.entries[static_cast<std::size_t>(at)], change)) return;
  remove(id, change.row, *change.plan);
}

/// The same of a row that is parked, where it has left a key.
void Encoder::leave_parked(const Change& change) {
  if (change.old_id.empty()) return;
  leave(change.old_id, change);
  Overlay::Entry& entry = overlay_.entries[static_cast<std::size_t>(find(change.old_id))];
  entry.is_parked = entry.action == Overlay::Action::kDelete;
}

/// Whether another row has moved to the key that this one leaves only now: rows may change places when the
/// key is checked at the end of the transaction only. The source then sends old rows whole, so they tell.
bool Encoder::is_of_another_row(const Overlay::Entry& entry, const Change& change) const {
  if (!entry.moved_here || entry.action == Overlay::Action::kDelete || entry.plan != change.plan)
    return false;
  const Batch* batch = overlay_.batches.back().batch.get();
  const std::vector<CellRef> there = cells_of(entry);
  const std::span<const Cell> before = change.cells.before;
  for (std::size_t i = 0; i < std::min(before.size(), there.size()); ++i) {
    if (is_missing(before[i]) || is_missing(there[i].cell)) continue;
    if (!same_value(*batch, before[i], *there[i].batch, there[i].cell)) return true;
  }
  return false;
}

void Encoder::remove(const Id& id, std::uint32_t row, const TablePlan& plan) {
  bool found = false;
  Overlay::Entry& entry = overlay_.entries[find_or_add(id, found)];
  link_row(entry, row, !found);
  entry.action = Overlay::Action::kDelete;
  entry.is_parked = false;
  entry.moved_here = false;
  entry.image = -1;
  entry.plan = entry.gone = &plan;
}

std::vector<CellRef> Encoder::cells_of(const Overlay::Entry& entry) const {
  const RowCells cells = overlay_.cells(entry);
  std::vector<CellRef> out;
  out.reserve(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) out.push_back({&cells.batch(i), cells[i]});
  return out;
}

/// The change's columns over those of `base` (none: over nothing), kept as an image. Columns of a base of
/// another version are known by their names.
std::int32_t Encoder::merged_image(const Change& change, const Overlay::Entry* base, bool& complete) {
  const Batch* batch = overlay_.batches.back().batch.get();
  const auto after = change.after();
  std::vector<CellRef> image;
  if (base != nullptr && base->plan == change.plan) image = cells_of(*base);
  image.resize(after.size(), {batch, Cell{CellType::kUnchanged, {0, 0, 0}, 0, 0}});
  if (base != nullptr && base->plan != change.plan) {
    const std::vector<CellRef> cells = cells_of(*base);
    const auto& names = base->plan->schema->columns;
    for (std::size_t i = 0; i < image.size(); ++i) {
      const auto same = [&](const ColumnSchema& column) {
        return column.name == change.plan->schema->columns[i].name;
      };
      const auto at = static_cast<std::size_t>(std::ranges::find_if(names, same) - names.begin());
      if (at < cells.size()) image[i] = cells[at];
    }
  }
  complete = true;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (!is_kept(after[i])) image[i] = {batch, after[i]};
    if (is_kept(image[i].cell) && change.plan->written[i]) complete = false;
  }
  overlay_.images.push_back(std::move(image));
  return static_cast<std::int32_t>(overlay_.images.size() - 1);
}

const TablePlan& Encoder::plan_of(const Row& row) {
  const Batch& batch = *overlay_.batches.back().batch;
  const TablePlan*& plan = plan_of_[row.topic * batch.schemas().size() + row.schema];
  if (plan == nullptr) plan = &plans_.plan(batch.topics()[row.topic], batch.schemas()[row.schema]);
  return *plan;
}

/// Key and member of the row with these cells; nothing on success, else why there are none.
std::optional<std::string> Encoder::append_id(std::string& out, Id& id, const TablePlan& plan,
                                              std::span<const Cell> cells) const {
  const Batch& batch = *overlay_.batches.back().batch;
  out.clear();
  auto error = plan.key->append(out, batch, cells);
  id.key_size = out.size();
  if (!error && plan.nest) {
    error = plan.nest->append(out, *plan.member, RowCells(batch, cells));
  } else if (!error && plan.member) {
    error = plan.member->append(out, RowCells(batch, cells));
  }
  id.text = out;
  if (error) id = {};  // the half of one may be that of another row
  return error;
}

/// Values that were not sent, taken from the old row where it has them.
void Encoder::resolve_kept(Change& change) const {
  const Row& r = change.cells;
  if (r.op != Op::kUpdate || std::none_of(r.after.begin(), r.after.end(), is_kept)) return;
  change.resolved.assign(r.after.begin(), r.after.end());
  for (std::size_t i = 0; i < r.after.size(); ++i) {
    if (is_kept(change.resolved[i]) && i < r.before.size() && !is_missing(r.before[i]))
      change.resolved[i] = r.before[i];
    if (is_kept(change.resolved[i]) && change.plan->written[i]) change.keeps = true;
  }
}

std::optional<std::string> Encoder::work_out(std::uint32_t row, Change& change) {
  change.row = row;
  change.cells = overlay_.batches.back().batch->row(row);
  const Row& r = change.cells;
  const TablePlan& plan = plan_of(r);
  change.plan = &plan;
  if (!plan.error.empty()) return plan.error;
  if (r.op == Op::kDelete) return work_out_delete(change);
  if (r.after.size() != plan.schema->columns.size()) return "the change was sent without its row";
  resolve_kept(change);
  auto error = append_id(new_key_, change.id, plan, change.after());
  change.absent = plan.score && change.after()[*plan.score].type == CellType::kNull;
  if (has_no_parent(plan, change.after())) {
    change.absent = true;
    change.id = {};
    new_key_.clear();
    error.reset();
  }
  return r.op == Op::kUpdate ? work_out_old_key(change, std::move(error)) : error;
}

/// A row's old cells by column; of a plain record only its key.
std::vector<Cell> Encoder::old_cells(const Row& row, const TableSchema& schema) const {
  std::vector<Cell> cells(row.before.begin(), row.before.end());
  if (!cells.empty() || row.key.size() != schema.key_columns.size()) return cells;
  cells.assign(schema.columns.size(), Cell{CellType::kAbsent, {0, 0, 0}, 0, 0});
  for (std::size_t i = 0; i < row.key.size(); ++i) cells[schema.key_columns[i]] = row.key[i];
  return cells;
}

std::optional<std::string> Encoder::work_out_delete(Change& change) {
  const TableSchema& schema = *change.plan->schema;
  const std::vector<Cell> cells = old_cells(change.cells, schema);
  if (cells.size() != schema.columns.size()) return "the delete was sent without the old row's key";
  if (has_no_parent(*change.plan, cells)) return std::nullopt;
  return append_id(new_key_, change.id, *change.plan, cells);
}

/// A row that names no parent is in no document, and that is no fault. A parent that lies in a document
/// itself is named by columns of target.nest too.
bool Encoder::has_no_parent(const TablePlan& plan, std::span<const Cell> cells) const {
  const auto is_null = [cells](std::uint16_t column) { return cells[column].type == CellType::kNull; };
  return plan.nest && (std::ranges::any_of(plan.key->columns(), is_null) ||
                       std::ranges::any_of(plan.nest->columns(), is_null));
}

/// `error`: why there is no new key. The old one is worked out all the same: its document must go.
std::optional<std::string> Encoder::work_out_old_key(Change& change, std::optional<std::string> error) {
  const Row& r = change.cells;
  if (r.before.empty()) {
    if (error || change.plan->within_table_key) return error;
    return (change.plan->member ? "target.key or target.member uses a column outside the key of table "
                                : "target.key uses a column outside the key of table ") +
           change.plan->schema->table +
           ", and the update was sent without the old row; ALTER TABLE ... REPLICA IDENTITY FULL makes the "
           "source send it";
  }
  if (r.before.size() != change.plan->schema->columns.size())
    return "the change was sent with half of its old row";
  const auto was_null = [&r](std::uint16_t c) { return r.before[c].type == CellType::kNull; };
  if (std::ranges::any_of(change.plan->key->columns(), was_null) || has_no_parent(*change.plan, r.before))
    return error;  // had no key, was parked, or lay in no document
  auto no_old_key = append_id(old_key_, change.old_id, *change.plan, r.before);
  const bool same = old_key_ == new_key_ && change.old_id.key_size == change.id.key_size;
  if (no_old_key || (!error && same)) change.old_id = {};
  return error ? error : no_old_key;
}

Encoder::Taken Encoder::add(std::uint32_t row, std::vector<Rejected>& rejected) {
  const Op op = overlay_.batches.back().batch->records()[row].op;
  if (op == Op::kMessage || op == Op::kSchema || op == Op::kBegin || op == Op::kEnd) return Taken::kYes;
  if (traits_of(target_.type).is_history) {
    add_event(row, rejected);
    return Taken::kYes;
  }
  if (op == Op::kTruncate && !replayed_) return Taken::kTruncate;
  if (op == Op::kTruncate) {
    truncate_overlaid(row, rejected);
    return Taken::kYes;
  }
  Change change;
  if (const auto error = work_out(row, change)) {
    leave_parked(change);
    reject(row, change.id, *error, rejected);
    return Taken::kYes;
  }
  if (op == Op::kDelete || change.absent) {
    if (!change.old_id.empty()) leave(change.old_id, change);
    if (!change.id.empty()) leave(change.id, change);
    return Taken::kYes;
  }
  return change.old_id.empty() ? add_change(change, rejected) : add_moved(change, rejected);
}

/// Each change is an entry of its own, under the key of the row as it is, and under that of the row as it was
/// when that is another: who reads one of them sees the row come or go.
void Encoder::add_event(std::uint32_t row, std::vector<Rejected>& rejected) {
  Change change;
  change.row = row;
  change.cells = overlay_.batches.back().batch->row(row);
  const Row& r = change.cells;
  const TablePlan& plan = plan_of(r);
  change.plan = &plan;
  if (!plan.error.empty()) return reject(row, {}, plan.error, rejected);
  if (plan.key->columns().empty()) {
    static_cast<void>(append_id(new_key_, change.id, plan, {}));
    return add_event_to(change.id, change);
  }
  const std::size_t columns = plan.schema->columns.size();
  if (r.op == Op::kTruncate) {
    return reject(row, {}, "target.key is made of columns, so a TRUNCATE has no stream to be told in",
                  rejected);
  }
  std::optional<std::string> error;
  if (r.op != Op::kDelete) {
    error = r.after.size() == columns ? append_id(new_key_, change.id, plan, r.after)
                                      : "the change was sent without its row";
    if (error) return reject(row, change.id, *error, rejected);
    add_event_to(change.id, change);
  }
  const std::vector<Cell> old = old_cells(r, *plan.schema);
  error = old.size() == columns ? append_id(old_key_, change.old_id, plan, old)
                                : "the delete was sent without the old row's key";
  if (r.op == Op::kDelete && error) return reject(row, {}, *error, rejected);
  // An old row of which only some columns were sent tells no other key: it is the same.
  if (!error && (r.op == Op::kDelete || old_key_ != new_key_)) add_event_to(change.old_id, change);
}

void Encoder::add_event_to(const Id& id, Change& change) {
  resolve_kept(change);
  bool complete = true;
  const std::int32_t image = change.resolved.empty() ? -1 : merged_image(change, nullptr, complete);
  Overlay::Entry& entry = add_entry(id, 0);
  link_row(entry, change.row, true);
  entry.action = Overlay::Action::kEvent;
  entry.image = image;
  entry.plan = change.plan;
}

Encoder::Taken Encoder::add_change(const Change& change, std::vector<Rejected>& rejected) {
  bool complete = true;
  if (!change.keeps) {
    put(change.id, change, Overlay::Action::kPut,
        change.resolved.empty() ? -1 : merged_image(change, nullptr, complete));
    return Taken::kYes;
  }
  const std::int32_t at = find(change.id);
  if (at < 0) {
    if (!traits_of(target_.type).has_fields) {
      reject(change.row, change.id, not_sent(change), rejected);
      return Taken::kYes;
    }
    put(change.id, change, Overlay::Action::kPatch, merged_image(change, nullptr, complete));
    return Taken::kYes;
  }
  const Overlay::Entry base = overlay_.entries[static_cast<std::size_t>(at)];
  if (base.action == Overlay::Action::kDelete) {
    reject(change.row, change.id, "the update keeps values of a row that was deleted before it", rejected);
    return Taken::kYes;
  }
  const bool other_version = base.plan != change.plan;
  if (other_version && !replayed_) return Taken::kFlush;
  const std::int32_t image = merged_image(change, &base, complete);
  const bool whole = (base.action == Overlay::Action::kPut && !other_version) || complete;
  put(change.id, change, whole ? Overlay::Action::kPut : Overlay::Action::kPatch, image);
  return Taken::kYes;
}

Encoder::Taken Encoder::add_moved(const Change& change, std::vector<Rejected>& rejected) {
  bool complete = true;
  std::int32_t image = -1;
  Overlay::Action action = Overlay::Action::kPut;
  if (change.keeps) {
    const std::int32_t at = find(change.old_id);
    const Overlay::Entry base = at < 0 ? Overlay::Entry{} : overlay_.entries[static_cast<std::size_t>(at)];
    const bool other_version = at >= 0 && base.plan != change.plan;
    const bool known = at >= 0 && base.action == Overlay::Action::kPut && !(other_version && replayed_);
    if (!known && !target_.can_move()) {
      leave_parked(change);
      reject(change.row, change.id, not_sent(change), rejected);
      return Taken::kYes;
    }
    if (!known && !replayed_) return Taken::kMove;
    const bool use_base = at >= 0 && base.action != Overlay::Action::kDelete;
    if (use_base && other_version && !replayed_) return Taken::kFlush;
    image = merged_image(change, use_base ? &base : nullptr, complete);
    if (!known && !complete) action = Overlay::Action::kPatch;
  } else if (!change.resolved.empty()) {
    image = merged_image(change, nullptr, complete);
  }
  leave(change.old_id, change);
  put(change.id, change, action, image);
  overlay_.entries[static_cast<std::size_t>(find(change.id))].moved_here = true;
  return Taken::kYes;
}

void Encoder::reject(std::uint32_t row, const Id& id, const std::string& error,
                     std::vector<Rejected>& rejected) const {
  overlay_.reject_row({static_cast<std::uint32_t>(overlay_.batches.size() - 1), row}, id.key(),
                      id.text.substr(id.key_size), error, rejected);
}

Overlay Encoder::take_move(std::uint32_t row, std::string& from, std::vector<Rejected>& rejected) {
  MILLRACE_CHECK(overlay_.empty());
  Change change;
  if (const auto error = work_out(row, change)) {
    reject(row, change.id, *error, rejected);
    return {};
  }
  bool complete = false;
  from = change.old_id.key();
  put(change.id, change, Overlay::Action::kPatch, merged_image(change, nullptr, complete));
  overlay_.entries.front().moved_here = true;
  overlay_.moved_from = from;
  const Overlay::Source source = overlay_.batches.back();
  Overlay out = take();
  overlay_.output = output_;
  overlay_.batches.push_back(source);  // the batch goes on
  return out;
}

/// What was put under the topic's keys before is not there by now. Redis itself has been through this.
void Encoder::truncate_overlaid(std::uint32_t row, std::vector<Rejected>& rejected) {
  const std::vector<RowKey> keys = topic_keys(row, rejected);
  const std::string_view topic =
      overlay_.batches.back().batch->topics()[overlay_.batches.back().batch->records()[row].topic];
  for (Overlay::Entry& entry : overlay_.entries) {
    const std::string_view key = overlay_.key(entry);
    if (target_.nests() && entry.plan->topic != topic) continue;  // documents of others
    if (std::ranges::none_of(keys, [key](const RowKey& one) { return one.matches(key); })) continue;
    entry.action = Overlay::Action::kDelete;
    entry.moved_here = false;
    entry.image = -1;
  }
}

const TablePlan& Encoder::topic_plan(std::uint32_t row) {
  const Batch& batch = *overlay_.batches.back().batch;
  const Row r = batch.row(row);
  return plans_.plan(batch.topics()[r.topic], batch.schemas()[r.schema]);
}

std::vector<RowKey> Encoder::topic_keys(std::uint32_t row, std::vector<Rejected>& rejected) {
  const TablePlan& plan = topic_plan(row);
  const std::span<const RowKey> keys = plans_.keys_of(plan.topic);
  if (keys.empty() || (target_.merge && !plan.error.empty())) {  // its own members are not known either
    reject(row, {}, plan.error, rejected);
    return {};
  }
  return {keys.begin(), keys.end()};
}

}  // namespace millrace::redis
