#include "sink/redis/settings.h"

#include <gtest/gtest.h>

#include "sink/redis/spec.h"

namespace millrace::redis {
namespace {

/// The settings, or the error's message.
Result<Settings> read(std::vector<std::pair<std::string, std::string>> values) {
  std::vector<Setting> settings;
  for (auto& [name, value] : values) settings.push_back({name, value, {}});
  auto config = ConnectorConfig::make("cache", redis_spec().options, settings);
  if (!config) return std::move(config).error();
  return read_settings(*config);
}

TEST(Settings, TheExampleOfTheDocs) {
  const auto settings = read({{"topics", "shop.public.flights"},
                              {"redis.uri", "redis://127.0.0.1:6379/0"},
                              {"target.key", "flight:{id}"},
                              {"indexes.flights.prefix", "flight:"},
                              {"indexes.flights.fields.origin", "TAG"},
                              {"indexes.flights.fields.delay", "NUMERIC SORTABLE"},
                              {"indexes.flights.fields.meta.src", "TEXT"}});
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_EQ(settings->indexes.size(), 1U);
  EXPECT_EQ(settings->indexes[0].fields.size(), 3U);
  EXPECT_EQ(settings->indexes[0].fields[2].identifier, "$.meta.src");
}

/// Where an index reads a field from, and what its output writes for it.
std::string read_from(std::vector<std::pair<std::string, std::string>> values, const char* field,
                      const char* type) {
  values.insert(
      values.end(),
      {{"topics", "p.public.t"}, {"target.key", "t:{id}"}, {"indexes.i.fields." + std::string(field), type}});
  const auto settings = read(std::move(values));
  if (!settings) return settings.error().message;
  const std::string& form = settings->outputs[0].form;
  const std::size_t at = form.find("indexes: ");
  return settings->indexes[0].fields[0].identifier +
         (at == std::string::npos ? "" : " " + form.substr(at + 9, form.size() - at - 10));
}

TEST(Settings, IndexesReadFormsThatTheirTypesTake) {
  EXPECT_EQ(read_from({}, "price", "NUMERIC"), R"($["price.number"] price.number)");
  EXPECT_EQ(read_from({}, "pos", "GEO"), R"($["pos.geo"] pos.geo)");
  EXPECT_EQ(read_from({}, "area", "GEOSHAPE"), R"($["area.shape"] area.shape)");
  EXPECT_EQ(read_from({}, "v", "TAG"), "$.v");
  EXPECT_EQ(read_from({}, "meta.price", "NUMERIC"), "$.meta.price") << "inside a json column";
  EXPECT_EQ(read_from({}, "$.price as p", "NUMERIC"), "$.price") << "as the file says";
  EXPECT_EQ(read_from({{"format.time", "millis"}, {"format.decimal", "number"}}, "price", "NUMERIC"),
            "$.price");
  EXPECT_EQ(read_from({{"target.fields", "number(price)"}}, "price", "NUMERIC"), "$.price");
  EXPECT_EQ(read_from({{"target.fields", "id"}}, "price", "NUMERIC"), "$.price")
      << "nothing is written there";
  EXPECT_EQ(read_from({{"target.fields", "price as in.price"}}, "in.price", "NUMERIC"),
            R"($.in["price.number"] in.price.number)");
  EXPECT_EQ(read_from({{"target.type", "hash"}}, "price", "NUMERIC"), "price.number price.number");
  EXPECT_EQ(read_from({{"target.type", "hash"}, {"format.time", "millis"}}, "price", "NUMERIC"), "price");
  const std::string vector = "VECTOR FLAT DIM 2 DISTANCE_METRIC L2 TYPE ";
  EXPECT_EQ(read_from({}, "v", (vector + "FLOAT32").c_str()), "$.v v");
  EXPECT_EQ(read_from({{"target.type", "hash"}}, "v", (vector + "FLOAT64").c_str()), "v v FLOAT64");
  EXPECT_NE(
      read_from({{"target.type", "hash"}}, "v", (vector + "FLOAT16").c_str()).find("FLOAT32 and FLOAT64"),
      std::string::npos);
  EXPECT_NE(read_from({}, "$.price", "NUMERIC").find("no name to query by"), std::string::npos);
}

TEST(Settings, IndexPrefixIsThatOfTheKeysWhereItIsCertain) {
  const auto one = read({{"topics", "shop.public.flights"}, {"indexes.f.fields.origin", "TAG"}});
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->indexes[0].prefixes, std::vector<std::string>{"flights:"});
  EXPECT_FALSE(read({{"topics", "shop.public.a,shop.public.b"}, {"indexes.f.fields.origin", "TAG"}}));
}

TEST(Settings, AnIndexGoesToTheOutputWhoseKeysItCovers) {
  const auto read_with = [](const char* option, const char* value) {
    return read({{"topics", "shop.public.a"},
                 {"outputs.docs.target.key", "doc:{id}"},
                 {"outputs.rows.target.key", "row:{id}"},
                 {"outputs.rows.target.type", "hash"},
                 {"outputs.all.target.key", "all:{id}"},
                 {"outputs.all.target.type", "stream"},
                 {"indexes.i.fields.v", "TAG"},
                 {option, value}});
  };
  const auto by_prefix = read_with("indexes.i.prefix", "row:");
  ASSERT_TRUE(by_prefix) << by_prefix.error().message;
  EXPECT_FALSE(by_prefix->indexes[0].on_json);
  const auto by_name = read_with("indexes.i.output", "docs");
  ASSERT_TRUE(by_name) << by_name.error().message;
  EXPECT_EQ(by_name->indexes[0].prefixes, std::vector<std::string>{"doc:"});
  EXPECT_FALSE(read_with("indexes.i.output", "all"));
  EXPECT_FALSE(read_with("indexes.i.output", "none"));
  EXPECT_FALSE(read_with("indexes.i.prefix", "other:"));
  EXPECT_FALSE(read_with("indexes.i.language", "german"));
}

TEST(Settings, OutputsThatWriteTheSameKeysAreRefused) {
  using Options = std::vector<std::pair<std::string, std::string>>;
  const auto refused = [](const char* topics, const Options& of_a, const Options& of_b) {
    Options all = {{"topics", topics}};
    for (const auto& [name, value] : of_a) all.emplace_back("outputs.a." + name, value);
    for (const auto& [name, value] : of_b) all.emplace_back("outputs.b." + name, value);
    const auto settings = read(all);
    if (!settings) {
      EXPECT_NE(settings.error().message.find("write the same keys"), std::string::npos);
    }
    return !settings;
  };
  const char* both = "s.p.a,s.p.b";
  const auto to = [](const char* topics, const char* key) {
    return Options{{"topics", topics}, {"target.key", key}};
  };
  EXPECT_TRUE(refused(both, to("s.p.a", "x:{id}"), to("s.p.b", "x:{id}")));
  EXPECT_TRUE(refused(both, to("s.p.a", "x:{id}"), to("s.p.b", "x:{code}")));
  EXPECT_FALSE(refused(both, to("s.p.a", "x:{id}"), to("s.p.b", "y:{id}")));
  EXPECT_TRUE(refused(both, to("s.p.a", "{table}:{id}"), to("s.p.a,s.p.b", "{table}:{id}")));
  EXPECT_TRUE(refused(both, to("s.p.a", "{table}:{id}"), {{"target.key", "{table}:{id}"}}));
  EXPECT_FALSE(refused(both, to("s.p.a", "{table}:{id}"), to("s.p.b", "{table}:{id}")));
  EXPECT_TRUE(refused(both, to("s.p.a", "{table}:{id}"), to("s.p.b", "a:{id}")));
  EXPECT_TRUE(refused(both, {{"topics", "s.p.a"}}, {{"topics", "s.p.a"}, {"target.type", "hash"}}));
  Options set = to("s.p.a", "all");
  set.emplace_back("target.type", "set");
  Options other = to("s.p.b", "all");
  other.emplace_back("target.type", "set");
  EXPECT_FALSE(refused(both, set, other)) << "members of both";
  other.back().second = "stream";
  EXPECT_TRUE(refused(both, set, other));
  Options merge = to("s.p.a", "x:{id}");
  merge.emplace_back("target.update", "merge");
  Options with = to("s.p.b", "x:{id}");
  EXPECT_TRUE(refused(both, merge, with));
  with.emplace_back("target.update", "merge");
  EXPECT_FALSE(refused(both, merge, with));
}

TEST(Settings, FaultsAreRefused) {
  EXPECT_FALSE(read({}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"topics.regex", "x"}}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"redis.uri", "http://x"}}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"target.key", "{id}"}}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"redis.key.cert", "x.pem"}}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"indexes.i.prefix", "c:"}}));
  EXPECT_FALSE(read({{"topics", "a.b.c"}, {"indexes.i.prefix", "c:"}, {"indexes.i.fields.x", "WORD"}}));
  for (const auto& [option, value] :
       std::vector<std::pair<const char*, const char*>>{{"indexes.i.options", "TEMPORARY"},
                                                        {"indexes.i.score", "2"},
                                                        {"indexes.i.fields.w as v", "TAG"},
                                                        {"indexes.i.aliases", "i"}}) {
    EXPECT_FALSE(read({{"topics", "a.b.c"}, {"indexes.i.fields.v", "TAG"}, {option, value}})) << option;
  }
}

TEST(Settings, AllFaultsAreToldEachWithItsOption) {
  const auto config = ConnectorConfig::make("cache", redis_spec().options,
                                            {{"topics", "a.b.c", {}},
                                             {"redis.uri", "http://x", {}},
                                             {"target.key", "{id}", {}},
                                             {"redis.key.cert", "x.pem", {}},
                                             {"indexes.i.fields.x", "WORD", {}}});
  ASSERT_TRUE(config);
  SettingFaults faults;
  redis_spec().validate(*config, faults);
  std::vector<std::string> options;
  for (const SettingFaults::Fault& one : faults.all()) options.push_back(one.option);
  EXPECT_EQ(options,
            (std::vector<std::string>{"redis.uri", "redis.key.cert", "target.key", "indexes.i.fields.x"}));
}

TEST(Settings, TopicsMustBeToldApart) {
  const auto apart = [](const char* text, std::vector<std::string> topics, bool pattern) {
    return check_topics_apart(*KeyTemplate::parse(text), {std::move(topics), pattern}).has_value();
  };
  EXPECT_TRUE(apart("", {"s.public.a", "s.public.b"}, false));
  EXPECT_FALSE(apart("", {"s.public.a", "s.archive.a"}, false));
  EXPECT_TRUE(apart("{schema}:{table}:{id}", {"s.public.a", "s.archive.a"}, false));
  EXPECT_FALSE(apart("k:{id}", {"s.public.a", "s.public.b"}, false));
  EXPECT_TRUE(apart("k:{id}", {"s.public.a"}, false));
  EXPECT_FALSE(apart("k:{id}", {}, true));
  EXPECT_TRUE(apart("{table}:{id}", {}, true));
  EXPECT_TRUE(apart("k:{topic}:{id}", {"s.public.a", "s.archive.a"}, true));
}

TEST(Settings, NodesOfACluster) {
  const auto read_with = [](std::vector<std::pair<std::string, std::string>> more) {
    more.emplace_back("topics", "shop.public.a");
    more.emplace_back("redis.cluster.nodes", "10.0.0.1, 10.0.0.2:7000");
    return read(std::move(more));
  };
  const auto settings = read_with({});
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_EQ(settings->client.cluster.size(), 2U);
  EXPECT_EQ(settings->client.cluster[0].port, 6379);
  EXPECT_EQ(settings->client.cluster[1].port, 7000);
  EXPECT_TRUE(settings->outputs.front().target.in_cluster);
  EXPECT_TRUE(read_with({{"redis.uri", "rediss://user:pw@127.0.0.1"}}));
  EXPECT_FALSE(read_with({{"redis.uri", "redis://127.0.0.1/1"}}));
  EXPECT_FALSE(read_with({{"redis.uri", "unix:///run/redis"}}));
  EXPECT_FALSE(read_with({{"redis.cluster.nodes", "redis://10.0.0.1"}}));
  EXPECT_FALSE(read_with({{"redis.sentinel.nodes", "10.0.0.1"}, {"redis.sentinel.master.name", "shop"}}));
  const auto indexed = read_with({{"target.key", "a:{id}"}, {"indexes.i.fields.v", "TAG"}});
  ASSERT_FALSE(indexed);
  EXPECT_NE(indexed.error().message.find("indexes.i.fields"), std::string::npos);
}

}  // namespace
}  // namespace millrace::redis
