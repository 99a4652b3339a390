#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/spec.h"

namespace millrace {

/// A connector of a pipeline file, ready to be started.
struct ConfiguredConnector {
  const ConnectorSpec* spec = nullptr;
  ConnectorConfig config;
};

/// A pipeline file that was checked in every way that needs no server.
struct Pipeline {
  std::string path;
  std::string name;
  ConnectorConfig global;  ///< by pipeline_options()
  std::vector<ConfiguredConnector> connectors;

  /// `log.dir`; a relative one starts at the file's folder.
  [[nodiscard]] std::string log_dir() const;
};

/// Options of the file itself: `name`, `log.kind`, `log.dir`, `http.listen`, `runtime.memory.bytes`...
[[nodiscard]] std::span<const OptionSpec> pipeline_options();

/// Reads a pipeline file's text. Keys may be nested or dotted; `log: rocks` is short for `log: {kind:
/// rocks}`. The error has a line for every fault of the whole file: file, line, key, what was expected, the
/// nearest known name. `path` is for messages and for relative paths only. `specs` must live on.
[[nodiscard]] Result<Pipeline> parse_pipeline(std::string_view yaml, const std::string& path,
                                              std::span<const ConnectorSpec* const> specs,
                                              const ValueSource& values);

/// The same for a file on disk.
[[nodiscard]] Result<Pipeline> load_pipeline(const std::string& path,
                                             std::span<const ConnectorSpec* const> specs);

/// Only `http.listen` of a file, its default when the file has none; nothing else in the file need be right.
[[nodiscard]] Result<std::string> load_listen_address(const std::string& path);

/// The connector kind called `kind` (or by an alias); null when there is none.
[[nodiscard]] const ConnectorSpec* find_spec(std::span<const ConnectorSpec* const> specs,
                                             std::string_view kind);

}  // namespace millrace
