#include "event/batch_builder.h"

#include <algorithm>
#include <limits>

#include "base/checksum.h"
#include "event/image.h"

namespace millrace {
namespace {

template <typename T>
std::string_view raw(const T* data, std::size_t count) {
  return {reinterpret_cast<const char*>(data), count * sizeof(T)};  // NOLINT: the bytes of a plain struct
}

void append_part(std::string& out, std::string_view part) {
  out.append(part);
  out.resize(padded(out.size()));
}

constexpr std::size_t kMaxU16 = std::numeric_limits<std::uint16_t>::max();

}  // namespace

std::uint16_t BatchBuilder::schema(const TableSchemaPtr& schema) {
  for (std::size_t i = schemas_.size(); i-- > 0;) {
    if (schemas_[i] == schema) return static_cast<std::uint16_t>(i);
  }
  MILLRACE_CHECK(schema != nullptr && schemas_.size() < kMaxU16);
  schemas_.push_back(schema);
  return static_cast<std::uint16_t>(schemas_.size() - 1);
}

std::uint16_t BatchBuilder::topic(std::string_view name) {
  for (std::size_t i = topics_.size(); i-- > 0;) {
    if (topics_[i] == name) return static_cast<std::uint16_t>(i);
  }
  MILLRACE_CHECK(topics_.size() < kMaxU16);
  topics_.emplace_back(name);
  return static_cast<std::uint16_t>(topics_.size() - 1);
}

std::uint32_t BatchBuilder::begin_transaction(std::string_view commit, std::uint64_t id, std::int64_t commit_us) {
  const Cell text = put_bytes(CellType::kText, commit);
  transactions_.push_back({id, commit_us, static_cast<std::uint32_t>(text.word), text.size});
  return static_cast<std::uint32_t>(transactions_.size() - 1);
}

BatchPtr BatchBuilder::seal() {
  if (rows_.empty()) return nullptr;
  MILLRACE_CHECK(bytes_.size() <= std::numeric_limits<std::uint32_t>::max());
  MILLRACE_CHECK(cells_.size() <= std::numeric_limits<std::uint32_t>::max());
  std::shared_ptr<Batch> batch(new Batch());  // NOLINT: the constructor is the builder's alone

  const bool open = complete_rows_ < rows_.size() && !transactions_.empty();
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
  complete_rows_ = 0;
  received_us_ = 0;
}

void Batch::finish(const std::vector<std::string>& topics) {
  std::string names;
  std::vector<TopicRecord> topic_records;
  for (const std::string& topic : topics) {
    topic_records.push_back({static_cast<std::uint32_t>(names.size()), static_cast<std::uint32_t>(topic.size())});
    names += topic;
  }
  std::vector<std::uint32_t> schema_ids;
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
}

}  // namespace millrace
