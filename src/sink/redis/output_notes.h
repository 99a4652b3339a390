#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connect/task_context.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/flow.h"
#include "sink/redis/output_settings.h"

namespace millrace::redis {

/// What a sink has noted in Redis of the forms in which it writes, so that a change of the file is seen:
/// rows that have not changed since then still have the earlier form, or are missing in an output that is
/// new. Forms are Output::form.
struct OutputNotes {
  std::map<std::string, std::string> forms;    ///< by output, as it is written now
  std::map<std::string, std::string> behind;   ///< by output: since when, and what has changed
  std::map<std::string, std::string> earlier;  ///< forms whose keys may still be there: until when

  friend bool operator==(const OutputNotes&, const OutputNotes&) = default;
};

/// The hash they are in.
[[nodiscard]] std::string notes_key(std::string_view sink);
/// From the reply to HGETALL.
[[nodiscard]] OutputNotes read_notes(const Reply& reply);
/// What they are to be once the sink begins with `outputs`. `fresh`: it writes all rows, as there are none;
/// that nothing is known of its position is not enough, as the log may be another than it was.
[[nodiscard]] OutputNotes next_notes(const OutputNotes& now, std::span<const Output> outputs, bool fresh,
                                     const std::string& time);
/// The commands that make `to` of `from`. After a crash between two of them the next start goes on.
[[nodiscard]] std::vector<std::vector<std::string>> note_commands(const std::string& key,
                                                                  const OutputNotes& from,
                                                                  const OutputNotes& to);
/// What an operator should know of them, a sentence each.
[[nodiscard]] std::vector<std::string> note_sentences(const OutputNotes& notes, std::string_view sink);

/// `target.key` of a form, say; empty when it has none.
[[nodiscard]] std::string_view form_option(std::string_view form, std::string_view option);
/// Names of the options in which two forms differ, joined by commas.
[[nodiscard]] std::string form_difference(std::string_view a, std::string_view b);

/// Keeps the notes while the sink runs, and sees when a rebuild has made them void. One thread; lives no
/// longer than the context.
class OutputWatch {
 public:
  OutputWatch(std::span<const Output> outputs, std::int64_t poll_ms, TaskContext& context)
      : outputs_(outputs), poll_ms_(poll_ms), context_(context) {}

  /// With nothing in flight.
  [[nodiscard]] Status prepare(Servers& servers, bool fresh);
  /// When it is time and there is something to wait for, asks for the notes again.
  void step_if_due(Servers& servers, Flow& flow);
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Rows of the output are not all in their form yet.
  [[nodiscard]] bool is_behind(const std::string& output) const { return notes_.behind.contains(output); }

 private:
  void take(OutputNotes notes);

  std::span<const Output> outputs_;
  std::int64_t poll_ms_;
  TaskContext& context_;
  OutputNotes notes_;
  std::vector<std::string> warnings_;
  std::int64_t next_us_ = 0;
  bool asked_ = false;
};

}  // namespace millrace::redis
