#include "sink/redis/output_notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "format/time_text.h"

namespace millrace::redis {
namespace {

constexpr std::string_view kForm = "form ";
constexpr std::string_view kBehind = "behind ";
constexpr std::string_view kEarlier = "earlier ";

std::map<std::string, std::string> options_of(std::string_view form) {
  std::map<std::string, std::string> out;
  while (!form.empty()) {
    const std::string_view line = form.substr(0, form.find('\n'));
    form.remove_prefix(std::min(form.size(), line.size() + 1));
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos) out.emplace(line.substr(0, colon), line.substr(colon + 2));
  }
  return out;
}

/// Rows have other keys, or other ones have them.
bool has_other_keys(std::string_view a, std::string_view b) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"topics", "topics.regex", "target.type", "target.key",
                                              "target.nest"},
      [&](std::string_view option) { return form_option(a, option) != form_option(b, option); });
}

std::string name_of(std::string_view output) {
  return output.empty() ? std::string("the target") : "output " + std::string(output);
}

void add_fields(std::vector<std::string>& out, std::string_view prefix,
                const std::map<std::string, std::string>& from,
                const std::map<std::string, std::string>& to) {
  for (const auto& [name, value] : to) {
    const auto now = from.find(name);
    if (now != from.end() && now->second == value) continue;
    out.push_back(std::string(prefix) + name);
    out.push_back(value);
  }
}

void add_removed(std::vector<std::string>& out, std::string_view prefix,
                 const std::map<std::string, std::string>& from,
                 const std::map<std::string, std::string>& to) {
  for (const auto& [name, value] : from) {
    if (!to.contains(name)) out.push_back(std::string(prefix) + name);
  }
}

}  // namespace

std::string notes_key(std::string_view sink) { return "millrace:outputs:" + std::string(sink); }

OutputNotes read_notes(const Reply& reply) {
  OutputNotes out;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    const std::string_view field = reply.elements[i].text;
    for (const auto& [prefix, notes] :
         {std::pair(kForm, &out.forms), std::pair(kBehind, &out.behind), std::pair(kEarlier, &out.earlier)}) {
      if (field.starts_with(prefix))
        (*notes)[std::string(field.substr(prefix.size()))] = reply.elements[i + 1].text;
    }
  }
  return out;
}

OutputNotes next_notes(const OutputNotes& now, std::span<const Output> outputs, bool fresh,
                       const std::string& time) {
  OutputNotes out;
  out.earlier = now.earlier;
  const bool first = now.forms.empty();
  for (const Output& output : outputs) {
    out.forms[output.name] = output.form;
    if (fresh || first) continue;
    const auto form = now.forms.find(output.name);
    const auto behind = now.behind.find(output.name);
    if (form == now.forms.end()) {
      out.behind[output.name] = time + " added";
    } else if (form->second != output.form) {
      out.behind[output.name] = time + " " + form_difference(form->second, output.form);
    } else if (behind != now.behind.end()) {
      out.behind.insert(*behind);
    }
  }
  for (const auto& [name, form] : now.forms) {
    const auto kept = out.forms.find(name);
    if (kept == out.forms.end() || has_other_keys(form, kept->second)) out.earlier.emplace(form, time);
  }
  for (const auto& [name, form] : out.forms) out.earlier.erase(form);
  return out;
}

std::vector<std::vector<std::string>> note_commands(const std::string& key, const OutputNotes& from,
                                                    const OutputNotes& to) {
  std::vector<std::string> set = {"HSET", key};
  add_fields(set, kEarlier, from.earlier, to.earlier);
  add_fields(set, kBehind, from.behind, to.behind);
  add_fields(set, kForm, from.forms, to.forms);
  std::vector<std::string> remove = {"HDEL", key};
  add_removed(remove, kForm, from.forms, to.forms);
  add_removed(remove, kBehind, from.behind, to.behind);
  add_removed(remove, kEarlier, from.earlier, to.earlier);
  std::vector<std::vector<std::string>> out;
  if (set.size() > 2) out.push_back(std::move(set));
  if (remove.size() > 2) out.push_back(std::move(remove));
  return out;
}

std::vector<std::string> note_sentences(const OutputNotes& notes, std::string_view sink) {
  std::vector<std::string> out;
  for (const auto& [output, note] : notes.behind) {
    const std::string since = note.substr(0, note.find(' '));
    const std::string what = note.substr(std::min(note.size(), since.size() + 1));
    if (what == "added") {
      out.push_back(
          fmt::format("{} was added on {}, and rows that have not changed since are not in it; "
                      "`millrace rebuild FILE {}` writes them",
                      name_of(output), since, sink));
    } else {
      out.push_back(
          fmt::format("{} of {} changed on {}, and rows that have not changed since have the earlier form; "
                      "`millrace rebuild FILE {}` writes them anew",
                      what, name_of(output), since, sink));
    }
  }
  for (const auto& [form, until] : notes.earlier) {
    const std::string_view key = form_option(form, "target.key");
    out.push_back(
        fmt::format("keys of an earlier form ({} {}) were written until {} and may still be there; "
                    "`millrace rebuild FILE {}` removes them",
                    form_option(form, "target.type"), key.empty() ? "{table}:..." : key, until, sink));
  }
  return out;
}

std::string_view form_option(std::string_view form, std::string_view option) {
  while (!form.empty()) {
    const std::string_view line = form.substr(0, form.find('\n'));
    if (line.starts_with(option) && line.substr(option.size()).starts_with(": "))
      return line.substr(option.size() + 2);
    form.remove_prefix(std::min(form.size(), line.size() + 1));
  }
  return {};
}

std::string form_difference(std::string_view a, std::string_view b) {
  const auto before = options_of(a);
  auto all = options_of(b);
  all.insert(before.begin(), before.end());
  std::string out;
  for (const auto& [option, value] : all) {
    if (form_option(a, option) != form_option(b, option)) out += (out.empty() ? "" : ", ") + option;
  }
  return out;
}

Status OutputWatch::prepare(Servers& servers, bool fresh) {
  const std::string key = notes_key(context_.connector);
  const auto reply = servers.call_key(key, {"HGETALL", key});
  if (!reply) return reply.error();
  if (reply->is_error()) return reply_error("to show " + key, reply->text);
  const OutputNotes now = read_notes(*reply);
  std::string time;
  append_timestamp(time, context_.clock.wall_us(), "Z", 0);
  OutputNotes next = next_notes(now, outputs_, fresh && now == OutputNotes(), time);
  for (const auto& command : note_commands(key, now, next)) {
    const auto done = servers.call_key(key, command);
    if (!done) return done.error();
    if (done->is_error()) return reply_error("to write " + key, done->text);
    MILLRACE_TRY(context_.failpoints.pass("redis.outputs_noted"));
  }
  take(std::move(next));
  next_us_ = context_.clock.now_us() + poll_ms_ * 1000;
  return {};
}

void OutputWatch::take(OutputNotes notes) {
  notes_ = std::move(notes);
  warnings_ = note_sentences(notes_, context_.connector);
}

void OutputWatch::step_if_due(Servers& servers, Flow& flow) {
  const std::int64_t now_us = context_.clock.now_us();
  if (warnings_.empty() || asked_ || now_us < next_us_) return;
  next_us_ = now_us + poll_ms_ * 1000;
  asked_ = true;
  const std::string key = notes_key(context_.connector);
  const std::size_t node = servers.node_of(key);
  const std::size_t start = flow.out(node).size();
  append_command(flow.out(node), {"HGETALL", key});
  Group group;
  group.kind = Group::Kind::kCommand;
  group.on_reply = [this](const Reply& reply) {
    asked_ = false;
    if (!reply.is_error()) take(read_notes(reply));
    return Status();
  };
  flow.push(node, std::move(group), start, 1);
}

}  // namespace millrace::redis
