#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/slot.h"
#include "sink/redis/target/guard_script.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

/// The scripts of others as Lua functions, in front of the one that chooses among them.
std::string guard_script(const TargetWriter& inner) {
  std::string out = "local scripts = {";
  for (const std::string_view text : inner.scripts()) {
    out += "function(KEYS, ARGV)\n";
    out += text;
    out += "\nend,\n";
  }
  out += "}\n";
  out += kGuardTail;
  return out;
}

/// `<epoch><commit><index>` in hexadecimal, so that the order of the texts is that of the changes.
std::string version_of(const Item& item, std::int64_t epoch) {
  const Batch& batch = *item.overlay.batches[item.entry.last.batch].batch;
  const Row row = batch.row(item.entry.last.row);
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%08llX", static_cast<unsigned long long>(epoch));
  std::string out = text.data();
  out += batch.commit(batch.transaction(row));
  std::snprintf(text.data(), text.size(), "%08X", static_cast<unsigned>(row.index));
  return out + text.data();
}

/// Lets another writer's commands through one script that runs them only if the row is not older than what
/// the key was written with last.
class GuardedWriter final : public TargetWriter {
 public:
  GuardedWriter(std::unique_ptr<TargetWriter> inner, const Target& target)
      : inner_(std::move(inner)),
        guard_(*target.guard),
        in_cluster_(target.in_cluster),
        script_(guard_script(*inner_)) {
    // Commands that call a script by name are told by these.
    std::vector<std::string> numbers;
    for (std::size_t i = 0; i < inner_->scripts().size(); ++i) numbers.push_back(std::to_string(i + 1));
    inner_->set_scripts(std::move(numbers));
  }

  [[nodiscard]] std::vector<std::string_view> scripts() const override { return {script_}; }
  void set_max_value_bytes(std::size_t bytes) override { inner_->set_max_value_bytes(bytes); }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    return inner_->put(out, item, commands);
  }
  void remove(std::string& out, const Item& item) override { inner_->remove(out, item); }

  /// The versions go some time later, as behind any row that was deleted.
  [[nodiscard]] std::vector<std::vector<std::string>> clear(const std::vector<std::string>& keys,
                                                            const TablePlan& plan) const override {
    std::vector<std::vector<std::string>> commands = inner_->clear(keys, plan);
    for (const std::string& key : keys)
      commands.push_back({"EXPIRE", version_key(key), std::to_string(guard_.keep_seconds)});
    return commands;
  }

  void finish(std::string& out, std::size_t start, const Item& item, std::uint32_t& commands) override {
    parser_.feed(std::string_view(out).substr(start));
    out.resize(start);
    std::vector<std::string> words = {"EVALSHA", script(0), "2", std::string(item.key),
                                      version_key(item.key)};
    words.push_back(version_of(item, guard_.epoch));
    words.push_back(std::to_string(guard_.keep_seconds));
    Reply command;
    for (; commands > 0; --commands) {
      const auto whole = parser_.next(command);
      MILLRACE_CHECK(whole && *whole);  // our own
      append_inner(words, command.elements);
    }
    commands = 1;
    append_command(out, words);
  }

 private:
  /// In a cluster in the key's slot, whatever braces the key has.
  [[nodiscard]] std::string version_key(std::string_view key) const {
    const std::string prefix(kVersionPrefix);
    return in_cluster_ ? prefix + "{" + std::string(slot_tag(slot_of(key))) + "}" + std::string(key)
                       : prefix + "{" + std::string(key) + "}";
  }

  /// Number of words, number of the script or 0, words.
  static void append_inner(std::vector<std::string>& words, std::vector<Reply>& command) {
    const bool calls = command.front().text == "EVALSHA";
    const std::size_t first = calls ? 2 : 0;
    words.push_back(std::to_string(command.size() - first));
    words.push_back(calls ? command[1].text : "0");
    for (std::size_t i = first; i < command.size(); ++i) words.push_back(std::move(command[i].text));
  }

  std::unique_ptr<TargetWriter> inner_;
  Guard guard_;
  bool in_cluster_;
  std::string script_;
  ReplyParser parser_;
};

}  // namespace

std::unique_ptr<TargetWriter> make_guarded_writer(std::unique_ptr<TargetWriter> inner, const Target& target) {
  return std::make_unique<GuardedWriter>(std::move(inner), target);
}

}  // namespace millrace::redis
