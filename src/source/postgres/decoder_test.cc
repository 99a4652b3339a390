#include "source/postgres/decoder.h"

#include <gtest/gtest.h>

#include "event/dump.h"
#include "source/postgres/test_messages.h"

namespace millrace::postgres {
namespace {

constexpr std::uint32_t kTable = 16384;
constexpr std::uint32_t kHidden = 16385;

/// Answers from the Relation alone; tables called `hidden` are not captured.
class FakeTables final : public TableResolver {
 public:
  FakeTables() {
    for (const auto& [oid, name] : {std::pair{23U, "int4"}, {25U, "text"}}) {
      TypeFacts facts;
      facts.oid = oid;
      facts.schema = "pg_catalog";
      facts.name = name;
      types_.put(std::move(facts));
    }
  }
  Result<TablePtr> resolve(const Relation& relation) override {
    TableLayout layout = describe_table(relation, types_, nullptr, "db");
    auto table = std::make_shared<Table>();
    layout.schema.id = ++versions;
    table->topic = "p." + layout.schema.schema + "." + layout.schema.table;
    table->captured = layout.schema.table != "hidden";
    table->formats = std::move(layout.formats);
    table->in_identity = std::move(layout.in_identity);
    table->schema = std::make_shared<const TableSchema>(std::move(layout.schema));
    return TablePtr(std::move(table));
  }
  void note_type(std::uint32_t /*oid*/, std::string_view /*schema*/, std::string_view name) override {
    noted = name;
  }

  std::uint32_t versions = 0;
  std::string noted;

 private:
  TypeCatalog types_;
};

StreamPoint at(Lsn next, Lsn open = 0, std::uint64_t rows = 0) {
  StreamPoint point;
  point.next = next;
  point.open_commit = open;
  point.open_rows = rows;
  point.system_id = "1";
  point.timeline = 1;
  return point;
}

class DecoderTest : public ::testing::Test {
 protected:
  void start(const StreamPoint& from) {
    decoder = std::make_unique<Decoder>(tables, from);
    out.clear();
  }
  Status send(const std::string& message, Lsn lsn = 0) { return decoder->apply(message, lsn, out); }
  void must(const std::string& message, Lsn lsn = 0) {
    const Status status = send(message, lsn);
    ASSERT_TRUE(status) << status.error().message;
  }
  void describe(char identity = 'd') {
    must(test::relation(kTable, "public", "t", identity,
                        {{true, "id", 23, -1}, {identity == 'f', "v", 25, -1}}));
    must(test::relation(kHidden, "public", "hidden", 'd', {{true, "id", 23, -1}}));
  }
  void transaction(Lsn commit, const std::vector<std::string>& changes) {
    must(test::begin(commit, 5, 77));
    for (const std::string& change : changes) must(change, commit - 1);
    must(test::commit(commit, commit + 0x30, 5));
  }
  /// Rows of the batch so far, without what is the same in all.
  std::string rows() {
    const BatchPtr batch = out.seal();
    if (!batch) return "";
    std::string text = dump(*batch);
    for (const std::string_view cut : {"p.public.t ", "00000000000"}) {
      for (std::size_t found = 0; (found = text.find(cut)) != std::string::npos;)
        text.erase(found, cut.size());
    }
    return text;
  }

  FakeTables tables;
  std::unique_ptr<Decoder> decoder;
  BatchBuilder out;
};

TEST_F(DecoderTest, NamesColumnsWhoseValuesDidNotParseOnce) {
  start(at(0x10000));
  describe();
  transaction(0x20000, {test::insert(kTable, {"x", "a"}), test::insert(kTable, {"y", "a"})});
  EXPECT_EQ(decoder->unparsed_columns(), std::vector<std::string>{"p.public.t.id"});
}

TEST_F(DecoderTest, SaysWhereItStands) {
  start(at(0x10000));
  EXPECT_EQ(decoder->place(), "");
  must(test::begin(0x20000, 5, 77));
  EXPECT_EQ(decoder->place(), ", in transaction 77 committed at 0/20000");
}

TEST_F(DecoderTest, RowsOfATransaction) {
  start(at(0x10000));
  describe();
  transaction(0x20000,
              {test::insert(kTable, {"1", "a"}), test::update(kTable, 0, {}, {"1", test::kUnchangedValue}),
               test::update(kTable, 'K', {"1", std::nullopt}, {"2", "b"}),
               test::erase(kTable, 'K', {"2", std::nullopt})});
  EXPECT_EQ(decoder->position(), at(0x20030));
  EXPECT_EQ(decoder->last_commit_us(), 946'684'800'000'005);
  const BatchPtr batch = out.seal();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->complete_rows(), 4U);
  ASSERT_EQ(batch->transactions().size(), 1U);
  EXPECT_EQ(batch->transactions()[0].id, 77U);
  EXPECT_EQ(batch->commit(batch->transactions()[0]), lsn_key(0x20000));
  EXPECT_EQ(batch->row(0).source_offset, 0x1FFFFU);
  EXPECT_TRUE(batch->row(1).before.empty());
  EXPECT_EQ(batch->row(1).after[1].type, CellType::kUnchanged);
  const Row moved = batch->row(2);
  EXPECT_EQ(moved.op, Op::kUpdate);
  EXPECT_EQ(moved.index, 2U);
  EXPECT_EQ(moved.before[0].word, 1U);
  EXPECT_EQ(moved.before[1].type, CellType::kAbsent);
  EXPECT_EQ(moved.after[0].word, 2U);
  const Row gone = batch->row(3);
  EXPECT_TRUE(gone.after.empty());
  EXPECT_EQ(gone.before[1].type, CellType::kAbsent);
}

TEST_F(DecoderTest, TheWholeOldRowFillsWhatWasLeftUnchanged) {
  start(at(0));
  describe('f');
  transaction(0x20000, {test::update(kTable, 'O', {"1", "long"}, {"1", test::kUnchangedValue})});
  const BatchPtr batch = out.seal();
  const Row row = batch->row(0);
  EXPECT_EQ(batch->bytes(row.before[1]), "long");
  EXPECT_EQ(batch->bytes(row.after[1]), "long");
}

TEST_F(DecoderTest, AnUnchangedKeyColumnIsTakenFromTheOldKey) {
  start(at(0));
  must(test::relation(kTable, "public", "t", 'd', {{true, "a", 25, -1}, {true, "b", 25, -1}}));
  transaction(0x20000, {test::update(kTable, 'K', {"1", "long"}, {"2", test::kUnchangedValue})});
  const BatchPtr batch = out.seal();
  EXPECT_EQ(batch->bytes(batch->row(0).after[1]), "long");
}

TEST_F(DecoderTest, TruncateIsARowForEachTable) {
  start(at(0));
  describe();
  transaction(0x20000, {test::truncate({kHidden, kTable}, 0), test::insert(kTable, {"1", "a"})});
  const BatchPtr batch = out.seal();
  ASSERT_EQ(batch->size(), 2U);
  EXPECT_EQ(batch->row(0).op, Op::kTruncate);
  EXPECT_EQ(batch->row(0).index, 1U);
  EXPECT_EQ(batch->row(1).index, 2U);
}

TEST_F(DecoderTest, TablesNotCapturedAreCountedAndLeftOut) {
  start(at(0));
  describe();
  transaction(0x20000, {test::insert(kHidden, {"1"}), test::insert(kTable, {"1", "a"})});
  transaction(0x30000, {test::insert(kHidden, {"1"})});
  const BatchPtr batch = out.seal();
  ASSERT_EQ(batch->size(), 1U);
  EXPECT_EQ(batch->row(0).index, 1U);
  EXPECT_EQ(decoder->position().next, 0x30030U);
}

TEST_F(DecoderTest, ATransactionSpansBatches) {
  start(at(0x10000));
  describe();
  must(test::begin(0x20000, 5, 77));
  must(test::insert(kTable, {"1", "a"}));
  EXPECT_EQ(decoder->position(), at(0x10000, 0x20000, 1));
  const BatchPtr first = out.seal();
  EXPECT_EQ(first->complete_rows(), 0U);
  must(test::insert(kTable, {"2", "b"}));
  must(test::commit(0x20000, 0x20030, 5));
  const BatchPtr second = out.seal();
  ASSERT_EQ(second->size(), 1U);
  EXPECT_EQ(second->complete_rows(), 1U);
  EXPECT_EQ(second->row(0).index, 1U);
  EXPECT_EQ(second->commit(second->transaction(second->row(0))), lsn_key(0x20000));
  EXPECT_EQ(decoder->position(), at(0x20030));
}

TEST_F(DecoderTest, TransactionsInTheLogAreNotRepeated) {
  start(at(0x20030));
  describe();
  transaction(0x20000, {test::insert(kTable, {"1", "a"})});
  EXPECT_EQ(rows(), "");
  EXPECT_EQ(decoder->position(), at(0x20030));
  // Its commit record begins right where the position is: not in the log.
  transaction(0x20030, {test::insert(kTable, {"2", "b"})});
  EXPECT_EQ(rows(), "insert tx=20030 #0 {id=2 v='b'}\n");
}

TEST_F(DecoderTest, OfATransactionPartlyInTheLogTheRestIsTaken) {
  start(at(0x10000, 0x20000, 2));
  describe();
  transaction(0x20000, {test::insert(kTable, {"1", "a"}), test::insert(kTable, {"2", "b"}),
                        test::insert(kTable, {"3", "c"})});
  EXPECT_EQ(rows(), "insert tx=20000 #2 {id=3 v='c'}\n");
  EXPECT_EQ(decoder->position(), at(0x20030));
}

TEST_F(DecoderTest, EachPlaceToStopAtGivesEachRowOnce) {
  const std::vector<std::string> changes = {test::insert(kTable, {"1", "a"}), test::insert(kHidden, {"9"}),
                                            test::insert(kTable, {"2", "b"}),
                                            test::insert(kTable, {"3", "c"})};
  std::vector<std::string> messages = {
      test::relation(kTable, "public", "t", 'd', {{true, "id", 23, -1}, {false, "v", 25, -1}}),
      test::relation(kHidden, "public", "hidden", 'd', {{true, "id", 23, -1}})};
  for (const Lsn commit : {Lsn{0x20000}, Lsn{0x20030}, Lsn{0x30000}}) {
    messages.push_back(test::begin(commit, 5, 1));
    messages.insert(messages.end(), changes.begin(), changes.end());
    messages.push_back(test::commit(commit, commit + 0x30, 5));
  }
  start(at(0x10000));
  for (const std::string& message : messages) must(message);
  const std::string all = rows();
  for (std::size_t stop = 0; stop <= messages.size(); ++stop) {
    start(at(0x10000));
    for (std::size_t i = 0; i < stop; ++i) must(messages[i]);
    const StreamPoint kept = *to_stream_point(to_source_position(decoder->position()));
    const std::string before = rows();
    start(kept);
    for (const std::string& message : messages) must(message);
    EXPECT_EQ(before + rows(), all) << "stopped before message " << stop;
  }
}

TEST_F(DecoderTest, AnotherTransactionThanTheOneBegunIsAStop) {
  start(at(0x10000, 0x20000, 2));
  describe();
  const Status status = send(test::begin(0x30000, 5, 77));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().next, Next::kStop);
  EXPECT_NE(status.error().message.find("0/20000"), std::string::npos);
}

TEST_F(DecoderTest, ATransactionThatShrankIsAStop) {
  start(at(0x10000, 0x20000, 2));
  describe();
  must(test::begin(0x20000, 5, 77));
  must(test::insert(kTable, {"1", "a"}));
  EXPECT_FALSE(send(test::commit(0x20000, 0x20030, 5)));
}

TEST_F(DecoderTest, KeepAlivesMoveThePositionOnlyBetweenTransactions) {
  start(at(0x10000));
  describe();
  ASSERT_TRUE(decoder->advance(0x18000));
  EXPECT_EQ(decoder->position().next, 0x18000U);
  ASSERT_TRUE(decoder->advance(0x17000));
  EXPECT_EQ(decoder->position().next, 0x18000U);
  must(test::begin(0x20000, 5, 77));
  ASSERT_TRUE(decoder->advance(0x40000));
  EXPECT_EQ(decoder->position().next, 0x18000U);
  EXPECT_EQ(decoder->received(), 0x40000U);
}

TEST_F(DecoderTest, AKeepAlivePastTheTransactionBegunIsAStop) {
  start(at(0x10000, 0x20000, 2));
  EXPECT_TRUE(decoder->advance(0x18000));
  EXPECT_EQ(decoder->position(), at(0x10000, 0x20000, 2));
  EXPECT_FALSE(decoder->advance(0x20030));
}

TEST_F(DecoderTest, ANewRelationIsANewVersion) {
  start(at(0));
  describe();
  transaction(0x20000, {test::insert(kTable, {"1", "a"})});
  must(test::relation(kTable, "public", "t", 'd',
                      {{true, "id", 23, -1}, {false, "v", 25, -1}, {false, "w", 23, -1}}));
  transaction(0x30000, {test::insert(kTable, {"2", "b", "7"})});
  EXPECT_EQ(rows(), "insert tx=20000 #0 {id=1 v='a'}\ninsert tx=30000 #0 {id=2 v='b' w=7}\n");
}

TEST_F(DecoderTest, MessagesOutOfOrderAreStops) {
  start(at(0));
  describe();
  EXPECT_FALSE(send(test::insert(kTable, {"1", "a"})));
  start(at(0));
  EXPECT_FALSE(send(test::commit(1, 2, 3)));
  start(at(0));
  must(test::begin(0x20000, 5, 1));
  EXPECT_FALSE(send(test::begin(0x30000, 5, 1)));
  start(at(0));
  must(test::begin(0x20000, 5, 1));
  EXPECT_FALSE(send(test::insert(999, {"1"})));
  start(at(0));
  describe();
  must(test::begin(0x20000, 5, 1));
  EXPECT_FALSE(send(test::insert(kTable, {"1"})));
  EXPECT_FALSE(send(test::erase(kTable, 'K', {"1", "2", "3"})));
}

TEST_F(DecoderTest, TypesAreToldToTheResolver) {
  start(at(0));
  must(test::type(600, "public", "mood"));
  EXPECT_EQ(tables.noted, "mood");
}

}  // namespace
}  // namespace millrace::postgres
