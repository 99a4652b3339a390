#pragma once

#include <string>

#include "cli/remote.h"

namespace millrace {

[[nodiscard]] inline ExitCode wrong_usage(Console& console, const Error& error) {
  console.complain(error);
  return ExitCode::kUsage;
}

/// Prints an answer: the JSON as it came, or what `show` makes of it.
template <typename Show>
ExitCode print_answer(const HttpAnswer& answer, bool json, Console& console, const Show& show) {
  if (json) {
    console.print(answer.body);
    return ExitCode::kOk;
  }
  const Result<std::string> text = show(answer.body);
  if (!text) {
    console.complain(text.error());
    return ExitCode::kFailed;
  }
  console.print(*text);
  return ExitCode::kOk;
}

/// Asks once and prints.
template <typename Show>
ExitCode ask_and_print(const RemoteOptions& where, const std::string& path, bool json, Console& console,
                       const Show& show) {
  const auto address = remote_address(where);
  if (!address) return wrong_usage(console, address.error());
  Remote remote(*address, console);
  HttpAnswer answer;
  if (const ExitCode code = remote.get(path, answer); code != ExitCode::kOk) return code;
  return print_answer(answer, json, console, show);
}

}  // namespace millrace
