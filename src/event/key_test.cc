#include "event/key.h"

#include <gtest/gtest.h>

#include "event/dump.h"
#include "event/event_test_batch.h"

namespace millrace {
namespace {

constexpr Cell kNullCell = {};
constexpr Cell kAbsentCell = BatchBuilder::put_mark(CellType::kAbsent);
constexpr Cell kUnchangedCell = BatchBuilder::put_mark(CellType::kUnchanged);

constexpr Cell number(std::uint64_t value) { return BatchBuilder::put_word(CellType::kInt64, value); }

/// One row of a table with the columns c0 (the key) and c1.
class KeyTest : public ::testing::Test {
 protected:
  void make(Op op, std::vector<Cell> before, std::vector<Cell> after) {
    BatchBuilder builder;
    builder.begin_transaction("c", 1, 1);
    const RowRecord row = begin_row(builder, columns_schema(1, 2), op, before.size(), after.size());
    std::uint32_t at = row.first_cell;
    for (const auto& side : {before, after}) {
      for (const Cell& cell : side) builder.cell(at++) = cell;
    }
    builder.add_row(row);
    batch_ = builder.seal();
  }
  [[nodiscard]] std::string key(Side side) const {
    return dump_cell(*batch_, key_cell(*batch_, batch_->row(0), side, 0));
  }
  [[nodiscard]] bool changed() const { return key_changed(*batch_, batch_->row(0)); }

  BatchPtr batch_;
};

TEST_F(KeyTest, OfAnInsertIsTheNewOneOnBothSides) {
  make(Op::kInsert, {}, {number(1), number(2)});
  EXPECT_EQ(key_size(*batch_, batch_->row(0)), 1U);
  EXPECT_EQ(key(Side::kAfter), "1");
  EXPECT_EQ(key(Side::kBefore), "1");
  EXPECT_FALSE(changed());
}

TEST_F(KeyTest, OfADeleteIsTheOldOneOnBothSides) {
  make(Op::kDelete, {number(1), kAbsentCell}, {});
  EXPECT_EQ(key(Side::kAfter), "1");
  EXPECT_EQ(key(Side::kBefore), "1");
  EXPECT_FALSE(changed());
}

TEST_F(KeyTest, OfAnUpdateMayChange) {
  make(Op::kUpdate, {number(1), kAbsentCell}, {number(2), number(5)});
  EXPECT_EQ(key(Side::kBefore), "1");
  EXPECT_EQ(key(Side::kAfter), "2");
  EXPECT_TRUE(changed());
  make(Op::kUpdate, {number(1), number(4)}, {number(1), number(5)});
  EXPECT_FALSE(changed());
  make(Op::kUpdate, {}, {number(1), number(5)});
  EXPECT_FALSE(changed());
  EXPECT_EQ(key(Side::kBefore), "1");
}

TEST_F(KeyTest, LeftUnchangedIsTakenFromTheOldRow) {
  make(Op::kUpdate, {number(1), kNullCell}, {kUnchangedCell, number(5)});
  EXPECT_EQ(key(Side::kAfter), "1");
  EXPECT_FALSE(changed());
  make(Op::kUpdate, {}, {kUnchangedCell, number(5)});
  EXPECT_EQ(key(Side::kAfter), "-");
}

TEST_F(KeyTest, OfAnotherTypeOrNullIsAnotherKey) {
  make(Op::kUpdate, {number(1), kNullCell}, {kNullCell, kNullCell});
  EXPECT_TRUE(changed());
  make(Op::kUpdate, {number(1), kNullCell}, {BatchBuilder::put_word(CellType::kUint64, 1), kNullCell});
  EXPECT_TRUE(changed());
  make(Op::kUpdate, {kNullCell, kNullCell}, {kNullCell, kNullCell});
  EXPECT_FALSE(changed());
}

TEST(SameValue, ComparesBytesAndElementsAcrossBatches) {
  const auto batch_of = [](std::string_view last) {
    BatchBuilder builder;
    builder.begin_transaction("padding of its own " + std::string(last), 1, 1);
    const RowRecord row = begin_row(builder, columns_schema(1, 1), Op::kInsert, 0, 1);
    const std::uint32_t first = builder.add_cells(2);
    builder.cell(row.first_cell) = BatchBuilder::put_cells(CellType::kArray, first, 2);
    builder.cell(first + 1) = builder.put_bytes(CellType::kText, last);
    builder.add_row(row);
    return builder.seal();
  };
  const auto same = [](const BatchPtr& a, const BatchPtr& b) {
    return same_value(*a, a->row(0).after[0], *b, b->row(0).after[0]);
  };
  EXPECT_TRUE(same(batch_of("x"), batch_of("x")));
  EXPECT_FALSE(same(batch_of("x"), batch_of("y")));
  EXPECT_FALSE(same(batch_of("x"), batch_of("xx")));
  const BatchPtr batch = batch_of("x");
  EXPECT_FALSE(same_value(*batch, kUnchangedCell, *batch, kUnchangedCell));
  EXPECT_FALSE(same_value(*batch, kAbsentCell, *batch, kAbsentCell));
}

TEST(Dump, ShowsTypesAndMarks) {
  BatchBuilder builder;
  builder.begin_transaction("0/1", 1, 1);
  RowRecord row = begin_row(builder, columns_schema(1, 2), Op::kUpdate, 2, 2);
  builder.cell(row.first_cell) = number(1);
  builder.cell(row.first_cell + 1) = kAbsentCell;
  builder.cell(row.first_cell + 2) = number(2);
  builder.cell(row.first_cell + 3) = builder.put_bytes(CellType::kDecimal, "1.50");
  builder.add_row(row);
  EXPECT_EQ(dump(*builder.seal()),
            "update shop.public.t1 tx=0/1 #0 {c0=1 c1=-} -> {c0=2 c1=decimal(1.50)}\n");
}

}  // namespace
}  // namespace millrace
