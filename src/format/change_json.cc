#include "format/change_json.h"

#include "format/debezium_value.h"
#include "format/json_writer.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxWriters = 1024;

bool is_row(Op op) { return op <= Op::kDelete; }

void append_text(std::string& out, std::string_view prefix, std::string_view text) {
  out += prefix;
  append_json_name(out, text);
}

void append_number(std::string& out, std::string_view prefix, std::int64_t number) {
  out += prefix;
  append_json_int(out, number);
}

/// after = {prefix, content, transactional}; the content may be any bytes.
void append_message(std::string& out, const Batch& batch, const Row& row) {
  out += "\"message\":{";
  if (row.after.size() >= 2) {
    const auto bytes = [&batch](const Cell& cell) {
      return storage_of(cell.type) == CellStorage::kBytes ? batch.bytes(cell) : std::string_view();
    };
    append_text(out, "\"prefix\":", bytes(row.after[0]));
    out += ",\"content\":\"";
    append_base64(out, bytes(row.after[1]));
    out += '"';
  }
  out += '}';
}

Status append_debezium_row(std::string& out, const Batch& batch, const TableSchema& schema,
                           std::span<const Cell> cells) {
  if (cells.empty() || cells.size() != schema.columns.size()) {
    out += "null";
    return {};
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    out += i == 0 ? '{' : ',';
    append_json_name(out, schema.columns[i].name);
    out += ':';
    if (append_debezium_value(out, batch, cells[i], schema.columns[i])) continue;
    return reject_error("column " + schema.columns[i].name + " of " + schema.schema + "." + schema.table +
                        " holds text that is not UTF-8");
  }
  out += '}';
  return {};
}

/// `shop` of `shop.public.flights`.
std::string_view topic_prefix(std::string_view topic, const TableSchema& schema) {
  const std::size_t tail = schema.schema.size() + schema.table.size() + 2;
  return topic.size() > tail ? topic.substr(0, topic.size() - tail) : topic;
}

}  // namespace

std::string_view op_code(Op op) {
  switch (op) {
    case Op::kRead:
      return "r";
    case Op::kInsert:
      return "c";
    case Op::kUpdate:
      return "u";
    case Op::kDelete:
      return "d";
    case Op::kTruncate:
      return "t";
    case Op::kMessage:
      return "m";
    case Op::kSchema:
      return "schema";
    case Op::kBegin:
      return "begin";
    case Op::kEnd:
      return "end";
  }
  return "";
}

const RowJsonWriter& ChangeJsonWriter::writer(const TableSchemaPtr& schema) {
  if (writers_.size() > kMaxWriters) writers_.clear();
  auto& slot = writers_[schema.get()];  // the writer holds the schema, so its address stays taken
  if (!slot) slot = std::make_unique<RowJsonWriter>(schema, JsonOptions());
  return *slot;
}

Status ChangeJsonWriter::append_key(std::string& out, const Batch& batch, const Row& row,
                                    const RowJsonWriter& writer) const {
  const auto& columns = writer.schema().key_columns;
  const auto& image = row.op == Op::kDelete ? row.before : row.after;
  if (columns.empty() || image.size() != writer.schema().columns.size()) {
    out += "null";
    return {};
  }
  bool first = true;
  out += '{';
  for (const std::uint16_t column : columns) {
    Cell cell = image[column];
    if (is_missing(cell) && column < row.before.size()) cell = row.before[column];
    MILLRACE_TRY(writer.append_member(out, batch, column, cell, first));
    first = false;
  }
  out += '}';
  return {};
}

Status ChangeJsonWriter::append_plain(std::string& out, const Batch& batch, const Row& row,
                                      std::uint64_t offset) {
  const TableSchemaPtr& schema = batch.schemas()[row.schema];
  const TransactionRecord& transaction = batch.transaction(row);
  append_text(out, "{\"topic\":", batch.topics()[row.topic]);
  out += ",\"offset\":";
  append_json_uint(out, offset);
  append_text(out, ",\"op\":", op_code(row.op));
  out += ',';
  if (row.op == Op::kMessage) {
    append_message(out, batch, row);
  } else {
    const RowJsonWriter& json = writer(schema);
    out += "\"key\":";
    MILLRACE_TRY(append_key(out, batch, row, json));
    for (const auto& [name, cells] :
         {std::pair(",\"before\":", row.before), std::pair(",\"after\":", row.after)}) {
      out += name;
      if (is_row(row.op) && !cells.empty() && cells.size() == schema->columns.size()) {
        MILLRACE_TRY(json.append(out, batch, cells));
      } else {
        out += "null";
      }
    }
  }
  append_text(out, ",\"source\":{\"db\":", schema->database);
  append_text(out, ",\"schema\":", schema->schema);
  append_text(out, ",\"table\":", schema->table);
  append_number(out, ",\"schema_id\":", schema->id);
  append_text(out, ",\"commit\":", batch.commit(transaction));
  out += ",\"lsn\":";
  append_json_uint(out, row.source_offset);
  out += ",\"tx\":";
  append_json_uint(out, transaction.id);
  append_number(out, ",\"index\":", row.index);
  append_number(out, "},\"ts_us\":", transaction.commit_us);
  out += '}';
  return {};
}

Status ChangeJsonWriter::append_debezium(std::string& out, const Batch& batch, const Row& row) const {
  const TableSchema& schema = batch.schema(row);
  const TransactionRecord& transaction = batch.transaction(row);
  out += '{';
  if (row.op == Op::kMessage) {
    append_message(out, batch, row);
  } else {
    out += "\"before\":";
    MILLRACE_TRY(
        append_debezium_row(out, batch, schema, is_row(row.op) ? row.before : std::span<const Cell>()));
    out += ",\"after\":";
    MILLRACE_TRY(
        append_debezium_row(out, batch, schema, is_row(row.op) ? row.after : std::span<const Cell>()));
  }
  append_text(out, ",\"source\":{\"version\":", "millrace");
  append_text(out, ",\"connector\":", "postgresql");
  append_text(out, ",\"name\":", topic_prefix(batch.topics()[row.topic], schema));
  append_number(out, ",\"ts_ms\":", transaction.commit_us / 1000);
  append_text(out, ",\"snapshot\":", row.op == Op::kRead ? "true" : "false");
  append_text(out, ",\"db\":", schema.database);
  append_number(out, ",\"sequence\":null,\"ts_us\":", transaction.commit_us);
  append_number(out, ",\"ts_ns\":", transaction.commit_us * 1000);
  append_text(out, ",\"schema\":", schema.schema);
  append_text(out, ",\"table\":", schema.table);
  out += ",\"txId\":";
  append_json_uint(out, transaction.id);
  out += ",\"lsn\":";
  append_json_uint(out, row.source_offset);
  append_text(out, ",\"xmin\":null,\"origin\":null,\"origin_lsn\":null},\"transaction\":null,\"op\":",
              op_code(row.op));
  append_number(out, ",\"ts_ms\":", batch.received_us() / 1000);
  append_number(out, ",\"ts_us\":", batch.received_us());
  append_number(out, ",\"ts_ns\":", batch.received_us() * 1000);
  out += '}';
  return {};
}

Status ChangeJsonWriter::append(std::string& out, const Batch& batch, std::size_t row, std::uint64_t offset) {
  const std::size_t start = out.size();
  const Row change = batch.row(row);
  Status done =
      form_ == Form::kPlain ? append_plain(out, batch, change, offset) : append_debezium(out, batch, change);
  if (!done) out.resize(start);
  return done;
}

}  // namespace millrace
