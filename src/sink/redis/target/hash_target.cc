#include <algorithm>
#include <string>
#include <vector>

#include "sink/redis/client/resp.h"
#include "sink/redis/target/scripts.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

using Presence = DocumentLayout::Presence;

class HashWriter final : public TargetWriter {
 public:
  HashWriter() {
    move_script_ = std::string("local function merge(KEYS, ARGV)\n");
    move_script_ += kMergeHash;
    move_script_ += kMoveTail;
  }

  [[nodiscard]] std::vector<std::string_view> scripts() const override { return {kMergeHash, kRemove}; }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    gather(item);
    if (!kept_.empty()) {
      ++commands;
      return put_over(out, item, nullptr);
    }
    if (set_.empty() && gone_.empty()) {
      if (!fleeting_.empty()) return {};
      ++commands;
      remove(out, item);
      return {};
    }
    if (!set_.empty()) {  // HSET wants a field
      ++commands;
      append_header(out, 2 + 2 * set_.size());
      append_argument(out, "HSET");
      append_argument(out, item.key);
      MILLRACE_TRY(append_fields(out, item));
    }
    if (gone_.empty()) return {};
    ++commands;
    // The hash is not removed first: that would take a key of another type along, which is not ours.
    append_header(out, 2 + gone_.size());
    append_argument(out, "HDEL");
    append_argument(out, item.key);
    for (const std::string_view name : gone_) append_argument(out, name);
    return {};
  }

  void remove(std::string& out, const Item& item) override {
    append_command(out, {"EVALSHA", script(1), "1", item.key, traits_of(TargetType::kHash).redis_type});
  }

  Status move(std::string& out, const Item& item, const Move& move) override {
    gather(item);
    return put_over(out, item, &move);
  }

 private:
  void gather(const Item& item) {
    kept_.clear();
    fleeting_.clear();
    gone_.clear();
    set_.clear();
    for (const DocumentField& field : item.plan.document->fields()) {
      const Presence presence = item.plan.document->presence(field, item.cells);
      if (presence == Presence::kKept)
        (is_fleeting(item.plan, field.name) ? fleeting_ : kept_).push_back(field.name);
      if (presence == Presence::kNull) gone_.push_back(field.name);
      if (presence == Presence::kValue) set_.push_back(&field);
    }
    gone_.insert(gone_.end(), item.plan.dropped.begin(), item.plan.dropped.end());
  }

  static bool is_fleeting(const TablePlan& plan, std::string_view name) {
    return std::ranges::any_of(plan.field_ends, [name](const FieldEnd& end) { return end.name == name; });
  }

  Status append_fields(std::string& out, const Item& item) {
    for (const DocumentField* field : set_) {
      append_argument(out, field->name);
      document_.clear();
      MILLRACE_TRY(item.plan.document->append_text(document_, *field, item.cells));
      MILLRACE_TRY(check_size(item.plan, document_.size()));
      append_argument(out, document_);
    }
    return {};
  }

  /// By the merge script: its name, or its text and the position when the key changes.
  Status put_over(std::string& out, const Item& item, const Move* move) {
    const std::size_t arguments = 3 + kept_.size() + fleeting_.size() + gone_.size() + 2 * set_.size();
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
    for (const auto* names : {&kept_, &fleeting_, &gone_}) {
      append_argument(out, static_cast<std::int64_t>(names->size()));
      for (const std::string_view name : *names) append_argument(out, name);
    }
    return append_fields(out, item);
  }

  std::string move_script_;
  std::vector<std::string_view> kept_;
  std::vector<std::string_view> fleeting_;  ///< kept, unless they have gone by themselves
  std::vector<std::string_view> gone_;
  std::vector<const DocumentField*> set_;
};

}  // namespace

std::unique_ptr<TargetWriter> make_hash_writer() { return std::make_unique<HashWriter>(); }

}  // namespace millrace::redis
