#include "connect/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr int kMaxDepth = 32;
constexpr int kMaxNodes = 5000;
constexpr std::size_t kMaxNameBytes = 1000;

std::string joined(const std::string& prefix, const std::string& key) {
  if (prefix.empty()) return key;
  std::string out = prefix;
  out += '.';
  out += key;
  return out;
}

class Flattener {
 public:
  Flattener(const std::string& file, Faults& faults) : file_(file), faults_(faults) {}

  void run(const YAML::Node& root) {
    if (root.IsNull()) return;
    if (!root.IsMap()) {
      faults_.add(origin(root), "", "expected settings as `key: value`");
      return;
    }
    map(root, "", 0);
  }

  std::vector<FlatSetting> take() { return std::move(out_); }

 private:
  [[nodiscard]] Origin origin(const YAML::Node& node) const { return {file_, node.Mark().line + 1}; }

  /// False: enough. Anchors can make a small file stand for a huge one, or for itself.
  bool within_bounds(const YAML::Node& node, const std::string& name, int depth) {
    if (stopped_) return false;
    if (depth <= kMaxDepth && ++nodes_ <= kMaxNodes && name.size() <= kMaxNameBytes) return true;
    stopped_ = true;
    faults_.add(origin(node), name, fmt::format("more than {} levels or {} values", kMaxDepth, kMaxNodes));
    return false;
  }

  void map(const YAML::Node& node, const std::string& prefix, int depth) {
    std::vector<YAML::Node> merged;
    std::set<std::string> own;
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) {
        faults_.add(origin(pair.first), prefix, "expected a plain text as key");
        continue;
      }
      const std::string& key = pair.first.Scalar();
      if (key == "<<") {
        merged.push_back(pair.second);
        continue;
      }
      own.insert(key);
      value(pair.second, joined(prefix, key), origin(pair.first), depth + 1);
    }
    for (const YAML::Node& other : merged) merge(other, prefix, own, depth + 1);
  }

  /// `<<`: what the mapping itself does not have.
  void merge(const YAML::Node& node, const std::string& prefix, std::set<std::string>& own, int depth) {
    if (!within_bounds(node, prefix, depth)) return;
    if (node.IsSequence()) {
      for (const auto& one : node) merge(one, prefix, own, depth + 1);
      return;
    }
    if (!node.IsMap()) {
      faults_.add(origin(node), prefix, "expected a mapping behind <<");
      return;
    }
    for (const auto& pair : node) {
      if (!pair.first.IsScalar() || pair.first.Scalar() == "<<" || !own.insert(pair.first.Scalar()).second)
        continue;
      const std::string& key = pair.first.Scalar();
      value(pair.second, joined(prefix, key), origin(pair.first), depth + 1);
    }
  }

  void value(const YAML::Node& node, const std::string& name, const Origin& at, int depth) {
    if (!within_bounds(node, name, depth)) return;
    if (node.IsMap()) {
      if (node.size() == 0) return add(name, "", at, true);
      return map(node, name, depth);
    }
    if (node.IsSequence()) return sequence(node, name, at);
    add(name, node.IsScalar() ? node.Scalar() : "", at, node.IsNull());
  }

  void sequence(const YAML::Node& node, const std::string& name, const Origin& at) {
    std::string text;
    bool first = true;
    for (const auto& item : node) {
      if (!within_bounds(item, name, 0)) return;
      if (!item.IsScalar()) {
        faults_.add(origin(item), name, "expected a list of plain values");
        return;
      }
      if (!first) text += ',';
      first = false;
      append_item(item.Scalar(), text);
    }
    add(name, text, at, first);
  }

  static void append_item(const std::string& item, std::string& out) {
    for (std::size_t i = 0; i < item.size(); ++i) {
      if (item[i] == ',' && (i == 0 || item[i - 1] != '\\')) out += '\\';
      out += item[i];
    }
  }

  void add(const std::string& name, std::string value, const Origin& at, bool empty) {
    const auto [earlier, is_new] = lines_.emplace(name, at.line);
    if (!is_new) {
      faults_.add(at, name, fmt::format("given twice, also on line {}", earlier->second));
      return;
    }
    out_.push_back({{name, std::move(value), at}, empty});
  }

  const std::string& file_;
  Faults& faults_;
  std::vector<FlatSetting> out_;
  std::map<std::string, int> lines_;
  int nodes_ = 0;
  bool stopped_ = false;
};

/// Remembers where a document begins and nothing else.
class DocumentStart final : public YAML::EventHandler {
 public:
  [[nodiscard]] int line() const { return line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}

 private:
  int line_ = 0;
};

/// Line of what comes behind the first document; 0: nothing does. Load would not say so, and LoadAll never
/// returns from some texts that are not YAML (`,a`).
int second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart start;
  if (!parser.HandleNextDocument(start) || !parser) return 0;
  parser.HandleNextDocument(start);
  return start.line();
}

/// True when the text ends inside quotes. The library lets that pass when a line break follows, and the
/// quoted value has then swallowed the rest of the file. One quote more closes it, and is a fault behind any
/// other text.
bool ends_inside_quotes(const std::string& text) {
  for (const char* quote : {"\n}\"", "\n}'"}) {
    try {
      const std::string closed = text + quote;
      YAML::Load(closed);
      if (second_document(closed) == 0) return true;
    } catch (const YAML::Exception&) {
      continue;
    }
  }
  return false;
}

}  // namespace

std::vector<FlatSetting> flatten_yaml(std::string_view text, const std::string& file, Faults& faults) {
  if (text.size() > kMaxBytes) {
    faults.add({file, 0}, "", "larger than 1 MiB");
    return {};
  }
  Flattener flattener(file, faults);
  try {
    const std::string copy(text);
    const YAML::Node root = YAML::Load(copy);
    if (const int line = second_document(copy); line > 0) {
      faults.add({file, line}, "",
                 "expected one YAML document with settings as `key: value`, found more behind it");
      return {};
    }
    if (ends_inside_quotes(copy)) {
      const auto last = static_cast<int>(std::ranges::count(copy, '\n'));
      faults.add({file, last}, "", "not valid YAML: the file ends inside quotes, one is not closed");
      return {};
    }
    flattener.run(root);
  } catch (const YAML::Exception& e) {
    // Behind a colon the library puts text of the file, which may be a secret.
    const std::string reason = e.msg.substr(0, e.msg.find(':'));
    const std::string place =
        e.mark.is_null() ? file : fmt::format("{}:{}:{}", file, e.mark.line + 1, e.mark.column + 1);
    faults.add({}, "", fmt::format("{}: not valid YAML: {}", place, reason));
    return {};
  } catch (const std::exception&) {
    faults.add({file, 0}, "", "not valid YAML");
    return {};
  }
  return flattener.take();
}

}  // namespace millrace
