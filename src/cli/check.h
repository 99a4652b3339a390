#pragma once

#include <string>
#include <vector>

#include "connect/pipeline.h"

namespace millrace {

/// A finding and whose it is.
struct Checked {
  std::string owner;  ///< a connector's name, `log` or `http`
  Finding finding;
};

/// Looks at everything the pipeline needs, without changing anything: disk room, address, and what each
/// connector's kind looks at. Bounded in time (10 s a connector). No secret of the pipeline is in the answer.
[[nodiscard]] std::vector<Checked> check_pipeline(const Pipeline& pipeline);

/// A line for each, the fix below it.
[[nodiscard]] std::string findings_text(const std::vector<Checked>& findings, bool with_ok);
/// `{"ok":true,"findings":[{"owner","level","subject","message","fix"}]}`
[[nodiscard]] std::string findings_json(const std::vector<Checked>& findings);

[[nodiscard]] bool has_error(const std::vector<Checked>& findings);

}  // namespace millrace
