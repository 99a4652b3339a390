#include "connect/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "connect/fake_values.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using enum OptionType;

std::span<const OptionSpec> source_options() {
  static const std::array table = {
      OptionSpec{.name = "topic.prefix", .required = true},
      OptionSpec{.name = "database.hostname", .default_value = "127.0.0.1"},
      OptionSpec{
          .name = "database.port", .type = kInteger, .default_value = "5432", .minimum = 1, .maximum = 65535},
      OptionSpec{.name = "database.password", .type = kSecret},
      OptionSpec{.name = "slot.name", .default_value = "millrace"},
      OptionSpec{.name = "tables", .type = kList},
  };
  return table;
}

std::span<const OptionSpec> sink_options() {
  static const std::array table = {
      OptionSpec{.name = "topics", .type = kList},
      OptionSpec{.name = "indexes.<index>.prefix"},
      OptionSpec{.name = "indexes.<index>.fields.<field>"},
  };
  return table;
}

std::span<const ConnectorSpec* const> specs() {
  static const ConnectorSpec source{
      .kind = "postgres",
      .aliases = {"io.debezium.connector.postgresql.PostgresConnector"},
      .summary = "s",
      .options = source_options(),
      .make_source = [](const ConnectorConfig&) -> Result<std::unique_ptr<Source>> {
        return stop_error("only a test");
      }};
  static const ConnectorSpec sink{.kind = "redis", .aliases = {}, .summary = "s", .options = sink_options()};
  static const std::array<const ConnectorSpec*, 2> all{&source, &sink};
  return all;
}

Result<Pipeline> parse(std::string_view yaml, const FakeValues& values = {}) {
  return parse_pipeline(yaml, "p.yaml", specs(), values);
}

std::string fault(std::string_view yaml) {
  const auto pipeline = parse(yaml);
  EXPECT_FALSE(pipeline);
  return pipeline ? "" : pipeline.error().message;
}

TEST(Pipeline, ReadsNestedAndDottedKeys) {
  const auto pipeline = parse(R"(
name: shop
log: { kind: rocks, dir: ./data, retention.ms: 1000, retention: { bytes: -1 } }
http.listen: 127.0.0.1:9
connectors:
  shop:
    kind: postgres
    topic: { prefix: shop }
    database.password: ${env:PW}
    tables: [ "public.a", 'b{1,2}' ]
  cache:
    kind: redis
    topics: shop.public.flights,x
    indexes:
      flights:
        prefix: "flight:"
        fields: { origin: TAG, delay: NUMERIC SORTABLE, a.b: TEXT }
)",
                              {{{"PW", "pw"}}, {}});
  ASSERT_TRUE(pipeline) << pipeline.error().message;
  EXPECT_EQ(pipeline->name, "shop");
  EXPECT_EQ(pipeline->global.integer("log.retention.ms"), 1000);
  EXPECT_EQ(pipeline->global.integer("log.retention.bytes"), -1);
  EXPECT_EQ(pipeline->global.text("http.listen"), "127.0.0.1:9");
  ASSERT_EQ(pipeline->connectors.size(), 2U);
  const ConnectorConfig& shop = pipeline->connectors[0].config;
  EXPECT_EQ(shop.connector(), "shop");
  EXPECT_EQ(shop.text("topic.prefix"), "shop");
  EXPECT_EQ(shop.text("database.password"), "pw");
  EXPECT_THAT(shop.list("tables"), ElementsAre("public.a", "b{1,2}"));
  EXPECT_EQ(shop.origin("topic.prefix").line, 8);
  const ConnectorConfig& cache = pipeline->connectors[1].config;
  const auto fields = cache.below("indexes.flights.fields.");
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[1].value, "NUMERIC SORTABLE");
  EXPECT_EQ(fields[2].name, "a.b");
}

TEST(Pipeline, NeedsNothingAtAll) {
  for (const char* yaml : {"", "# nothing\n", "connectors:\n", "connectors: {}\n", "log: memory"}) {
    const auto pipeline = parse(yaml);
    ASSERT_TRUE(pipeline) << yaml << pipeline.error().message;
    EXPECT_TRUE(pipeline->connectors.empty());
    EXPECT_EQ(pipeline->name, "p");
  }
  EXPECT_EQ(parse("log: memory")->global.text("log.kind"), "memory");
}

TEST(Pipeline, LogFolderStartsAtTheFile) {
  EXPECT_EQ(parse_pipeline("", "/etc/millrace/p.yaml", specs(), FakeValues())->log_dir(),
            "/etc/millrace/data");
  EXPECT_EQ(parse_pipeline("log.dir: /var/x", "/etc/p.yaml", specs(), FakeValues())->log_dir(), "/var/x");
  EXPECT_EQ(parse("log.dir: d")->log_dir(), "d");
}

TEST(Pipeline, FollowsAnchorsAndMerges) {
  const auto pipeline = parse(R"(
connectors:
  a: &base
    kind: postgres
    topic.prefix: a
    slot.name: one
    tables: &tables [x, y]
  b:
    <<: *base
    topic.prefix: b
    slot.name: two
    tables: *tables
)");
  ASSERT_TRUE(pipeline) << pipeline.error().message;
  EXPECT_EQ(pipeline->connectors[1].config.text("topic.prefix"), "b");
  EXPECT_EQ(pipeline->connectors[1].spec->kind, "postgres");
  EXPECT_THAT(pipeline->connectors[1].config.list("tables"), ElementsAre("x", "y"));
}

TEST(Pipeline, TellsAllFaultsOfTheWholeFileAtOnce) {
  EXPECT_EQ(
      fault(R"(log: { kind: rock, dri: ./d }
http.lisen: 127.0.0.1:1
connectors:
  shop:
    kind: postgers
  cache:
    kind: redis
    topcs: a
  lost:
    topics: x
)"),
      "p.yaml:1: log.kind: expected one of rocks, memory, found \"rock\"\n"
      "p.yaml:1: log.dri: not an option of a pipeline file; did you mean log.dir?\n"
      "p.yaml:2: http.lisen: not an option of a pipeline file; did you mean http.listen?\n"
      "p.yaml:5: connectors.shop.kind: expected one of postgres, redis, found \"postgers\"; did you mean "
      "postgres?\n"
      "p.yaml:8: connectors.cache.topcs: not an option of a redis connector; did you mean topics?\n"
      "p.yaml:10: connectors.lost.kind: missing; expected one of postgres, redis");
}

TEST(Pipeline, RefusesTheSameKeyTwice) {
  EXPECT_EQ(fault("name: a\nname: b\n"), "p.yaml:2: name: given twice, also on line 1");
  EXPECT_EQ(fault("log:\n  kind: rocks\nlog.kind: memory\n"),
            "p.yaml:3: log.kind: given twice, also on line 2");
  EXPECT_EQ(fault("log: rocks\nlog.kind: memory\n"), "p.yaml:2: log.kind: given twice, also on line 1");
}

TEST(Pipeline, RefusesWhatIsNoSetting) {
  EXPECT_EQ(fault("- a\n- b\n"), "p.yaml:1: expected settings as `key: value`");
  EXPECT_EQ(fault("connectors: [a, b]\n"),
            "p.yaml:1: connectors: expected a mapping of connector names to settings");
  EXPECT_EQ(fault("connectors:\n  a: redis\n"),
            "p.yaml:2: connectors.a: expected settings as `key: value`\n"
            "p.yaml:2: connectors.a.kind: missing; expected one of postgres, redis");
  EXPECT_EQ(fault("name: [[a], b]\n"), "p.yaml:1: name: expected a list of plain values");
  EXPECT_EQ(fault("connectors:\n  a b: {kind: redis}\n"),
            "p.yaml:2: connectors.a b: expected a name of at most 64 letters, digits, _ and -");
  EXPECT_EQ(fault("conectors:\n  a: {kind: redis}\n"),
            "p.yaml:2: conectors: not an option of a pipeline file; did you mean connectors?");
  EXPECT_EQ(fault("conectors:\n  a: {kind: redis, topics: x}\n  b: {kind: redis}\nhttp: {lissten: x}\n"),
            "p.yaml:2: conectors: not an option of a pipeline file; did you mean connectors?\n"
            "p.yaml:4: http.lissten: not an option of a pipeline file; did you mean http.listen?");
  EXPECT_EQ(fault("name: a\n---\nname: b\n"),
            "p.yaml:2: expected one YAML document with settings as `key: value`, found more behind it");
  EXPECT_EQ(fault("name: a\n}\nlog: rocks\n"), "p.yaml:2:1: not valid YAML: illegal flow end");
  EXPECT_TRUE(parse("%YAML 1.2\n# c\n---\nname: a\n"));
  EXPECT_EQ(parse("name: '---'\n")->name, "---");
}

TEST(Pipeline, PlacesBrokenYaml) {
  EXPECT_EQ(fault("name: a\nlog: {\n"), "p.yaml:3:1: not valid YAML: end of map flow not found");
  EXPECT_EQ(fault("a: b: c\n"), "p.yaml:1:5: not valid YAML: illegal map value");
  // The library would print the anchor's name, which may have been meant as a password.
  EXPECT_THAT(fault("connectors: {a: {kind: postgres, database.password: *hunter2}}"),
              Not(HasSubstr("hunter2")));
}

TEST(Pipeline, RefusesQuotesThatAreNotClosed) {
  EXPECT_THAT(fault("connectors: {}\nname: \"a\n"),
              HasSubstr("p.yaml:2: not valid YAML: the file ends inside quotes"));
  EXPECT_THAT(fault("name: 'a\nlog.kind: memory\n"), HasSubstr("ends inside quotes"));
  for (const char* good :
       {"name: \"a\"\n", "name: a # it's\n", "name: it's\n", "name: a\n...\n", "name: |\n  \"a\n", ""}) {
    EXPECT_TRUE(parse_pipeline(good, "p.yaml", specs(), FakeValues())) << good;
  }
}

TEST(Pipeline, ComesBackFromWhatIsNoYaml) {
  EXPECT_THAT(fault(",og: rocks\nlog.kind: memory\n"), HasSubstr("p.yaml:1"));
}

TEST(Pipeline, BoundsWhatAnchorsBlowUp) {
  std::string yaml = "a0: &a0 {x: 1, y: 2}\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {l: " + last + ", r: " + last + "}\n";
  }
  EXPECT_THAT(fault(yaml), HasSubstr("more than 32 levels or 5000 values"));
  EXPECT_THAT(fault("a: &a {b: *a}\n"), HasSubstr("p.yaml:1"));
}

TEST(Pipeline, RefusesSourcesThatShareTopicsOrASlot) {
  EXPECT_EQ(fault(R"(connectors:
  a: {kind: postgres, topic.prefix: x, slot.name: s}
  b:
    kind: postgres
    topic.prefix: x
    slot.name: s
  c: {kind: postgres, topic.prefix: y, slot.name: s, database.port: 5433}
)"),
            "p.yaml:5: connectors.b.topic.prefix: the same as of connector a; two sources cannot write the "
            "same topics\n"
            "p.yaml:6: connectors.b.slot.name: the same as of connector a; a slot of a server serves one "
            "connector");
}

TEST(Pipeline, TakesTheNameOfKafkaConnectForAKind) {
  const auto pipeline = parse(
      "connectors: {a: {connector.class: io.debezium.connector.postgresql.PostgresConnector, topic.prefix: "
      "p}}");
  ASSERT_TRUE(pipeline) << pipeline.error().message;
  EXPECT_EQ(pipeline->connectors[0].spec->kind, "postgres");
}

TEST(Pipeline, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(load_pipeline("/no/such.yaml", specs()).error().message,
            "cannot read /no/such.yaml: No such file or directory");
  EXPECT_EQ(load_pipeline("/", specs()).error().message, "cannot read /: it is not a regular file");
}

}  // namespace
}  // namespace millrace
