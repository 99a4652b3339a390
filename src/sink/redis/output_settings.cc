#include "sink/redis/output_settings.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/pattern.h"
#include "base/text.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kMaxExpirySeconds = 10LL * 366 * 86'400;

/// `shop.public.flights` -> `flights`, and with the schema `public.flights`.
std::string_view behind_dots(std::string_view topic, int dots) {
  std::size_t at = topic.size();
  for (; dots > 0 && at != std::string_view::npos; --dots)
    at = at == 0 ? std::string_view::npos : topic.rfind('.', at - 1);
  return at == std::string_view::npos ? topic : topic.substr(at + 1);
}

/// One output's options: its own, or else the sink's.
class OutputReader {
 public:
  OutputReader(const ConnectorConfig& config, std::string name, SettingFaults& faults)
      : config_(config), prefix_(name.empty() ? "" : "outputs." + name + "."), faults_(faults) {
    output_.name = std::move(name);
  }

  Output read(const SinkTopics& topics) {
    if (!prefix_.empty()) read_topics(topics);
    output_.target.type = target_type_of(text("target.type"));
    read_key(topics);
    read_forms();
    read_fields();
    read_texts();
    read_expiry();
    read_guard();
    read_nest();
    refuse_what_does_not_fit();
    describe();
    return std::move(output_);
  }

 private:
  /// The option's name as it is in force for this output.
  [[nodiscard]] std::string option(std::string_view name) const {
    const std::string own = prefix_ + std::string(name);
    return config_.has(own) ? own : std::string(name);
  }
  [[nodiscard]] const std::string& text(std::string_view name) const { return config_.text(option(name)); }
  [[nodiscard]] bool has(std::string_view name) const {
    return config_.has(option(name)) && !text(name).empty();
  }
  void fault(std::string_view name, const Error& error) { faults_.add(option(name), error); }

  void read_topics(const SinkTopics& topics);
  void read_key(const SinkTopics& topics);
  void read_forms();
  void read_fields();
  void read_texts();
  void read_expiry();
  void read_guard();
  void read_nest();
  void refuse_what_does_not_fit();
  void describe();

  const ConnectorConfig& config_;
  std::string prefix_;
  SettingFaults& faults_;
  Output output_;
};

constexpr std::array<std::string_view, 12> kFormOptions = {
    "topics",       "topics.regex",  "target.type", "target.key",     "target.member", "target.score",
    "target.value", "target.fields", "target.nest", "target.nest.in", "format.time",   "format.decimal"};

constexpr std::string_view kAnyTopic = "*.*.*";

/// A topic that the sink does not take would never come here: a slip that loses a table.
void OutputReader::read_topics(const SinkTopics& topics) {
  output_.topics = config_.list(prefix_ + "topics");
  output_.topic_patterns = config_.list(prefix_ + "topics.regex");
  const auto own = PatternList::compile(config_.list("topics.regex"), false);
  if (!own) return;  // told of topics.regex itself
  const std::vector<std::string_view> known(topics.names.begin(), topics.names.end());
  for (const std::string& topic : output_.topics) {
    if (std::ranges::find(topics.names, topic) != topics.names.end()) continue;
    if (topics.by_pattern && own->matches(topic)) continue;
    const std::string_view near = nearest_name(topic, known);
    faults_.add(
        prefix_ + "topics",
        "the sink does not take topic " + topic + ", so nothing would come to this output",
        near.empty() ? "name it in the sink's own topics too" : "did you mean " + std::string(near) + "?");
  }
}

void OutputReader::read_key(const SinkTopics& topics) {
  Target& target = output_.target;
  const TargetTraits& traits = traits_of(target.type);
  const bool shared = traits.has_members || traits.is_history;
  if (traits.has_members && !has("target.key")) {
    return faults_.add(option("target.key"), "target.type: " + std::string(traits.name) + " needs a key",
                       "write for example target.key: \"flights:by_origin:{origin}\"");
  }
  const std::string written = traits.is_history && !has("target.key") ? "{topic}" : text("target.key");
  auto parsed = KeyTemplate::parse(written, shared ? KeyTemplate::Keys::kShared : KeyTemplate::Keys::kOfRows);
  if (!parsed) return fault("target.key", parsed.error());
  target.key_template = std::move(*parsed);
  const Status apart = check_topics_apart(target.key_template, topics_of(output_, topics));
  if (!apart) fault("target.key", apart.error());
}

void OutputReader::read_forms() {
  Target& target = output_.target;
  const std::string& times = text("format.time");
  if (times == "millis") target.json.times = JsonOptions::Times::kMillis;
  if (times == "micros") target.json.times = JsonOptions::Times::kMicros;
  if (text("format.decimal") == "number") target.json.decimals = JsonOptions::Decimals::kNumber;
  target.merge = text("target.update") == "merge";
  target.max_length = config_.integer(option("target.stream.max.length"));
}

void OutputReader::read_fields() {
  auto fields =
      FieldList::parse(config_.list(option("target.fields")), output_.target.type != TargetType::kHash);
  if (!fields) return fault("target.fields", fields.error());
  output_.target.fields = std::move(*fields);
}

void OutputReader::read_texts() {
  Target& target = output_.target;
  for (const auto& [name, to] :
       {std::pair("target.member", &target.member), std::pair("target.value", &target.value)}) {
    if (!has(name)) continue;
    auto parsed = ValueTemplate::parse(text(name));
    if (parsed) {
      to->emplace(std::move(*parsed));
    } else {
      fault(name, parsed.error());
    }
  }
  target.score = text("target.score");
}

/// `3600` or `{column}`.
std::optional<Expiry> parse_expiry(std::string_view written) {
  Expiry out;
  if (written.size() > 2 && written.front() == '{' && written.back() == '}') {
    out.column = written.substr(1, written.size() - 2);
    return out;
  }
  const auto seconds = parse_int64(written);
  if (!seconds || *seconds <= 0 || *seconds > kMaxExpirySeconds) return std::nullopt;
  out.seconds = *seconds;
  return out;
}

void OutputReader::read_expiry() {
  if (has("target.expire")) {
    if (auto expiry = parse_expiry(text("target.expire"))) {
      output_.target.expiry = std::move(*expiry);
    } else {
      faults_.add(option("target.expire"), "it is neither a number of seconds nor a column in braces",
                  "write for example target.expire: 3600, or target.expire: \"{expires_at}\"");
    }
  }
  for (const std::string& written : config_.list(option("target.expire.fields"))) {
    const std::size_t at = written.rfind(' ');
    auto expiry =
        at == std::string::npos ? std::nullopt : parse_expiry(std::string_view(written).substr(at + 1));
    if (expiry) {
      const std::size_t end = written.find_last_not_of(' ', at);
      output_.target.field_expiries.push_back({written.substr(0, end + 1), std::move(*expiry)});
    } else {
      faults_.add(option("target.expire.fields"),
                  "'" + written + "' is not a column with a number of seconds or a column in braces",
                  "write for example target.expire.fields: [token 3600, \"code {code_until}\"]");
    }
  }
}

void OutputReader::read_guard() {
  if (text("target.guard") != "version") return;
  Guard& guard = output_.target.guard.emplace();
  guard.epoch = config_.integer(option("target.guard.epoch"));
  guard.keep_seconds = config_.integer(option("target.guard.keep.seconds"));
  const TargetTraits& traits = traits_of(output_.target.type);
  if (traits.has_members || traits.is_history) {
    faults_.add(option("target.guard"),
                "rows of target.type: " + std::string(traits.name) + " have no version",
                "it is for target.type: json, hash or string");
  } else if (output_.target.merge) {
    faults_.add(option("target.guard"), "documents that are merged have several owners, and no version",
                "use target.update: replace");
  }
}

void OutputReader::read_nest() {
  if (!has("target.nest")) return;
  auto path = NestPath::parse(text("target.nest"));
  if (!path) return fault("target.nest", path.error());
  output_.target.nest = std::move(*path);
  const bool in_array = !nest_name(output_.target.nest->names().back()).id.empty();
  if (in_array && config_.has(prefix_ + "target.member")) {
    faults_.add(prefix_ + "target.member", "rows in an array have no names but the member in the brackets",
                "leave it out, or leave the brackets of target.nest out");
  }
  if (has("target.key")) return;
  faults_.add(option("target.key"), "rows in the documents of others need the key of the parent's document",
              "write for example target.key: \"order:{order_id}\"");
}

/// Options that mean nothing for the target type: written on purpose, so told and not passed over.
void OutputReader::refuse_what_does_not_fit() {
  const TargetType type = output_.target.type;
  const TargetTraits& traits = traits_of(type);
  const auto refuse_unless = [&](bool fits, std::string_view name, const std::string& of) {
    if (fits || !config_.has(prefix_ + std::string(name))) return;
    faults_.add(prefix_ + std::string(name), "it means nothing with target.type: " + std::string(traits.name),
                "it is for target.type: " + of);
  };
  const Target& target = output_.target;
  refuse_unless(traits.has_members || target.nest, "target.member", "set or sorted_set, or for target.nest");
  refuse_unless(type == TargetType::kJson || !target.nest, "target.nest", "json");
  refuse_unless(type == TargetType::kHash, "target.expire.fields",
                "hash; members of documents cannot go by themselves, only whole keys (target.expire)");
  refuse_unless(!target.nest, "target.expire", "documents, not for rows in them");
  if (target.nest && prefix_.empty()) {
    faults_.add("target.nest", "the documents that the rows lie in are another output's",
                "write both below outputs");
  }
  refuse_unless(type == TargetType::kString, "target.value", "string");
  refuse_unless(type == TargetType::kSortedSet, "target.score", "sorted_set");
  refuse_unless(type == TargetType::kStream || output_.target.max_length == 0, "target.stream.max.length",
                "stream");
  refuse_unless(type == TargetType::kJson || !output_.target.merge, "target.update", "json");
  refuse_unless(!traits.has_members && !output_.target.value, "target.fields",
                "json, hash, stream, or string without target.value");
  if (type == TargetType::kSortedSet && !has("target.score")) {
    faults_.add(option("target.score"), "target.type: sorted_set needs the column to sort by",
                "write for example target.score: delay");
  }
}

void OutputReader::describe() {
  output_.form = "output: " + output_.name + "\n";
  const bool has_topics = !output_.topics.empty() || !output_.topic_patterns.empty();
  for (const std::string_view name : kFormOptions) {
    const bool is_own = has_topics && name.starts_with("topics");
    std::string value = is_own ? config_.text(prefix_ + std::string(name)) : text(name);
    std::ranges::replace(value, '\n', ' ');
    if (!value.empty()) output_.form += std::string(name) + ": " + value + "\n";
  }
}

/// Two outputs that write the same keys would undo each other's work.
/// The forms of an output's keys, see KeyTemplate::form. Of topics that only a pattern names: `*` for theirs.
std::set<std::string> forms_of(const Output& output, const SinkTopics& topics) {
  const SinkTopics own = topics_of(output, topics);
  std::set<std::string> forms;
  for (const std::string& topic : own.names) forms.insert(output.target.key_template.form(topic));
  if (own.by_pattern) forms.insert(output.target.key_template.form(kAnyTopic));
  return forms;
}

/// Whether rows of two outputs may be meant for the same keys.
bool share_keys(const Output& a, const Output& b, const SinkTopics& topics) {
  const std::set<std::string> of_a = forms_of(a, topics);
  const std::set<std::string> of_b = forms_of(b, topics);
  const auto is_any = [&](const Output& output, const std::set<std::string>& forms) {
    return forms.contains(output.target.key_template.form(kAnyTopic));
  };
  const bool same_text = a.target.key_template.form(kAnyTopic) == b.target.key_template.form(kAnyTopic);
  if (same_text && (is_any(a, of_a) || is_any(b, of_b))) return true;
  return std::ranges::any_of(of_a, [&of_b](const std::string& form) { return of_b.contains(form); });
}

/// Two outputs may share keys where both leave the members of the other alone.
void check_outputs_apart(const std::vector<Output>& outputs, const SinkTopics& topics,
                         SettingFaults& faults) {
  for (auto one = outputs.begin(); one != outputs.end(); ++one) {
    if (one->target.nest) continue;
    for (auto other = outputs.begin(); other != one; ++other) {
      const TargetTraits& traits = traits_of(one->target.type);
      const bool get_on =
          one->target.type == other->target.type &&
          (traits.has_members || traits.is_history || (one->target.merge && other->target.merge));
      if (other->target.nest || get_on || !share_keys(*one, *other, topics)) continue;
      faults.add("outputs." + one->name + ".target.key",
                 "outputs " + other->name + " and " + one->name + " write the same keys",
                 "give each a target.key of its own, or both target.update: merge");
    }
  }
}

/// The output in whose documents the rows of `child` lie: named, or the only one there is.
Output* find_parent(const ConnectorConfig& config, std::vector<Output>& outputs, const Output& child,
                    SettingFaults& faults) {
  const std::string option = "outputs." + child.name + ".target.nest.in";
  const std::string& named = config.text(option);
  std::vector<Output*> found;
  for (Output& output : outputs) {
    const bool holds = output.target.type == TargetType::kJson && !output.target.nest;
    if (holds && (named.empty() || output.name == named)) found.push_back(&output);
  }
  if (found.size() == 1) return found.front();
  faults.add(option,
             found.empty() ? "there is no output with JSON documents of that name to put the rows in"
                           : "there are several outputs with JSON documents",
             "name the output of the parents' documents");
  return nullptr;
}

/// Puts the objects of `child` into the tree of its parent, and into those of rows that lie on the way.
void add_to_tree(std::vector<NestTree>& tree, std::span<const std::string> names) {
  auto at = std::ranges::find(tree, names.front(), &NestTree::name);
  if (at == tree.end()) at = tree.insert(tree.end(), {names.front(), {}});
  if (names.size() > 1) add_to_tree(at->inside, names.subspan(1));
}

/// Every output learns which objects in its documents or rows are others'.
void link_nests(const ConnectorConfig& config, std::vector<Output>& outputs, SettingFaults& faults) {
  const std::string prefix = "millrace:nest:" + config.connector() + ":";
  for (const Output& child : outputs) {
    if (!child.target.nest || child.name.empty()) continue;
    Output* parent = find_parent(config, outputs, child, faults);
    if (parent == nullptr) continue;
    if (parent->target.merge) {
      faults.add("outputs." + parent->name + ".target.update",
                 "documents with rows of others in them are replaced",
                 "leave it out: what lies in a document stays there all the same");
    }
    if (parent->target.expiry.seconds > 0 || !parent->target.expiry.column.empty()) {
      faults.add(
          "outputs." + parent->name + ".target.expire",
          "documents with rows of others in them cannot expire: those would go too, and lack in the next",
          "leave it out, or write the rows of output " + child.name + " under keys of their own");
    }
    const std::vector<std::string>& names = child.target.nest->names();
    add_to_tree(parent->target.inside, names);
    for (Output& other : outputs) {
      if (!other.target.nest) continue;
      other.target.waiting_prefix = prefix;
      const std::vector<std::string>& way = other.target.nest->names();
      const bool on_the_way = way.size() < names.size() && std::equal(way.begin(), way.end(), names.begin());
      if (on_the_way) add_to_tree(other.target.inside, std::span(names).subspan(way.size()));
    }
    parent->target.waiting_prefix = prefix;
  }
}

}  // namespace

SinkTopics topics_of(const Output& output, const SinkTopics& topics) {
  if (output.topics.empty() && output.topic_patterns.empty()) return topics;
  return {output.topics, !output.topic_patterns.empty()};
}

std::string common_prefix(const Output& output, const SinkTopics& topics) {
  const KeyTemplate& key_template = output.target.key_template;
  if (!key_template.is_default()) return key_template.literal_prefix();
  const SinkTopics own = topics_of(output, topics);
  if (own.by_pattern || own.names.size() != 1) return {};
  std::string prefix;
  append_escaped(prefix, behind_dots(own.names.front(), 1), ":");
  return prefix + ":";
}

Status check_topics_apart(const KeyTemplate& key_template, const SinkTopics& topics) {
  if (key_template.has_topic()) return {};
  const bool table = key_template.has_table();
  const bool schema = key_template.has_schema();
  if (topics.by_pattern && !table) {
    return stop_error("it does not tell the topics of topics.regex apart: their rows would share keys",
                      "put {table} or {topic} into it");
  }
  std::map<std::string_view, std::string_view> owners;
  for (const std::string& topic : topics.names) {
    const std::string_view part = !table ? std::string_view() : behind_dots(topic, schema ? 2 : 1);
    const auto [owner, added] = owners.emplace(part, topic);
    if (added) continue;
    return stop_error("it does not tell the topics " + std::string(owner->second) + " and " + topic +
                          " apart: their rows would share keys",
                      "put {topic} into it, or give each topic a sink of its own");
  }
  return {};
}

std::vector<Output> read_outputs(const ConnectorConfig& config, const SinkTopics& topics,
                                 SettingFaults& faults) {
  std::vector<std::string> names;
  for (const Setting& setting : config.below("outputs.")) {
    std::string name = setting.name.substr(0, setting.name.find('.'));
    if (std::ranges::count(names, name) == 0) names.push_back(std::move(name));
  }
  std::vector<Output> outputs;
  if (names.empty()) names.emplace_back();
  outputs.reserve(names.size());
  for (std::string& name : names)
    outputs.push_back(OutputReader(config, std::move(name), faults).read(topics));
  check_outputs_apart(outputs, topics, faults);
  link_nests(config, outputs, faults);
  for (const Output& output : outputs) {
    if (!output.target.guard || !output.target.nests()) continue;
    faults.add("outputs." + output.name + ".target.guard",
               "documents that hold rows of others have no version");
  }
  return outputs;
}

}  // namespace millrace::redis
