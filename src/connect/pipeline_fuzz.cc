#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "connect/fake_values.h"
#include "connect/pipeline.h"

// Any bytes as a pipeline file: an answer or a list of faults, never a crash, and no secret in the faults.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::ConnectorSpec;
  using millrace::FakeValues;
  using millrace::OptionSpec;
  using millrace::OptionType;
  static const std::array options = {
      OptionSpec{.name = "topic.prefix", .required = true},
      OptionSpec{.name = "database.port", .type = OptionType::kInteger, .minimum = 1, .maximum = 65535},
      OptionSpec{.name = "database.password", .type = OptionType::kSecret},
      OptionSpec{.name = "tables", .type = OptionType::kPatternList},
      OptionSpec{.name = "indexes.<index>.fields.<field>"},
  };
  static const ConnectorSpec spec{.kind = "postgres", .aliases = {}, .summary = "", .options = options};
  static const std::array<const ConnectorSpec*, 1> specs{&spec};
  static const FakeValues values({{"PW", "Qx7-secret"}}, {{"f", "k=Qx7-secret"}});
  const std::string_view text(size == 0 ? "" : reinterpret_cast<const char*>(data), size);
  const auto pipeline = millrace::parse_pipeline(text, "p.yaml", specs, values);
  const bool typed_by_hand = text.find("Qx7-secret") != std::string_view::npos;
  MILLRACE_CHECK(pipeline || typed_by_hand ||
                 pipeline.error().message.find("Qx7-secret") == std::string::npos);
  return 0;
}
