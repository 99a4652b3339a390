#include <string>
#include <utility>
#include <vector>

#include "format/json_writer.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/target/document.h"
#include "sink/redis/target/nest_script.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

/// `text` as a Lua pattern that matches just it.
std::string lua_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("^$()%.[]*+-?").find(c) != std::string_view::npos) out += '%';
    out += c;
  }
  return out;
}

/// Documents with rows of other tables in them, and such rows.
class NestWriter final : public TargetWriter {
 public:
  explicit NestWriter(const Target& target) : target_(target), inside_(nest_tree_json(target.inside)) {
    if (!target.nest) return;
    std::string field = "^%$";
    way_ = "[";
    const std::vector<std::string>& names = target.nest->names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool last = i + 1 == names.size();
      if (i > 0) way_ += ',';
      append_json_name(way_, nest_part(names[i]));
      field += last ? "%z" + lua_escaped(nest_part(names[i])) + "%z"
                    : lua_escaped(path_end(nest_name(names[i]).box)) + "%[.*%]";
    }
    way_ += ']';
    waiting_fields_ = std::move(field);
  }

  [[nodiscard]] std::vector<std::string_view> scripts() const override { return {kNest}; }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    MILLRACE_TRY(write_document(item));
    std::vector<std::string_view> kept;
    for (const DocumentField& field : item.plan.document->fields()) {
      if (item.plan.document->presence(field, item.cells) == DocumentLayout::Presence::kKept)
        kept.push_back(std::string_view(field.path).substr(1));
    }
    append_call(out, item, "put", document_, kept);
    return {};
  }

  void remove(std::string& out, const Item& item) override { append_call(out, item, "remove", {}, {}); }

  /// Each document by itself: what lies in the rows waits for the next of their kind.
  [[nodiscard]] std::vector<std::vector<std::string>> clear(const std::vector<std::string>& keys,
                                                            const TablePlan& /*plan*/) const override {
    std::vector<std::vector<std::string>> commands;
    for (const std::string& key : keys) {
      std::vector<std::string>& command = commands.emplace_back();
      command = {"EVALSHA", script(0), "2", key, target_.waiting_key(key)};
      for (const char* word :
           {is_nested() ? "clear" : "remove", way_.c_str(), waiting_fields_.c_str(), "", "", inside_.c_str()})
        command.emplace_back(word);
    }
    return commands;
  }

  /// Rows may wait where there is no document.
  [[nodiscard]] std::string_view waiting_prefix() const override {
    return is_nested() ? std::string_view(target_.waiting_prefix) : std::string_view();
  }

 private:
  [[nodiscard]] bool is_nested() const { return !way_.empty(); }

  void append_call(std::string& out, const Item& item, std::string_view what, std::string_view document,
                   const std::vector<std::string_view>& kept) {
    const NestPlace place = nest_place(item.member);
    append_header(out, 11 + kept.size());
    append_argument(out, "EVALSHA");
    append_argument(out, script(0));
    append_argument(out, "2");
    append_argument(out, item.key);
    append_argument(out, target_.waiting_key(item.key));
    for (const std::string_view argument :
         {what, place.parent, place.part, place.name, document, std::string_view(inside_)})
      append_argument(out, argument);
    for (const std::string_view path : kept) append_argument(out, path);
  }

  Target target_;
  std::string inside_;
  std::string way_;             // of rows that nest: the nest_parts of their path, as JSON
  std::string waiting_fields_;  // Lua pattern of their fields in the hashes of those that wait
};

}  // namespace

std::unique_ptr<TargetWriter> make_nest_writer(const Target& target) {
  return std::make_unique<NestWriter>(target);
}

}  // namespace millrace::redis
