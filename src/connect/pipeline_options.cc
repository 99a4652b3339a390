#include <array>
#include <vector>

#include "connect/pipeline.h"

namespace millrace {
namespace {

using enum OptionType;
using enum Importance;

auto name_and_log_options() {
  return std::array{
      OptionSpec{.name = "name",
                 .group = "Pipeline",
                 .doc = "What the pipeline is called in messages. Without it, the file's name."},
      OptionSpec{.name = "log.kind",
                 .type = kEnum,
                 .default_value = "rocks",
                 .importance = kHigh,
                 .group = "Log",
                 .doc = "Where changes are kept between capture and delivery: `rocks`, the log inside the "
                        "program, or `memory`, which forgets everything at the end and is for trying things "
                        "out. `log: rocks` is short for `log: {kind: rocks}`.",
                 .choices = {"rocks", "memory"}},
      OptionSpec{
          .name = "log.dir",
          .default_value = "./data",
          .importance = kHigh,
          .group = "Log",
          .doc =
              "Folder of the log, made when it is not there. A relative path starts at the pipeline file."},
      OptionSpec{.name = "log.retention.ms",
                 .type = kInteger,
                 .default_value = "604800000",
                 .group = "Log",
                 .doc = "How long rows stay in the log once every sink has them; -1: for ever.",
                 .minimum = -1},
      OptionSpec{.name = "log.retention.bytes",
                 .type = kInteger,
                 .default_value = "-1",
                 .group = "Log",
                 .doc = "How large the log of one source may grow; -1: no bound. The oldest rows go first, "
                        "even when a sink has not read them, which is then reported.",
                 .minimum = -1},
      OptionSpec{.name = "log.deadletter.retention.ms",
                 .type = kInteger,
                 .default_value = "2592000000",
                 .group = "Log",
                 .doc = "How long dead letters stay once they have been dealt with (sent again, dropped or "
                        "superseded); -1: for ever. Those that are still open are never removed.",
                 .minimum = -1},
      OptionSpec{.name = "log.deadletter.retention.count",
                 .type = kInteger,
                 .default_value = "100000",
                 .group = "Log",
                 .doc = "How many dead letters that have been dealt with stay for each sink; -1: no bound. "
                        "The oldest go first.",
                 .minimum = -1},
  };
}

auto http_options() {
  return std::array{
      OptionSpec{.name = "http.listen",
                 .default_value = "127.0.0.1:8083",
                 .importance = kHigh,
                 .group = "HTTP",
                 .doc = "Address and port of the HTTP interface. Port 0 takes any free one."},
      OptionSpec{
          .name = "http.allow.remote",
          .type = kBoolean,
          .default_value = "false",
          .group = "HTTP",
          .doc = "Allows `http.listen` to name an address that other machines can reach, and requests that "
                 "name another host. There are no passwords: whoever reaches the port can read every row."},
      OptionSpec{.name = "http.threads",
                 .type = kInteger,
                 .default_value = "16",
                 .importance = kLow,
                 .group = "HTTP",
                 .doc = "How many requests are answered at a time; threads are made when they are needed.",
                 .minimum = 2,
                 .maximum = 256},
  };
}

auto runtime_options() {
  return std::array{
      OptionSpec{.name = "runtime.memory.bytes",
                 .type = kInteger,
                 .default_value = "67108864",
                 .group = "Runtime",
                 .doc = "What all queues of the process may hold together.",
                 .minimum = 1'048'576},
      OptionSpec{.name = "runtime.batch.bytes",
                 .type = kInteger,
                 .default_value = "1048576",
                 .importance = kLow,
                 .group = "Runtime",
                 .doc = "Size at which a batch is closed; a single larger row still passes.",
                 .minimum = 1024,
                 .maximum = 67'108'864},
      OptionSpec{.name = "runtime.batch.rows",
                 .type = kInteger,
                 .default_value = "8192",
                 .importance = kLow,
                 .group = "Runtime",
                 .doc = "Number of rows at which a batch is closed.",
                 .minimum = 1,
                 .maximum = 1'000'000},
      OptionSpec{.name = "runtime.stop.timeout.ms",
                 .type = kInteger,
                 .default_value = "800",
                 .importance = kLow,
                 .group = "Runtime",
                 .doc = "How long a stop waits for what is in flight. What is not settled by then is read "
                        "again at the next start.",
                 .minimum = 0,
                 .maximum = 600'000},
      OptionSpec{
          .name = "runtime.stuck.after.ms",
          .type = kInteger,
          .default_value = "60000",
          .importance = kLow,
          .group = "Runtime",
          .doc = "A connector that neither moves nor is known to be idle for this long is called stuck.",
          .minimum = 1000},
  };
}

}  // namespace

std::span<const OptionSpec> pipeline_options() {
  static const std::vector<OptionSpec> all = [] {
    std::vector<OptionSpec> out;
    const auto add = [&out](const auto& group) { out.insert(out.end(), group.begin(), group.end()); };
    add(name_and_log_options());
    add(http_options());
    add(runtime_options());
    return out;
  }();
  return all;
}

}  // namespace millrace
