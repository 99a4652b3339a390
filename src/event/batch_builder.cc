#include "event/batch_builder.h"

#include <algorithm>

#include "base/checksum.h"
#include "event/image.h"
#include "event/image_check.h"

namespace millrace {
namespace {

template <typename T>
std::string_view raw(const T* data, std::size_t count) {
  return {reinterpret_cast<const char*>(data), count * sizeof(T)};
}

void append_part(std::string& out, std::string_view part) {
  out.append(part);
  out.resize(padded(out.size()));
}

constexpr std::size_t kMaxBatchBytes = std::size_t{1} << 30U;

}  // namespace

BatchBuilder::BatchBuilder(BatchLimits limits) : limits_(limits) {
  // Offsets are 32 bits wide, and the row that passes the limit must still fit.
  limits_.bytes = std::min(limits_.bytes, kMaxBatchBytes);
}

std::uint16_t BatchBuilder::schema(const TableSchemaPtr& schema) {
  MILLRACE_CHECK(schema != nullptr && schema->id != 0);
  if (!schemas_.empty() && schemas_[last_schema_] == schema) return last_schema_;
  const auto [found, is_new] =
      schema_index_.try_emplace(schema->id, static_cast<std::uint16_t>(schemas_.size()));
  if (is_new) {
    MILLRACE_CHECK(schemas_.size() < kMaxNames);
    schemas_.push_back(schema);
  }
  last_schema_ = found->second;
  // Rows are read back under the schema of this id: two that share one would mix up their columns.
  MILLRACE_CHECK(schemas_[last_schema_]->columns.size() == schema->columns.size());
  return last_schema_;
}

std::uint16_t BatchBuilder::topic(std::string_view name) {
  if (!topics_.empty() && topics_[last_topic_] == name) return last_topic_;
  const auto found = topic_index_.find(name);
  if (found != topic_index_.end()) return last_topic_ = found->second;
  MILLRACE_CHECK(topics_.size() < kMaxNames);
  last_topic_ = static_cast<std::uint16_t>(topics_.size());
  topics_.emplace_back(name);
  topic_index_.emplace(name, last_topic_);
  return last_topic_;
}

std::uint32_t BatchBuilder::begin_transaction(std::string_view commit, std::uint64_t id,
                                              std::int64_t commit_us) {
  const bool last_is_unused =
      !transactions_.empty() && (rows_.empty() || rows_.back().transaction + 1 < transactions_.size());
  if (last_is_unused) {
    const TransactionRecord& last = transactions_.back();
    if (last.commit_offset + std::size_t{last.commit_size} == bytes_.size())
      bytes_.resize(last.commit_offset);
    transactions_.pop_back();
  }
  MILLRACE_CHECK(bytes_.size() <= kMaxIndex);
  const Cell text = put_bytes(CellType::kText, commit);
  transactions_.push_back({id, commit_us, static_cast<std::uint32_t>(text.word), text.size});
  open_ = true;
  return transaction();
}

void BatchBuilder::add_row(const RowRecord& row) {
  MILLRACE_CHECK(row.schema < schemas_.size() && row.topic < topics_.size());
  MILLRACE_CHECK(row.transaction + std::size_t{1} == transactions_.size());
  const char* fault =
      find_row_shape_fault(row, schemas_[row.schema]->columns.size(), cells_taken_, cells_.size());
  if (fault != nullptr) check_failed(fault, __FILE__, __LINE__);
  cells_taken_ = std::max(cells_taken_, row.first_cell + cell_count(row));
  rows_.push_back(row);
}

BatchPtr BatchBuilder::seal() {
  if (rows_.empty()) return nullptr;
  MILLRACE_CHECK(bytes_.size() <= kMaxIndex);
  const auto batch = std::make_shared<Batch>(Batch::Key());

  // Carried over even when it has no rows in this batch: those to come belong to it.
  const bool open = open_;
  const TransactionRecord last = open ? transactions_.back() : TransactionRecord{};
  const std::string last_commit = open ? bytes_.substr(last.commit_offset, last.commit_size) : std::string();

  batch->complete_rows_ = complete_rows_;
  batch->received_us_ = received_us_;
  batch->schemas_ = std::move(schemas_);
  batch->transactions_ = std::move(transactions_);
  batch->own_rows_ = std::move(rows_);
  batch->own_cells_ = std::move(cells_);
  batch->own_bytes_ = std::move(bytes_);
  batch->own_bytes_.resize(padded(batch->own_bytes_.size()));
  batch->finish(topics_);

  const std::size_t rows_used = batch->own_rows_.size();
  const std::size_t cells_used = batch->own_cells_.size();
  const std::size_t bytes_used = batch->own_bytes_.size();
  clear();
  // The next batch will most likely be as large; what a tail of tiny ones needs is not held back.
  rows_.reserve(std::min(rows_used, limits_.rows));
  cells_.reserve(cells_used);
  bytes_.reserve(bytes_used);
  if (open) begin_transaction(last_commit, last.id, last.commit_us);
  return batch;
}

void BatchBuilder::clear() {
  rows_ = {};
  cells_ = {};
  bytes_ = {};
  transactions_ = {};
  schemas_ = {};
  topics_ = {};
  schema_index_.clear();
  topic_index_.clear();
  last_schema_ = 0;
  last_topic_ = 0;
  open_ = false;
  cells_taken_ = 0;
  complete_rows_ = 0;
  received_us_ = 0;
}

void Batch::finish(const std::vector<std::string>& topics) {
  std::string names;
  std::vector<TopicRecord> topic_records;
  topic_records.reserve(topics.size());
  for (const std::string& topic : topics) {
    topic_records.push_back(
        {static_cast<std::uint32_t>(names.size()), static_cast<std::uint32_t>(topic.size())});
    names += topic;
  }
  std::vector<std::uint32_t> schema_ids;
  schema_ids.reserve(schemas_.size());
  for (const TableSchemaPtr& schema : schemas_) schema_ids.push_back(schema->id);

  append_part(tables_, raw(transactions_.data(), transactions_.size()));
  append_part(tables_, raw(schema_ids.data(), schema_ids.size()));
  append_part(tables_, raw(topic_records.data(), topic_records.size()));
  const std::size_t names_at = tables_.size();
  append_part(tables_, names);
  for (const TopicRecord& record : topic_records) {
    topics_.push_back(std::string_view(tables_).substr(names_at + record.offset, record.size));
  }

  rows_ = own_rows_;
  cells_ = own_cells_;
  bytes_ = own_bytes_;
  const std::string_view rows = raw(own_rows_.data(), own_rows_.size());
  const std::string_view cells = raw(own_cells_.data(), own_cells_.size());

  ImageHeader header;
  header.magic = kImageMagic;
  header.version = kImageVersion;
  header.received_us = received_us_;
  header.byte_count = bytes_.size();
  header.row_count = static_cast<std::uint32_t>(rows_.size());
  header.complete_rows = static_cast<std::uint32_t>(complete_rows_);
  header.cell_count = static_cast<std::uint32_t>(cells_.size());
  header.transaction_count = static_cast<std::uint32_t>(transactions_.size());
  header.schema_count = static_cast<std::uint32_t>(schemas_.size());
  header.topic_count = static_cast<std::uint32_t>(topics.size());
  header.topic_name_bytes = static_cast<std::uint32_t>(names.size());
  header.image_bytes = sizeof(header) + rows.size() + tables_.size() + cells.size() + bytes_.size();
  image_bytes_ = header.image_bytes;

  Checksum sum;
  sum.add(raw(&header, 1).substr(kChecksummedFrom));
  for (const std::string_view part : {rows, std::string_view(tables_), cells, bytes_}) sum.add(part);
  header.checksum = sum.value();
  head_ = raw(&header, 1);
  parts_ = {head_, rows, tables_, cells, bytes_};
#ifndef NDEBUG
  // What a source built wrongly would otherwise be found when the log is read, too late to build it again.
  const char* fault =
      find_image_fault({rows_, cells_, transactions_, schemas_, topics_.size(), bytes_.size()});
  if (fault != nullptr) check_failed(fault, __FILE__, __LINE__);
#endif
}

}  // namespace millrace
