#include "sink/redis/index_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "sink/redis/index/index_words.h"

namespace millrace::redis {
namespace {

constexpr std::array<std::string_view, 5> kOptions = {"MAXTEXTFIELDS", "NOOFFSETS", "NOHL", "NOFIELDS",
                                                      "NOFREQS"};

bool is_indexable(const Output& output) {
  const TargetType type = output.target.type;
  return (type == TargetType::kJson || type == TargetType::kHash) && !output.target.nest;
}

/// Keys may begin with both.
bool meet(std::string_view prefix, std::string_view keys) {
  return prefix.starts_with(keys) || keys.starts_with(prefix);
}

/// Some value of the output may be a text where NUMERIC wants a number.
bool may_write_text(const Output* output) {
  const JsonOptions& json = output->target.json;
  const bool decimals =
      output->target.type == TargetType::kJson && json.decimals == JsonOptions::Decimals::kText;
  return decimals || json.times == JsonOptions::Times::kIso;
}

/// Vectors lie in hashes as bytes.
bool is_packable(const IndexField& field, bool on_json) {
  const std::string type = field.value("TYPE").value_or("FLOAT32");
  return on_json || type == "FLOAT32" || type == "FLOAT64";
}

/// The form that a field's type takes, where the columns' own may be another.
std::optional<FieldList::IndexForm> needed_form(const IndexField& field, bool on_json,
                                                const std::vector<Output*>& outputs) {
  using Function = FieldForm::Function;
  using Packing = FieldForm::Packing;
  const std::string& type = field.type.front();
  FieldForm form{.for_index = true};
  std::string suffix;
  if (type == "NUMERIC" && std::ranges::any_of(outputs, may_write_text)) {
    form.function = Function::kNumber;
    suffix = ".number";
  } else if (type == "GEO" || type == "GEOSHAPE") {
    form.function = type == "GEO" ? Function::kGeo : Function::kWkt;
    suffix = type == "GEO" ? ".geo" : ".shape";
  } else if (type == "VECTOR") {
    form.function = Function::kVector;
    const std::string of = field.value("TYPE").value_or("");
    if (!on_json) form.packing = of == "FLOAT64" ? Packing::kFloat64 : Packing::kFloat32;
  } else {
    return std::nullopt;
  }
  return FieldList::IndexForm{field.path, form, suffix};
}

/// One index of the settings.
class IndexReader {
 public:
  IndexReader(const ConnectorConfig& config, std::string name, SettingFaults& faults)
      : config_(config), option_("indexes." + name), faults_(faults) {
    index_.name = std::move(name);
  }

  IndexDefinition read(const SinkTopics& topics, std::vector<Output>& outputs) {
    index_.prefixes = config_.list(option_ + ".prefix");
    if (index_.name.find('@') != std::string::npos) {
      add("", "the name of an index has no @", "the sink puts @ and a number behind it");
    }
    take_output(topics, outputs);
    take_fields();
    take_rest();
    return std::move(index_);
  }

 private:
  void add(const std::string& option, std::string text, std::string hint = {}) {
    faults_.add(option_ + option, std::move(text), std::move(hint));
  }
  [[nodiscard]] const std::string& text(const std::string& option) const {
    return config_.text(option_ + option);
  }

  void take_output(const SinkTopics& topics, std::vector<Output>& outputs) {
    const std::vector<Output*> fitting = fitting_outputs(topics, outputs);
    outputs_ = fitting;
    if (fitting.empty()) return;
    index_.on_json = fitting.front()->target.type == TargetType::kJson;
    for (const Output* one : fitting) index_.outputs.push_back(one->name);
    const bool same_type = std::ranges::all_of(
        fitting, [&](const Output* one) { return one->target.type == fitting.front()->target.type; });
    if (fitting.size() > 1 && (index_.prefixes.empty() || !same_type)) {
      return add(".output", "the index may be over the keys of several outputs",
                 "name one: " + fitting[0]->name + ", " + fitting[1]->name + ", ...");
    }
    if (index_.prefixes.empty()) {
      const std::string prefix = common_prefix(*fitting.front(), topics);
      if (!prefix.empty()) index_.prefixes = {prefix};
    }
    if (index_.prefixes.empty()) {
      add(".prefix", "the index has no prefix", "set it to what the keys begin with, e.g. \"flight:\"");
    }
  }

  /// With a fault when there is none.
  std::vector<Output*> fitting_outputs(const SinkTopics& topics, std::vector<Output>& outputs) {
    const std::string& named = text(".output");
    std::vector<Output*> out;
    for (Output& output : outputs) {
      if (named.empty() ? is_indexable(output) : output.name == named) out.push_back(&output);
    }
    if (out.empty() && !named.empty()) {
      add(".output", "there is no output " + named);
    } else if (out.empty() || !is_indexable(*out.front())) {
      add(named.empty() ? "" : ".output", "an index is over JSON documents or hashes",
          "choose an output with target.type: json or hash that is not nested");
      out.clear();
    }
    if (out.size() < 2 || index_.prefixes.empty()) return out;
    std::erase_if(out, [&](const Output* one) {
      const std::string keys = common_prefix(*one, topics);
      return std::ranges::none_of(index_.prefixes, [&](const auto& prefix) { return meet(prefix, keys); });
    });
    if (out.empty()) add(".prefix", "no output writes keys that begin so");
    return out;
  }

  void take_fields() {
    bool any = false;
    std::set<std::string> attributes;
    for (const Setting& setting : config_.below(option_ + ".fields.")) {
      any = true;
      const std::string option = ".fields." + setting.name;
      auto field = parse_index_field(setting.name, setting.value, index_.on_json);
      if (!field) {
        add(option, field.error().message, field.error().hint);
      } else if (!attributes.insert(field->attribute).second) {
        add(option, "there is another field called " + field->attribute,
            "give it a name of its own: " + setting.name + " as <name>");
      } else {
        if (!is_packable(*field, index_.on_json)) {
          add(option, "hashes get vectors of FLOAT32 and FLOAT64 only", "use one of these as TYPE");
        } else if (!take_form(*field)) {
          add(option, "another index wants vectors of another type there", "let both have the same TYPE");
        }
        index_.fields.push_back(std::move(*field));
      }
    }
    if (!any) add(".fields", "the index has no fields", "add " + option_ + ".fields.<field>: TAG");
  }

  void take_rest() {
    index_.filter = text(".filter");
    index_.language = text(".language");
    index_.language_field = place(".language.field");
    index_.score_field = place(".score.field");
    index_.score = text(".score");
    if (const double score = number_of(index_.score); !index_.score.empty() && !(score > 0 && score <= 1)) {
      add(".score", "expected a number above 0 and at most 1");
    }
    index_.has_stopwords = config_.has(option_ + ".stopwords");
    index_.stopwords = config_.list(option_ + ".stopwords");
    index_.aliases = config_.list(option_ + ".aliases");
    index_.adopt = config_.boolean(option_ + ".adopt");
    for (const std::string& word : config_.list(option_ + ".options")) take_option(in_capitals(word));
  }

  /// A field's name as Redis finds it.
  std::string place(const std::string& option) {
    if (text(option).empty()) return {};
    auto field = parse_index_field(text(option), "TAG", index_.on_json);
    if (field) return field->identifier;
    add(option, field.error().message, field.error().hint);
    return {};
  }

  void take_option(std::string word) {
    if (std::ranges::count(kOptions, word) > 0) {
      if (std::ranges::count(index_.options, word) == 0) index_.options.push_back(std::move(word));
      return;
    }
    const std::string_view nearest = nearest_name(word, kOptions);
    add(".options", "an index has no option " + word,
        nearest.empty() ? fmt::format("there are {}", fmt::join(kOptions, ", "))
                        : "did you mean " + std::string(nearest) + "?");
  }

  /// Has the outputs write the field in a form that its type takes, where its own may be another. False: it
  /// has yet another one by now.
  bool take_form(IndexField& field) {
    if (field.path.empty()) return true;
    const auto plain = [&](const Output* one) { return one->target.fields.may_have(field.path, false); };
    const auto made = [&](const Output* one) { return one->target.fields.may_have(field.path, true); };
    const auto form = needed_form(field, index_.on_json, outputs_);
    // Nothing that this sink writes, but inside a json column, say; or of the form that somebody chose.
    if (!form || std::ranges::none_of(outputs_, plain) || std::ranges::all_of(outputs_, made)) return true;
    for (Output* output : outputs_) {
      if (!output->target.fields.add(*form)) return false;
    }
    if (form->suffix.empty()) return true;
    std::vector<std::string> path = field.path;
    path.back() += form->suffix;
    field.identifier = index_.on_json ? index_path(path) : path.back();
    return true;
  }

  const ConnectorConfig& config_;
  std::string option_;
  SettingFaults& faults_;
  IndexDefinition index_;
  std::vector<Output*> outputs_;
};

/// A line in the form of each output that writes something for an index.
void describe_forms(std::vector<Output>& outputs) {
  for (Output& output : outputs) {
    std::set<std::string> names;
    for (const FieldList::IndexForm& form : output.target.fields.index_forms()) {
      std::string name = fmt::format("{}{}", fmt::join(form.path, "."), form.suffix);
      if (form.form.packing == FieldForm::Packing::kFloat32) name += " FLOAT32";
      if (form.form.packing == FieldForm::Packing::kFloat64) name += " FLOAT64";
      std::ranges::replace(name, '\n', ' ');
      names.insert(std::move(name));
    }
    if (!names.empty()) output.form += fmt::format("indexes: {}\n", fmt::join(names, ", "));
  }
}

/// One name for two indexes would move back and forth.
void check_names_apart(const std::vector<IndexDefinition>& indexes, SettingFaults& faults) {
  std::set<std::string> names;
  for (const IndexDefinition& index : indexes) names.insert(index.name);
  for (const IndexDefinition& index : indexes) {
    for (const std::string& alias : index.aliases) {
      if (names.insert(alias).second) continue;
      faults.add("indexes." + index.name + ".aliases", "another index or alias is called " + alias);
    }
  }
}

}  // namespace

std::vector<IndexDefinition> read_indexes(const ConnectorConfig& config, const SinkTopics& topics,
                                          std::vector<Output>& outputs, SettingFaults& faults) {
  std::vector<std::string> names;
  for (const Setting& setting : config.below("indexes.")) {
    std::string name = setting.name.substr(0, setting.name.find('.'));
    if (std::ranges::count(names, name) == 0) names.push_back(std::move(name));
  }
  std::vector<IndexDefinition> indexes;
  indexes.reserve(names.size());
  for (std::string& name : names) {
    indexes.push_back(IndexReader(config, std::move(name), faults).read(topics, outputs));
  }
  check_names_apart(indexes, faults);
  describe_forms(outputs);
  return indexes;
}

}  // namespace millrace::redis
