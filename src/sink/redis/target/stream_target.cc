#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "format/json_writer.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/target/stream_script.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

/// Debezium's letters.
std::string_view op_letter(Op op) {
  switch (op) {
    case Op::kRead:
      return "r";
    case Op::kInsert:
      return "c";
    case Op::kUpdate:
      return "u";
    case Op::kDelete:
      return "d";
    default:
      return "t";
  }
}

/// Each change is an entry whose id is its place in the log, so Redis itself refuses it a second time.
class StreamWriter final : public TargetWriter {
 public:
  explicit StreamWriter(const Target& target)
      : max_length_(target.max_length), in_cluster_(target.in_cluster) {}

  [[nodiscard]] std::vector<std::string_view> scripts() const override { return {kAddEvent}; }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    const Overlay::Source& source = item.overlay.batches[item.entry.last.batch];
    const Batch& batch = *source.batch;
    const Row row = batch.row(item.entry.last.row);
    std::vector<std::pair<std::string_view, std::string>> fields;
    fields.emplace_back("op", op_letter(row.op));
    fields.emplace_back("topic", batch.topics()[row.topic]);
    fields.emplace_back("ts_us", std::to_string(batch.transaction(row).commit_us));
    const std::size_t columns = item.plan.schema->columns.size();
    if (row.op != Op::kTruncate && row.before.size() == columns) {
      MILLRACE_TRY(item.plan.document->append(fields.emplace_back("before", "").second, {batch, row.before}));
    }
    if (row.op != Op::kTruncate && row.op != Op::kDelete && item.cells.size() == columns) {
      MILLRACE_TRY(item.plan.document->append(fields.emplace_back("after", "").second, item.cells));
      std::string unchanged = unchanged_columns(item);
      if (!unchanged.empty()) fields.emplace_back("unchanged", std::move(unchanged));
    }
    const std::string id = std::to_string(source.sequence) + "-" + std::to_string(item.entry.last.row + 1);
    const bool chained = in_cluster_ && !source.resent;
    append_header(out, 8 + 2 * fields.size());
    append_argument(out, "EVALSHA");
    append_argument(out, script(0));
    append_argument(out, "1");
    append_argument(out, item.key);
    append_argument(out, id);
    append_argument(out, max_length_);
    append_argument(out, source.resent ? "resent" : "");
    append_argument(out, chained ? last_sent_[std::string(item.key)] : std::string_view());
    for (const auto& [name, value] : fields) {
      MILLRACE_TRY(check_size(item.plan, value.size()));
      append_argument(out, name);
      append_argument(out, value);
    }
    if (chained) last_sent_[std::string(item.key)] = id;
    return {};
  }

  void forget_sent() override { last_sent_.clear(); }
  [[nodiscard]] std::size_t sent() const override { return last_sent_.size(); }

  void remove(std::string& /*out*/, const Item& /*item*/) override { MILLRACE_CHECK(false); }

 private:
  /// Names of the columns whose values the source did not send, as a JSON list.
  static std::string unchanged_columns(const Item& item) {
    std::string out;
    for (const DocumentField& field : item.plan.document->fields()) {
      if (item.plan.document->presence(field, item.cells) != DocumentLayout::Presence::kKept) continue;
      out += out.empty() ? '[' : ',';
      append_json_name(out, field.name);
    }
    if (!out.empty()) out += ']';
    return out;
  }

  std::int64_t max_length_;
  bool in_cluster_;
  /// By stream. A cluster may refuse an entry and take the next one, as each is a command of its own; the ids
  /// then say that the first has been there before. So each entry names the one that must be there.
  std::unordered_map<std::string, std::string> last_sent_;
};

}  // namespace

std::unique_ptr<TargetWriter> make_stream_writer(const Target& target) {
  return std::make_unique<StreamWriter>(target);
}

}  // namespace millrace::redis
