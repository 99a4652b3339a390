#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "cli/docs.h"
#include "connect/option_table.h"
#include "connect/pipeline.h"
#include "connect/spec.h"

// What every member of the connector list must keep to.
namespace millrace {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Connectors, PagesAreWhatTheTablesSay) {
  for (const auto& [name, text] : option_pages(connector_specs())) {
    EXPECT_EQ(read_file("docs/connectors/" + name), text)
        << "docs/connectors/" << name << ": run `millrace docs --out docs/connectors`";
  }
}

TEST(Connectors, AreEitherSourceOrSink) {
  std::set<std::string_view> names;
  for (const ConnectorSpec* spec : connector_specs()) {
    SCOPED_TRACE(spec->kind);
    EXPECT_TRUE(names.insert(spec->kind).second) << "two of one kind";
    for (const std::string_view alias : spec->aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_NE(spec->make_source == nullptr, spec->make_sink == nullptr);
    EXPECT_EQ(spec->make_source == nullptr, spec->compare_positions == nullptr);
    EXPECT_NE(spec->check, nullptr);
    EXPECT_FALSE(spec->summary.empty());
  }
}

void expect_sound(std::span<const OptionSpec> options) {
  std::set<std::string_view> names;
  for (const OptionSpec& option : options) {
    SCOPED_TRACE(option.name);
    EXPECT_TRUE(names.insert(option.name).second) << "twice";
    for (const std::string_view alias : option.aliases) EXPECT_TRUE(names.insert(alias).second) << alias;
    EXPECT_FALSE(option.doc.empty());
    EXPECT_TRUE(option.doc.ends_with('.')) << "a sentence";
    EXPECT_FALSE(option.required && option.default_value);
    EXPECT_EQ(option.type == OptionType::kEnum, !option.choices.empty());
    const bool sounds_secret = option.name.ends_with("password") || option.name.ends_with("secret");
    EXPECT_TRUE(!sounds_secret || option.type == OptionType::kSecret);
  }
}

TEST(Connectors, OptionTablesAreSound) {
  expect_sound(pipeline_options());
  for (const ConnectorSpec* spec : connector_specs()) {
    SCOPED_TRACE(spec->kind);
    expect_sound(spec->options);
  }
}

TEST(Connectors, DefaultsPassTheirOwnChecks) {
  for (const ConnectorSpec* spec : connector_specs()) {
    std::vector<Setting> settings;
    for (const OptionSpec& option : spec->options) {
      if (option.default_value)
        settings.push_back({std::string(option.name), std::string(*option.default_value), {}});
      if (option.required) {
        settings.push_back({std::string(option.name), option.type == OptionType::kInteger ? "1" : "x", {}});
      }
    }
    const auto config = ConnectorConfig::make("c", spec->options, settings);
    EXPECT_TRUE(config) << spec->kind << ": " << (config ? "" : config.error().message);
  }
}

}  // namespace
}  // namespace millrace
