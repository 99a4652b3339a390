#include "log/dead_letter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

std::string_view letter_state_name(LetterState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"parked", "failed", "done", "dropped",
                                                             "superseded"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string_view letter_row_name(LetterRow row) {
  static constexpr std::array<std::string_view, 5> kNames = {"in log", "copied", "too large", "no room",
                                                             "gone"};
  return kNames.at(static_cast<std::size_t>(row));
}

std::string_view letter_event_name(LetterEvent::What what) {
  static constexpr std::array<std::string_view, 4> kNames = {"parked", "replay", "drop", "overtaken"};
  return kNames.at(static_cast<std::size_t>(what));
}

void add_event(DeadLetter& letter, LetterEvent event) {
  letter.state = event.state;
  letter.changed_us = event.at_us;
  if (letter.history.size() >= kMaxLetterEvents) letter.history.erase(letter.history.begin());
  letter.history.push_back(std::move(event));
}

std::string error_form(std::string_view error) {
  std::string out;
  for (std::size_t i = 0; i < error.size();) {
    const char c = error[i];
    const std::size_t close = c == '"' || c == '\'' ? error.find(c, i + 1) : std::string_view::npos;
    const bool opens = i == 0 || !is_word(error[i - 1]);  // an apostrophe within a word is none
    if (close != std::string_view::npos && opens) {
      out += "'...'";
      i = close + 1;
    } else if (is_digit(c) && opens) {
      out += 'N';
      while (i < error.size() && is_digit(error[i])) ++i;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

bool LetterFilter::matches(const DeadLetter& letter) const {
  if (!ids.empty() && !std::ranges::binary_search(ids, letter.id)) return false;
  if (!topic.empty() && letter.rejected.topic != topic) return false;
  if (!output.empty() && letter.rejected.output != output) return false;
  if (!error.empty() && error_form(letter.rejected.error).find(error_form(error)) == std::string::npos)
    return false;
  if (!states.empty()) return std::ranges::find(states, letter.state) != states.end();
  return !ids.empty() || is_open(letter.state);
}

}  // namespace millrace
