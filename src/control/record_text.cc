#include "control/record_text.h"

#include "format/json_writer.h"
#include "format/row_json.h"
#include "format/time_text.h"

namespace millrace {
namespace {

std::string_view op_name(Op op) {
  switch (op) {
    case Op::kRead:
      return "read";
    case Op::kInsert:
      return "insert";
    case Op::kUpdate:
      return "update";
    case Op::kDelete:
      return "delete";
    case Op::kTruncate:
      return "truncate";
    case Op::kMessage:
      return "message";
    case Op::kSchema:
      return "schema";
    case Op::kBegin:
      return "begin";
    case Op::kEnd:
      break;
  }
  return "end";
}

}  // namespace

std::optional<RecordFormat> parse_record_format(std::string_view text) {
  if (text == "json") return RecordFormat::kJson;
  if (text == "debezium") return RecordFormat::kDebezium;
  return std::nullopt;
}

Status append_record(std::string& out, std::string_view topic, const TopicRow& at, RecordFormat format) {
  if (format == RecordFormat::kDebezium) return stop_error("the debezium format is not there yet");
  const std::size_t begin = out.size();
  const Row row = at.batch->row(at.row);
  const TransactionRecord& transaction = at.batch->transaction(row);
  out += R"({"topic":)";
  append_json_name(out, topic);
  out += R"(,"offset":)";
  append_json_uint(out, at.offset);
  out += R"(,"op":")";
  out += op_name(row.op);
  out += R"(","commit":)";
  append_json_name(out, at.batch->commit(transaction));
  out += R"(,"index":)";
  append_json_uint(out, row.index);
  out += R"(,"committed_at":")";
  append_timestamp(out, transaction.commit_us, "Z");
  out += '"';
  const RowJsonWriter writer(at.batch->schemas()[row.schema], {});
  for (const bool is_before : {true, false}) {
    const std::span<const Cell> cells = is_before ? row.before : row.after;
    if (cells.empty()) continue;
    out += is_before ? R"(,"before":)" : R"(,"after":)";
    if (Status done = writer.append(out, *at.batch, cells); !done) {
      out.resize(begin);
      return done;
    }
  }
  out += '}';
  return {};
}

}  // namespace millrace
