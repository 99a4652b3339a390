#include "event/batch_builder.h"

#include <gtest/gtest.h>

#include "event/dump.h"
#include "event/event_test_batch.h"

namespace millrace {
namespace {

const TableSchemaPtr kTable = columns_schema(1, 1);

void add(BatchBuilder& builder, std::uint32_t index = 0, const TableSchemaPtr& schema = kTable) {
  RowRecord row = begin_row(builder, schema, Op::kInsert, 0, schema->columns.size());
  row.index = index;
  builder.add_row(row);
}

TEST(BatchBuilder, WithoutRowsThereIsNoBatch) {
  BatchBuilder builder;
  EXPECT_EQ(builder.seal(), nullptr);
  builder.begin_transaction("c1", 1, 1);
  EXPECT_EQ(builder.seal(), nullptr);
  add(builder);  // the transaction is still open
  const BatchPtr batch = builder.seal();
  EXPECT_EQ(batch->commit(batch->transaction(batch->row(0))), "c1");
}

TEST(BatchBuilder, AnOpenTransactionGoesOnInTheNextBatch) {
  BatchBuilder builder;
  builder.begin_transaction("c1", 1, 10);
  add(builder);
  builder.end_transaction();
  builder.begin_transaction("c2", 2, 20);
  add(builder, 0);
  const BatchPtr first = builder.seal();
  EXPECT_EQ(first->complete_rows(), 1U);
  EXPECT_EQ(builder.transaction(), 0U);
  EXPECT_TRUE(builder.empty());
  add(builder, 1);
  builder.end_transaction();
  const BatchPtr second = builder.seal();
  EXPECT_EQ(second->complete_rows(), 1U);
  ASSERT_EQ(second->transactions().size(), 1U);
  EXPECT_EQ(second->commit(second->transactions()[0]), "c2");
  EXPECT_EQ(second->transactions()[0].id, 2U);
  EXPECT_EQ(second->transactions()[0].commit_us, 20);
  EXPECT_EQ(second->row(0).index, 1U);
}

TEST(BatchBuilder, ATransactionOpenedJustBeforeTheSealIsCarriedOverToo) {
  BatchBuilder builder;
  builder.begin_transaction("c1", 1, 10);
  add(builder);
  builder.end_transaction();
  builder.begin_transaction("c2", 2, 20);
  const BatchPtr first = builder.seal();
  EXPECT_EQ(first->complete_rows(), 1U);
  add(builder);
  const BatchPtr second = builder.seal();
  EXPECT_EQ(second->commit(second->transaction(second->row(0))), "c2");
  EXPECT_EQ(second->complete_rows(), 0U);
}

TEST(BatchBuilder, AClosedTransactionIsNotCarriedOver) {
  BatchBuilder builder;
  builder.begin_transaction("c1", 1, 10);
  add(builder);
  builder.end_transaction();
  ASSERT_NE(builder.seal(), nullptr);
  EXPECT_DEATH(static_cast<void>(builder.transaction()), "internal error");
}

TEST(BatchBuilder, TransactionsWithoutRowsLeaveNoTrace) {
  BatchBuilder builder;
  builder.begin_transaction("c0", 1, 1);
  add(builder);
  const std::size_t used = builder.bytes_used();
  for (int i = 0; i < 1000; ++i) builder.begin_transaction("some commit", 2, 2);
  EXPECT_LT(builder.bytes_used(), used + 20);
  EXPECT_EQ(builder.begin_transaction("c1", 3, 3), 1U);
  add(builder);
  const BatchPtr batch = builder.seal();
  EXPECT_EQ(batch->transactions().size(), 2U);
  EXPECT_EQ(batch->commit(batch->transaction(batch->row(1))), "c1");
}

TEST(BatchBuilder, IsFullByBytesRowsOrNames) {
  BatchBuilder by_rows({1U << 20U, 3});
  by_rows.begin_transaction("c", 1, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(by_rows.full());
    add(by_rows);
  }
  EXPECT_TRUE(by_rows.full());

  BatchBuilder by_bytes({100, 1000});
  by_bytes.begin_transaction("c", 1, 1);
  RowRecord row = begin_row(by_bytes, kTable, Op::kInsert, 0, 1);
  by_bytes.cell(row.first_cell) =
      by_bytes.put_bytes(CellType::kText, std::string(5000, 'x'));  // passes the limit
  by_bytes.add_row(row);
  EXPECT_TRUE(by_bytes.full());
  EXPECT_EQ(by_bytes.seal()->size(), 1U);
  EXPECT_FALSE(by_bytes.full());

  BatchBuilder by_topics({std::size_t{1} << 40U, std::size_t{1} << 40U});
  std::size_t topics = 0;
  for (; !by_topics.full(); ++topics) by_topics.topic("topic " + std::to_string(topics));
  EXPECT_LT(topics, 65'535U);
}

TEST(BatchBuilder, KnowsSchemasByIdAndTopicsByName) {
  BatchBuilder builder;
  const TableSchemaPtr other = columns_schema(2, 1);
  EXPECT_EQ(builder.schema(kTable), 0U);
  EXPECT_EQ(builder.schema(other), 1U);
  EXPECT_EQ(builder.schema(kTable), 0U);
  EXPECT_EQ(builder.schema(columns_schema(2, 1)), 1U);  // the same version in another object
  EXPECT_EQ(builder.topic("a"), 0U);
  EXPECT_EQ(builder.topic("b"), 1U);
  EXPECT_EQ(builder.topic("a"), 0U);
}

TEST(BatchBuilder, ClearDropsTheOpenTransactionToo) {
  BatchBuilder builder;
  builder.begin_transaction("c1", 1, 1);
  add(builder);
  builder.clear();
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.bytes_used(), 0U);
  EXPECT_EQ(builder.seal(), nullptr);
  builder.begin_transaction("c2", 2, 2);
  add(builder);
  EXPECT_EQ(builder.seal()->transactions().size(), 1U);
}

TEST(BatchBuilder, RefusesRowsThatCouldNotBeReadBack) {
  BatchBuilder builder;
  builder.begin_transaction("c", 1, 1);
  add(builder);
  RowRecord row = begin_row(builder, kTable, Op::kInsert, 0, 1);
  RowRecord bad = row;
  bad.first_cell = 0;  // the cells of the row before it
  EXPECT_DEATH(builder.add_row(bad), "internal error");
  bad = row;
  bad.after_count = 0;
  EXPECT_DEATH(builder.add_row(bad), "internal error");
  bad = row;
  bad.topic = 5;
  EXPECT_DEATH(builder.add_row(bad), "internal error");
  bad = row;
  bad.transaction = 1;
  EXPECT_DEATH(builder.add_row(bad), "internal error");
  EXPECT_DEATH(static_cast<void>(builder.schema(columns_schema(1, 7))), "internal error");
  EXPECT_DEATH(static_cast<void>(builder.schema(columns_schema(0, 1))), "internal error");
}

TEST(BatchBuilder, ARowBegunAndNotAddedDoesNotShow) {
  BatchBuilder builder;
  builder.begin_transaction("c", 1, 1);
  static_cast<void>(begin_row(builder, kTable, Op::kInsert, 0, 1));
  add(builder, 4);
  const BatchPtr batch = builder.seal();
  ASSERT_EQ(batch->size(), 1U);
  EXPECT_EQ(batch->row(0).index, 4U);
}

}  // namespace
}  // namespace millrace
