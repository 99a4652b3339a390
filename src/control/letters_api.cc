#include "control/letters_api.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "control/api_answers.h"
#include "control/letters_json.h"
#include "format/row_edit.h"

namespace millrace {
namespace {

constexpr std::uint64_t kMaxLetters = 1000;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kMaxLooked = 100'000;  // letters a request goes through when few fit
constexpr std::size_t kMaxBytes = 4U << 20U;
constexpr std::size_t kMaxGroups = 1000;

/// Nothing when `name` is a sink.
std::optional<HttpResponse> no_sink(const Api& api, const std::string& name) {
  const auto all = api.status();
  const ConnectorStatus* connector = find_connector(all, name);
  if (connector == nullptr) return no_connector(all, name);
  if (connector->is_source) return http_error(400, name + " is a source; only sinks park rows");
  return std::nullopt;
}

Result<LetterFilter> parse_filter(const HttpRequest& request) {
  LetterFilter filter;
  filter.topic = request.query_value("topic").value_or("");
  filter.output = request.query_value("output").value_or("");
  filter.error = request.query_value("error").value_or("");
  const std::string state = request.query_value("state").value_or("open");
  bool known = state == "open" || state == "all";
  for (const LetterState one : {LetterState::kParked, LetterState::kFailed, LetterState::kDone,
                                LetterState::kDropped, LetterState::kSuperseded}) {
    if (state != "all" && state != letter_state_name(one)) continue;
    filter.states.push_back(one);
    known = true;
  }
  if (known) return filter;
  return stop_error("state: expected open, all, parked, failed, done, dropped or superseded");
}

/// Letters from `from` on that fit, and where to go on when there may be more (0: there are not).
struct Found {
  std::vector<DeadLetter> letters;
  std::uint64_t next = 0;
};
Result<Found> find_letters(const Api& api, const std::string& sink, std::uint64_t from, std::size_t limit,
                           const LetterFilter& filter) {
  Found out;
  for (std::size_t looked = 0; looked < kMaxLooked; looked += kPage) {
    auto page = api.log.dead_letters(sink, from, kPage);
    if (!page) return std::move(page).error();
    for (DeadLetter& letter : *page) {
      from = letter.id + 1;
      if (!filter.matches(letter)) continue;
      out.letters.push_back(std::move(letter));
      if (out.letters.size() < limit) continue;
      out.next = from;
      return out;
    }
    if (page->size() < kPage) return out;
  }
  out.next = from;
  return out;
}

Result<std::string> letter_lines(const Api& api, const std::string& sink, Found& found) {
  std::string out;
  for (const DeadLetter& letter : found.letters) {
    const auto image = api.log.dead_letter_row(sink, letter);
    if (!image) return image.error();
    out += dead_letter_json(letter, *image);
    out += '\n';
    if (out.size() < kMaxBytes) continue;
    found.next = letter.id + 1;
    break;
  }
  return out;
}

HttpResponse answer_list(const Api& api, const HttpRequest& request) {
  const std::string& name = request.parameters.at("name");
  if (auto wrong = no_sink(api, name)) return *std::move(wrong);
  const auto from = parse_uint64(request.query_value("from").value_or("0"));
  const auto limit = parse_uint64(request.query_value("limit").value_or("100"));
  const std::string format = request.query_value("format").value_or("json");
  if (!from || !limit || *limit == 0 || *limit > kMaxLetters) {
    return http_error(400, "expected from=ID and limit=N with N from 1 to 1000");
  }
  if (format != "json" && format != "ndjson") return http_error(400, "format: expected json or ndjson");
  const auto filter = parse_filter(request);
  if (!filter) return http_error(400, filter.error().message);
  auto found = find_letters(api, name, *from, static_cast<std::size_t>(*limit), *filter);
  if (!found) return failure(500, found.error());
  HttpResponse response;
  if (format == "json") {
    response = json_response(200, dead_letters_json(found->letters));
  } else {
    auto lines = letter_lines(api, name, *found);
    if (!lines) return failure(500, lines.error());
    response = {200, "application/x-ndjson", *std::move(lines)};
  }
  if (found->next != 0) response.headers.emplace("Millrace-Next-Id", std::to_string(found->next));
  return response;
}

StreamPosition place_of(const DeadLetter& letter) {
  return {letter.rejected.stream, letter.rejected.sequence, letter.rejected.row};
}

void add_to_group(LetterGroup& group, DeadLetter letter) {
  const bool is_first = group.count++ == 0;
  group.first_us = is_first ? letter.at_us : std::min(group.first_us, letter.at_us);
  group.last_us = std::max(group.last_us, letter.at_us);
  letter.history.clear();
  if (is_first || place_of(letter) < place_of(group.first)) group.first = letter;
  if (is_first || place_of(group.last) < place_of(letter)) group.last = std::move(letter);
}

HttpResponse answer_groups(const Api& api, const HttpRequest& request) {
  const std::string& name = request.parameters.at("name");
  if (auto wrong = no_sink(api, name)) return *std::move(wrong);
  const auto filter = parse_filter(request);
  if (!filter) return http_error(400, filter.error().message);
  std::map<std::tuple<std::string, std::string, std::string>, LetterGroup> groups;
  for (std::uint64_t from = 0;;) {
    auto page = api.log.dead_letters(name, from, kPage);
    if (!page) return failure(500, page.error());
    for (DeadLetter& letter : *page) {
      from = letter.id + 1;
      if (!filter->matches(letter)) continue;
      std::tuple key(letter.rejected.topic, letter.rejected.output, error_form(letter.rejected.error));
      // More kinds of errors than anyone reads: the rest of them as one.
      if (groups.size() >= kMaxGroups && !groups.contains(key)) key = {"", "", "other errors"};
      LetterGroup& group = groups[key];
      std::tie(group.topic, group.output, group.error) = key;
      add_to_group(group, std::move(letter));
    }
    if (page->size() < kPage) break;
  }
  std::vector<LetterGroup> out;
  out.reserve(groups.size());
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::ranges::sort(out, [](const LetterGroup& a, const LetterGroup& b) {
    return std::tie(b.count, a.topic, a.output, a.error) < std::tie(a.count, b.topic, b.output, b.error);
  });
  return json_response(200, letter_groups_json(out));
}

Result<std::optional<DeadLetter>> find_letter(const Api& api, const std::string& sink, std::uint64_t id) {
  auto letters = api.log.dead_letters(sink, id, 1);
  if (!letters) return std::move(letters).error();
  const bool there = !letters->empty() && letters->front().id == id;
  return there ? std::optional(std::move(letters->front())) : std::nullopt;
}

HttpResponse no_letter(const std::string& sink, std::string_view id) {
  return http_error(404, "sink " + sink + " has no dead letter " + std::string(id));
}

HttpResponse answer_one(const Api& api, const HttpRequest& request) {
  const std::string& name = request.parameters.at("name");
  if (auto wrong = no_sink(api, name)) return *std::move(wrong);
  const auto id = parse_uint64(request.parameters.at("id"));
  if (!id) return no_letter(name, request.parameters.at("id"));
  const auto letter = find_letter(api, name, *id);
  if (!letter) return failure(500, letter.error());
  if (!*letter) return no_letter(name, request.parameters.at("id"));
  const auto image = api.log.dead_letter_row(name, **letter);
  if (!image) return failure(500, image.error());
  return json_response(200, dead_letter_json(**letter, *image));
}

/// Puts the edited row into `request`; nothing when that went well.
std::optional<HttpResponse> edit(const Api& api, const std::string& name, std::string_view json,
                                 LetterRequest& request) {
  const std::uint64_t id = request.which.ids.front();
  const auto letter = find_letter(api, name, id);
  if (!letter) return failure(500, letter.error());
  if (!*letter) return no_letter(name, std::to_string(id));
  const auto image = api.log.dead_letter_row(name, **letter);
  if (!image) return failure(500, image.error());
  if (image->batch == nullptr)
    return http_error(409, "the row of dead letter " + std::to_string(id) + " is not there any more");
  auto edited = edit_row(*image->batch, image->row, json);
  if (!edited) return failure(400, edited.error());
  request.edited = std::move(edited->batch);
  request.edited_columns = std::move(edited->columns);
  return std::nullopt;
}

HttpResponse work(const Api& api, LetterRequest::Action action, const HttpRequest& http) {
  const std::string& name = http.parameters.at("name");
  if (auto wrong = no_sink(api, name)) return *std::move(wrong);
  std::string changes;
  auto request = parse_letter_request(http.body, changes);
  if (!request) return failure(400, request.error());
  request->action = action;
  for (const std::uint64_t wanted : request->which.ids) {
    const auto letter = find_letter(api, name, wanted);
    if (!letter) return failure(500, letter.error());
    if (!*letter) return no_letter(name, std::to_string(wanted));
  }
  if (action == LetterRequest::Action::kDrop && (request->force || !changes.empty()))
    return http_error(400, "force and edit are for replay");
  if (!changes.empty()) {
    if (auto wrong = edit(api, name, changes, *request)) return *std::move(wrong);
  }
  const auto id = api.work_on_letters(name, *std::move(request));
  if (!id) return failure(409, id.error());
  return json_response(202, "{\"operation\":" + std::to_string(*id) + "}");
}

HttpResponse answer_operation(const Api& api, const HttpRequest& request) {
  const std::string& name = request.parameters.at("name");
  if (auto wrong = no_sink(api, name)) return *std::move(wrong);
  const auto id = parse_uint64(request.parameters.at("id"));
  const auto operation = api.letter_operation(name, id.value_or(0));
  if (!operation) return failure(404, operation.error());
  return json_response(200, operation_json(*operation));
}

}  // namespace

void add_letter_routes(HttpRouter& router, const Api& api) {
  const std::string base = "/api/v1/connectors/{name}/dead-letters";
  router.add("GET", base, [&api](const HttpRequest& request) { return answer_list(api, request); });
  router.add("GET", base + "/groups",
             [&api](const HttpRequest& request) { return answer_groups(api, request); });
  router.add("GET", base + "/{id}", [&api](const HttpRequest& request) { return answer_one(api, request); });
  router.add("GET", base + "/operations/{id}",
             [&api](const HttpRequest& request) { return answer_operation(api, request); });
  for (const auto action : {LetterRequest::Action::kReplay, LetterRequest::Action::kDrop}) {
    router.add("POST", base + "/" + std::string(letter_action_name(action)),
               [&api, action](const HttpRequest& request) { return work(api, action, request); });
  }
}

}  // namespace millrace
