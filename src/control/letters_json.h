#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/dead_letter.h"
#include "runtime/letters.h"

namespace millrace {

/// `[{"id","state","at","changed_at","topic","output","target_key","error","commit","index","stream","sequence","row",
/// "row_kept","sent_again"}]`.
[[nodiscard]] std::string dead_letters_json(const std::vector<DeadLetter>& letters);

/// One of these with `"change"` ({"op","before","after"}, values as RowJsonWriter writes them; null when the
/// row is not there any more) and `"history"` ([{"at","what","state","by","note","edited"}]). Text that is
/// not UTF-8 is shown as {"base64":...}.
[[nodiscard]] std::string dead_letter_json(const DeadLetter& letter, const LetterImage& image);

/// Letters of one topic and output whose errors have one form.
struct LetterGroup {
  std::string topic;
  std::string output;
  std::string error;  ///< its form
  std::uint64_t count = 0;
  DeadLetter first;  ///< by place in the log
  DeadLetter last;
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
};
/// `[{"count","topic","output","error","first_at","last_at","first":{"id","commit",...},"last":{...}}]`, most
/// first.
[[nodiscard]] std::string letter_groups_json(const std::vector<LetterGroup>& groups);

/// `{"operation","action","state","message","asked_at","ended_at","matched","done","failed","superseded",
/// "held","dropped"}`.
[[nodiscard]] std::string operation_json(const LetterOperation& operation);

/// Body of a replay or drop:
/// `{"ids":[1,2],"error":"...","topic":"...","output":"...","all":true,"force":true,
/// "edit":{...},"by":"..."}`, one of the first five at least. `edit` is left in `edit` as it is.
[[nodiscard]] Result<LetterRequest> parse_letter_request(std::string_view body, std::string& edit);

}  // namespace millrace
