#include "source/postgres/slot.h"

#include <gtest/gtest.h>

#include "source/postgres/errors.h"
#include "source/postgres/pace.h"
#include "source/postgres/spec.h"

namespace millrace::postgres {
namespace {

Settings settings_of(std::vector<std::pair<std::string, std::string>> more) {
  std::vector<Setting> settings;
  for (auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"database.hostname", "h"},
                                                                              {"database.user", "u"},
                                                                              {"database.dbname", "shop"},
                                                                              {"topic.prefix", "p"}}) {
    settings.push_back({name, value, {}});
  }
  for (auto& [name, value] : more) settings.push_back({name, value, {}});
  auto config = ConnectorConfig::make("Shop-1", postgres_options(), settings);
  EXPECT_TRUE(config) << config.error().message;
  auto out = read_settings(*config);
  EXPECT_TRUE(out) << out.error().message;
  return std::move(*out);
}

CapturedTable table(std::string name, bool key = true, char kind = 'r', std::string root = "") {
  CapturedTable out;
  out.schema = "public";
  out.table = std::move(name);
  out.kind = kind;
  out.has_primary_key = key;
  if (!root.empty()) {
    out.root_schema = "public";
    out.root_table = std::move(root);
  }
  return out;
}

TEST(Options, NamesComeFromTheConnectors) {
  const Settings settings = settings_of({});
  EXPECT_EQ(settings.slot_name, "millrace_shop_1");
  EXPECT_EQ(settings.publication_name, "millrace_shop_1");
  EXPECT_EQ(settings.connection.application_name, "millrace Shop-1");
}

TEST(Options, ListsAreAnchoredAndIgnoreCase) {
  const Settings settings = settings_of({{"table.include.list", "public.orders,public\\.a_.*"}});
  EXPECT_TRUE(settings.filter.captures("public", "orders"));
  EXPECT_TRUE(settings.filter.captures("PUBLIC", "Orders"));
  EXPECT_TRUE(settings.filter.captures("public", "a_1"));
  EXPECT_FALSE(settings.filter.captures("public", "orders2"));
  EXPECT_FALSE(settings.filter.captures("xpublic", "orders"));
  const Settings all =
      settings_of({{"schema.exclude.list", "audit"}, {"table.exclude.list", "public.secret"}});
  EXPECT_TRUE(all.filter.captures("public", "x"));
  EXPECT_FALSE(all.filter.captures("audit", "x"));
  EXPECT_FALSE(all.filter.captures("public", "secret"));
  EXPECT_FALSE(all.filter.captures("pg_catalog", "pg_class"));
}

TEST(Options, PartitionsGoWithTheirRoot) {
  const Settings settings = settings_of({{"table.include.list", "public.pt"}});
  EXPECT_TRUE(settings.filter.captures("public", "pt_eu", "public", "pt"));
  EXPECT_FALSE(settings.filter.captures("public", "pt_eu", "", ""));
  const Settings without = settings_of({{"table.exclude.list", "public.pt_eu"}});
  EXPECT_FALSE(without.filter.captures("public", "pt_eu", "public", "pt"));
  EXPECT_TRUE(without.filter.captures("public", "pt_us", "public", "pt"));
}

TEST(Publication, IsMadeOfExactlyTheCapturedTables) {
  const PublicationPlan plan = plan_publication(settings_of({}), {table("a"), table("b\"c")}, {});
  EXPECT_EQ(plan.sql, R"(CREATE PUBLICATION "millrace_shop_1" FOR TABLE "public"."a", "public"."b""c")");
  EXPECT_TRUE(plan.keyless.empty());
}

TEST(Publication, PartitionsGoInThroughTheirRoot) {
  const std::vector<CapturedTable> tables = {table("pt", true, 'p'), table("pt_eu", true, 'r', "pt"),
                                             table("pt_us", true, 'r', "pt")};
  EXPECT_EQ(plan_publication(settings_of({}), tables, {}).sql,
            R"(CREATE PUBLICATION "millrace_shop_1" FOR TABLE "public"."pt")");
  const Settings root = settings_of({{"publish.via.partition.root", "true"}});
  EXPECT_EQ(plan_publication(root, tables, {}).sql,
            R"(CREATE PUBLICATION "millrace_shop_1" FOR TABLE "public"."pt" WITH )"
            "(publish_via_partition_root = true)");
}

TEST(Publication, WhatIsMissingIsAdded) {
  PublicationFacts there;
  there.exists = true;
  there.tables = {{"public", "a"}};
  const std::vector<CapturedTable> tables = {table("a"), table("b", false)};
  const PublicationPlan plan = plan_publication(settings_of({}), tables, there);
  EXPECT_EQ(plan.sql, R"(ALTER PUBLICATION "millrace_shop_1" ADD TABLE "public"."b")");
  EXPECT_EQ(plan.keyless, std::vector<std::string>{"public.b"});
  EXPECT_EQ(plan_publication(settings_of({{"publication.autocreate.mode", "disabled"}}), tables, there).sql,
            "");
  there.tables.emplace_back("public", "b");
  EXPECT_EQ(plan_publication(settings_of({}), tables, there).sql, "");
  there.tables.clear();
  there.all_tables = true;
  EXPECT_EQ(plan_publication(settings_of({}), tables, there).sql, "");
}

TEST(Publication, TablesTakenOutOfItAreToldFromNewOnes) {
  std::vector<CapturedTable> tables = {table("a"), table("b"), table("pt", true, 'p'),
                                       table("pt_eu", true, 'r', "pt")};
  for (std::uint32_t i = 0; i < tables.size(); ++i) tables[i].oid = 100 + i;
  const auto version = [](std::int64_t oid) {
    TableSchema schema;
    schema.source_table_id = oid;
    return std::make_shared<const TableSchema>(schema);
  };
  const std::vector<std::string> missing = {"public.b", "public.pt_eu"};
  const std::vector<std::string> none;
  EXPECT_EQ(captured_before(missing, tables, {}), none);
  EXPECT_EQ(captured_before(missing, tables, {version(100)}), none) << "a is there";
  EXPECT_EQ(captured_before(missing, tables, {version(101)}), std::vector<std::string>{"public.b"});
  EXPECT_EQ(captured_before(missing, tables, {version(102)}), std::vector<std::string>{"public.pt_eu"});
}

TEST(Publication, PartitionsPublishedUnderANameThatIsNotCaptured) {
  PublicationFacts there;
  there.exists = there.via_root = true;
  there.tables = {{"public", "pt"}};
  const std::vector<CapturedTable> tables = {table("pt_eu", true, 'r', "pt")};
  const Settings leaf = settings_of({{"table.include.list", "public.pt_eu"}});
  EXPECT_EQ(hidden_partitions(leaf, tables, there), std::vector<std::string>{"public.pt_eu"});
  EXPECT_TRUE(hidden_partitions(settings_of({}), tables, there).empty());
  there.via_root = false;
  EXPECT_TRUE(hidden_partitions(leaf, tables, there).empty());
}

TEST(Publication, NamesThatAreOneWithADotAreRefused) {
  std::vector<CapturedTable> tables = {table("b"), table("b.c"), table("c")};
  EXPECT_TRUE(check_names(tables));
  tables[2].schema = "public.b";
  const Status refused = check_names(tables);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(R"("public"."b.c" and "public.b"."c")"), std::string::npos);
}

TEST(Publication, WithoutTablesIsNotMade) {
  EXPECT_EQ(plan_publication(settings_of({}), {}, {}).sql, "");
  EXPECT_EQ(plan_publication(settings_of({{"publication.autocreate.mode", "all_tables"}}), {}, {}).sql,
            R"(CREATE PUBLICATION "millrace_shop_1" FOR ALL TABLES)");
}

TEST(Publication, Identity) {
  CapturedTable t = table("a", false);
  EXPECT_FALSE(t.has_identity());
  t.identity = 'f';
  EXPECT_TRUE(t.has_identity());
  t.identity = 'n';
  t.has_primary_key = true;
  EXPECT_FALSE(t.has_identity());
  t.identity = 'i';
  EXPECT_FALSE(t.has_identity());
  t.has_identity_index = true;
  EXPECT_TRUE(t.has_identity());
}

TEST(Slot, StartCommandQuotesTwice) {
  EXPECT_EQ(
      start_replication_command(settings_of({{"publication.name", "it's \"x\""}}), 0x16B3748),
      "START_REPLICATION SLOT \"millrace_shop_1\" LOGICAL 0/16B3748 (proto_version '1', publication_names "
      "'\"it''s \"\"x\"\"\"')");
}

TEST(Errors, WhatHelpsFollowsFromTheState) {
  EXPECT_EQ(server_error("x", "28P01", "m").next, Next::kStop);
  EXPECT_EQ(server_error("x", "3D000", "m").next, Next::kStop);
  EXPECT_EQ(server_error("x", "42501", "m").next, Next::kStop);
  EXPECT_EQ(server_error("x", "57P03", "m").next, Next::kRetry);
  EXPECT_EQ(server_error("x", "53300", "m").next, Next::kRetry);
  EXPECT_EQ(server_error("x", "53400", "m").next, Next::kStop);
  EXPECT_EQ(server_error("x", "55006", "m").next, Next::kRetry);
  for (const char* state : {"57P01", "57P05", "25P03", "25P04", "72000"}) {
    EXPECT_EQ(server_error("x", state, "m").next, Next::kReconnect) << state;
  }
  EXPECT_EQ(server_error("x", "", "m").next, Next::kReconnect);
  EXPECT_EQ(server_error("x", "42601", "m").next, Next::kStop);
  EXPECT_NE(server_error("x", "42704", "publication \"p\" does not exist").hint.find("slot"),
            std::string::npos);
}

TEST(Errors, TheStateIsFoundInAConnectFailure) {
  const ConnectFailure failure = read_connect_failure(
      "connection to server at \"127.0.0.1\", port 5510 failed: FATAL:  28P01: password authentication "
      "failed for user "
      "\"u\"\nLOCATION:  auth_failed, auth.c:334\n");
  EXPECT_EQ(failure.sqlstate, "28P01");
  EXPECT_EQ(failure.message, "password authentication failed for user \"u\"");
  const ConnectFailure refused = read_connect_failure("connection refused\n\tIs the server running?\n");
  EXPECT_EQ(refused.sqlstate, "");
  EXPECT_EQ(refused.message, "connection refused Is the server running?");
  EXPECT_EQ(read_connect_failure("").message, "");
}

TEST(Pace, SleepsOnlyWhileRoundsAreLarge) {
  Pace pace;
  EXPECT_FALSE(pace.end_round());
  pace.received(Pace::kTcpBacklogBytes);
  EXPECT_TRUE(pace.end_round());
  EXPECT_TRUE(pace.catching_up());
  pace.received(100);
  EXPECT_FALSE(pace.end_round());
}

TEST(Pace, OverAUnixSocketSleepsAreShortAndNoWindowIsAwaited) {
  Pace pace(Way::kUnixSocket);
  pace.received(Pace::kUnixBacklogBytes);
  EXPECT_TRUE(pace.end_round());
  EXPECT_LT(pace.sleep_us(), 1'000);
  EXPECT_FALSE(pace.expects_window(1'000'000));
  EXPECT_TRUE(Pace().expects_window(Pace::kFullWindow));
}

}  // namespace
}  // namespace millrace::postgres
