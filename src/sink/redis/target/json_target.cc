#include <string>
#include <vector>

#include "sink/redis/client/resp.h"
#include "sink/redis/target/merge_scripts.h"
#include "sink/redis/target/scripts.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

using Presence = DocumentLayout::Presence;

class JsonWriter final : public TargetWriter {
 public:
  explicit JsonWriter(bool merge) : merge_(merge) {
    if (merge) {
      move_script_ = "local function remove(KEYS, ARGV)\n";
      move_script_ += kRemoveFromJson;
      move_script_ += "\nend\n";
    }
    move_script_ += "local function merge(KEYS, ARGV)\n";
    move_script_ += merge ? kMoveIntoJson : kMergeJson;
    move_script_ += kMoveTail;
  }

  [[nodiscard]] std::vector<std::string_view> scripts() const override {
    return {kMergeJson, kMergeIntoJson, kRemoveFromJson};
  }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    if (merge_) {
      // What an earlier version of the table wrote and the new row has not got is to go with the old one.
      const TablePlan* gone = item.entry.gone;
      if (gone != nullptr && gone != &item.plan) {
        append_command(out, removal(item.key, *gone));
        ++commands;
      }
      return put_into(out, item);
    }
    MILLRACE_TRY(write_document(item));
    if (item.entry.action == Overlay::Action::kPatch) return put_over(out, item, nullptr);
    append_command(out, {"JSON.SET", item.key, "$", document_});
    return {};
  }

  void remove(std::string& out, const Item& item) override {
    if (merge_) return append_command(out, removal(item.key, item.plan));
    append_command(out, {"JSON.DEL", item.key});
  }

  [[nodiscard]] std::vector<std::vector<std::string>> clear(const std::vector<std::string>& keys,
                                                            const TablePlan& plan) const override {
    if (!merge_) return TargetWriter::clear(keys, plan);
    std::vector<std::vector<std::string>> commands;
    commands.reserve(keys.size());
    for (const std::string& key : keys) commands.push_back(removal(key, plan));
    return commands;
  }

  Status move(std::string& out, const Item& item, const Move& move) override {
    MILLRACE_TRY(write_document(item));
    return merge_ ? move_into(out, item, move) : put_over(out, item, &move);
  }

 private:
  /// By the merge script: its name, or its text and the position when the key changes, so that there is no
  /// way for the one to be done without the other.
  Status put_over(std::string& out, const Item& item, const Move* move) {
    kept_.clear();
    for (const DocumentField& field : item.plan.document->fields()) {
      if (item.plan.document->presence(field, item.cells) == Presence::kKept) kept_.push_back(&field);
    }
    const std::size_t arguments = 1 + 2 * kept_.size();
    if (move == nullptr) {
      append_header(out, 5 + arguments);
      for (const std::string_view word : {std::string_view("EVALSHA"), std::string_view(script(0)),
                                          std::string_view("2"), item.key, item.key})
        append_argument(out, word);
    } else {
      append_header(out, 6 + (move->position.size() - 2) + arguments);
      for (const std::string_view word : {std::string_view("EVAL"), std::string_view(move_script_),
                                          std::string_view("3"), move->from, item.key})
        append_argument(out, word);
      for (std::size_t i = 1; i < move->position.size(); ++i) append_argument(out, move->position[i]);
    }
    document_.pop_back();  // the script ends it
    bool empty = document_.size() == 1;
    append_argument(out, document_);
    for (const DocumentField* field : kept_) {
      append_argument(out, field->path);
      const std::string_view prefix = field->nested ? std::string_view() : field->prefix;
      append_argument(out, empty ? prefix.substr(prefix.empty() ? 0 : 1) : prefix);
      if (!field->nested) empty = false;
    }
    return {};
  }

  /// Member by member, from one document that others write into to another.
  Status move_into(std::string& out, const Item& item, const Move& move) {
    const DocumentLayout& layout = *item.plan.document;
    std::vector<std::string> known;
    std::vector<std::string> kept;
    for (const DocumentField& field : layout.fields()) {
      const Presence presence = layout.presence(field, item.cells);
      if (presence == Presence::kKept) kept.push_back(field.path);
      if (presence != Presence::kValue && presence != Presence::kNull) continue;
      known.push_back(field.path);
      MILLRACE_TRY(layout.append_value(known.emplace_back(), field, item.cells));
    }
    std::vector<std::string> words = {"EVAL", move_script_, "3", std::string(move.from),
                                      std::string(item.key)};
    words.insert(words.end(), move.position.begin() + 1, move.position.end());
    words.push_back(document_);
    layout.append_objects(words.emplace_back());
    words.push_back(std::to_string(known.size() / 2));
    words.insert(words.end(), known.begin(), known.end());
    words.push_back(std::to_string(kept.size()));
    words.insert(words.end(), kept.begin(), kept.end());
    append_members(words, item.plan);
    append_command(out, words);
    return {};
  }

  /// The command that takes the members of a row out of the document.
  [[nodiscard]] std::vector<std::string> removal(std::string_view key, const TablePlan& plan) const {
    std::vector<std::string> words = {"EVALSHA", script(2), "1", std::string(key)};
    plan.document->append_objects(words.emplace_back());
    append_members(words, plan);
    return words;
  }

  /// What kRemoveFromJson takes behind the objects.
  static void append_members(std::vector<std::string>& words, const TablePlan& plan) {
    std::vector<std::string> own = plan.dropped;
    std::vector<std::string> shared;
    for (const DocumentField& field : plan.document->fields())
      (plan.is_of_key(field) ? shared : own).push_back(field.path);
    words.push_back(std::to_string(own.size()));
    words.insert(words.end(), own.begin(), own.end());
    words.insert(words.end(), shared.begin(), shared.end());
  }

  /// Member by member, leaving others alone; the whole document when there is none.
  Status put_into(std::string& out, const Item& item) {
    const DocumentLayout& layout = *item.plan.document;
    MILLRACE_TRY(write_document(item));
    std::vector<const DocumentField*> fields;
    for (const DocumentField& field : layout.fields()) {
      const Presence presence = layout.presence(field, item.cells);
      const bool sent = presence == Presence::kValue || presence == Presence::kNull;
      const bool as_before =
          is_as_before(item, field.column) && (!field.latitude || is_as_before(item, *field.latitude));
      if (sent && !as_before) fields.push_back(&field);
    }
    append_header(out, 6 + 2 * fields.size());
    append_argument(out, "EVALSHA");
    append_argument(out, script(1));
    append_argument(out, "1");
    append_argument(out, item.key);
    append_argument(out, item.entry.action == Overlay::Action::kPatch ? std::string_view() : document_);
    document_.clear();
    if (layout.has_objects()) layout.append_objects(document_);
    append_argument(out, document_);
    for (const DocumentField* field : fields) {
      append_argument(out, field->path);
      document_.clear();
      MILLRACE_TRY(layout.append_value(document_, *field, item.cells));
      append_argument(out, document_);
    }
    return {};
  }

  /// The one row that the entry stands for says that it has left this column alone.
  static bool is_as_before(const Item& item, std::size_t column) {
    if (item.entry.earlier >= 0 || item.entry.moved_here || item.entry.writes_all) return false;
    const Batch& batch = *item.overlay.batches[item.entry.last.batch].batch;
    const Row row = batch.row(item.entry.last.row);
    if (row.op != Op::kUpdate || column >= row.before.size() || !has_value(row.before[column])) return false;
    return same_value(batch, row.before[column], item.cells.batch(column), item.cells[column]);
  }

  bool merge_;
  std::string move_script_;
  std::vector<const DocumentField*> kept_;
};

}  // namespace

std::unique_ptr<TargetWriter> make_json_writer(const Target& target) {
  return std::make_unique<JsonWriter>(target.merge);
}

}  // namespace millrace::redis
