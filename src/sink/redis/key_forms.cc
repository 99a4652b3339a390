#include "sink/redis/key_forms.h"

#include <algorithm>

namespace millrace::redis {
namespace {

/// `form` with any text for each *.
bool fits(std::string_view form, std::string_view key) {
  std::size_t star = form.find('*');
  if (star == std::string_view::npos) return form == key;
  if (!key.starts_with(form.substr(0, star))) return false;
  key.remove_prefix(star);
  form.remove_prefix(star + 1);
  while ((star = form.find('*')) != std::string_view::npos) {
    const std::size_t at = key.find(form.substr(0, star));
    if (at == std::string_view::npos) return false;
    key.remove_prefix(at + star);
    form.remove_prefix(star + 1);
  }
  return key.ends_with(form);
}

}  // namespace

std::string_view KeyForms::Form::prefix() const { return std::string_view(text).substr(0, text.find('*')); }

KeyForms::KeyForms(std::span<const Output> outputs, const SinkTopics& topics) {
  for (const Output& output : outputs) {
    for (const std::string& topic : topics_of(output, topics).names) {
      forms_.push_back(
          {output.name, topic, output.target.key_template.form(topic), output.target.nest.has_value()});
    }
  }
}

bool KeyForms::is_of_another(std::string_view output, std::string_view topic, std::string_view key) const {
  const auto own = std::ranges::find_if(
      forms_, [&](const Form& form) { return form.output == output && form.topic == topic; });
  const std::size_t told = own == forms_.end() ? 0 : own->prefix().size();
  return std::ranges::any_of(forms_, [&](const Form& form) {
    return !form.nested && form.prefix().size() > told && fits(form.text, key);
  });
}

}  // namespace millrace::redis
