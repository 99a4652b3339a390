#include "sink/redis/target/content.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <utility>

#include "base/check.h"
#include "format/json_canonical.h"
#include "format/json_writer.h"
#include "sink/redis/target/nest.h"

namespace millrace::redis {
namespace {

constexpr std::string_view kWhole = "(value)";

bool is_document(const Target& target) {
  return target.type == TargetType::kJson || (target.type == TargetType::kString && !target.value);
}

/// Members of a document, without the objects of other rows in it.
Content content_of_json(const Target& target, std::string_view text) {
  Content out;
  out.there = true;
  out.is_json = true;
  if (auto members = json_members(text)) {
    out.fields = std::move(*members);
    for (const NestTree& tree : target.inside) out.fields.erase(std::string(nest_name(tree.name).box));
  } else {
    out.fields.emplace(kWhole, canonical_json(text).value_or(std::string(text)));
  }
  return out;
}

/// What a document that others write into as well is to be held against: the members that the row writes, and
/// in `objects` (`{"place":{}}`), which hold such members, only those.
void keep_only(std::map<std::string, std::string>& found, const std::map<std::string, std::string>& wanted,
               std::string_view objects) {
  std::erase_if(found, [&wanted](const auto& field) { return !wanted.contains(field.first); });
  const auto shared = json_members(objects);
  if (!shared) return;
  for (auto& [name, value] : found) {
    const auto object = shared->find(name);
    auto inner = json_members(value);
    const auto inner_wanted = json_members(wanted.at(name));
    if (object == shared->end() || !inner || !inner_wanted) continue;
    keep_only(*inner, *inner_wanted, object->second);
    std::string text = "{";
    for (const auto& [key, one] : *inner) {
      if (text.size() > 1) text += ',';
      append_json_name(text, key);
      text += ':' + one;
    }
    value = text + '}';
  }
}

/// The members at `paths`, or in objects, of a document or of an object in it, which lies at `at`.
void keep_paths(std::map<std::string, std::string>& found, const std::string& at,
                const std::vector<std::string>& paths) {
  std::erase_if(found, [&](auto& field) {
    const std::string path = at + path_end(field.first);
    if (std::ranges::count(paths, path) > 0) return false;
    auto inner = json_members(field.second);
    if (!inner || std::ranges::none_of(paths, [&](const auto& one) { return one.starts_with(path + "["); }))
      return true;
    keep_paths(*inner, path, paths);
    return inner->empty();
  });
}

std::string number_text(std::string_view text) {
  double value = 0;
  if (text == "inf" || text == "+inf") return "inf";
  if (text == "-inf") return "-inf";
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
    return std::string(text);
  std::string out;
  append_double_text(out, value);
  return out;
}

std::optional<std::map<std::string, std::string>> hash_fields(const Item& item) {
  std::map<std::string, std::string> out;
  for (const DocumentField& field : item.plan.document->fields()) {
    if (item.plan.document->presence(field, item.cells) != DocumentLayout::Presence::kValue) continue;
    std::string text;
    if (!item.plan.document->append_text(text, field, item.cells)) return std::nullopt;
    out.emplace(field.name, std::move(text));
  }
  return out;
}

}  // namespace

std::uint64_t Content::fingerprint() const {
  if (!there) return 0;
  std::string text = fault;
  for (const auto& [name, value] : fields) {
    text += name;
    text += '\0';
    text += value;
    text += '\0';
  }
  return std::hash<std::string_view>()(text) | 1U;
}

std::vector<std::string> different_fields(const Content& wanted, const Content& found) {
  std::vector<std::string> out;
  for (const auto& [name, value] : wanted.fields) {
    const auto other = found.fields.find(name);
    if (other == found.fields.end() && std::ranges::count(wanted.fleeting, name) > 0) continue;
    if (other == found.fields.end() ||
        (other->second != value && !(wanted.is_json && same_canonical(value, other->second))))
      out.push_back(name);
  }
  for (const auto& [name, value] : found.fields) {
    if (!wanted.fields.contains(name)) out.push_back(name);
  }
  return out;
}

Result<Content> wanted_content(const Target& target, const Item& item) {
  Content out;
  if (item.entry.action == Overlay::Action::kDelete) return out;
  out.there = true;
  if (is_document(target)) {
    std::string text;
    MILLRACE_TRY(item.plan.document->append(text, item.cells));
    out = content_of_json(target, text);
    if (target.merge) item.plan.document->append_objects(out.objects);
    return out;
  }
  switch (target.type) {
    case TargetType::kHash: {
      auto fields = hash_fields(item);
      if (!fields) return reject_error("a field of its hash cannot be written as text");
      out.fields = std::move(*fields);
      for (const DocumentField& field : item.plan.document->fields()) {
        if (!out.fields.contains(field.name)) out.absent.push_back(field.name);
      }
      for (const FieldEnd& field : item.plan.field_ends) out.fleeting.push_back(field.name);
      out.absent.insert(out.absent.end(), item.plan.dropped.begin(), item.plan.dropped.end());
      break;
    }
    case TargetType::kString: {
      std::string text;
      if (auto error = item.plan.value->append(text, item.cells)) return reject_error(std::move(*error));
      out.fields.emplace(kWhole, std::move(text));
      break;
    }
    case TargetType::kSortedSet: {
      std::string score;
      const std::uint16_t column = *item.plan.score;
      if (!append_score(score, item.cells.batch(column), item.cells[column]))
        return reject_error("column " + item.plan.schema->columns[column].name +
                            " holds no number to sort by");
      out.fields.emplace("(score)", number_text(score));
      break;
    }
    default:
      break;  // of a set there is nothing but the member
  }
  return out;
}

std::optional<std::string> wanted_text(const Target& target, const Item& item) {
  if (target.nests() || target.merge) return std::nullopt;
  std::string text;
  if (is_document(target)) {
    if (!item.plan.document->append(text, item.cells)) return std::nullopt;
    return text;
  }
  if (target.type == TargetType::kString) {
    if (item.plan.value->append(text, item.cells)) return std::nullopt;
    return text;
  }
  // Hashes are read: to sort their fields in a script costs the server more than to send them.
  return std::nullopt;
}

std::string checksum(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, 20> digest{};
  unsigned int size = 0;
  MILLRACE_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  std::string out;
  for (const unsigned char byte : digest) {
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::vector<std::string> read_command(const Target& target, std::string_view key, std::string_view member) {
  const std::string k(key);
  switch (target.type) {
    case TargetType::kJson: {
      if (!target.nest) return {"JSON.GET", k, "$"};
      const NestPlace place = nest_place(member);
      return {"JSON.GET", k, place.path()};
    }
    case TargetType::kHash:
      return {"HGETALL", k};
    case TargetType::kString:
      return {"GET", k};
    case TargetType::kSet:
      return {"SISMEMBER", k, std::string(member)};
    case TargetType::kSortedSet:
      return {"ZSCORE", k, std::string(member)};
    case TargetType::kStream:
      break;
  }
  MILLRACE_CHECK(false);  // a history is not compared
  return {};
}

bool has_others_beside(const Target& target) { return target.type == TargetType::kHash || target.merge; }

void keep_members_of_row(Content& found, const TablePlan& plan) {
  if (!found.there || !found.is_json || !plan.document) return;
  std::vector<std::string> own;
  std::vector<std::string> of_key;
  for (const DocumentField& field : plan.document->fields())
    (plan.is_of_key(field) ? of_key : own).push_back(field.path);
  keep_paths(found.fields, "$", own.empty() ? of_key : own);
  if (found.fields.empty()) found = {};
}

Content found_content(const Target& target, const Reply& reply, const Content* wanted) {
  Content out;
  if (reply.is_error()) {
    out.there = true;
    out.fault = "a key of another type is in its place";
    return out;
  }
  switch (target.type) {
    case TargetType::kHash:
      for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2)
        out.fields.emplace(reply.elements[i].text, reply.elements[i + 1].text);
      out.there = !out.fields.empty();
      // What others have put into the hash is theirs.
      if (wanted != nullptr) {
        std::erase_if(out.fields, [wanted](const auto& field) {
          return !wanted->fields.contains(field.first) &&
                 std::ranges::count(wanted->absent, field.first) == 0;
        });
      }
      return out;
    case TargetType::kSet:
      out.there = reply.integer == 1;
      return out;
    case TargetType::kSortedSet:
      out.there = reply.kind == Reply::Kind::kBulk;
      if (out.there) out.fields.emplace("(score)", number_text(reply.text));
      return out;
    default:
      break;
  }
  if (reply.kind != Reply::Kind::kBulk) return out;
  if (target.type == TargetType::kString && target.value) {
    out.there = true;
    out.fields.emplace(kWhole, reply.text);
    return out;
  }
  std::string_view text = reply.text;
  if (target.type == TargetType::kJson) {  // a list of what the path finds
    if (text.size() <= 2) return out;
    text = text.substr(1, text.size() - 2);
  }
  out = content_of_json(target, text);
  if (wanted != nullptr && target.merge) keep_only(out.fields, wanted->fields, wanted->objects);
  return out;
}

}  // namespace millrace::redis
