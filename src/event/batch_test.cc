#include "event/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "base/checksum.h"
#include "event/batch_builder.h"
#include "event/dump.h"
#include "event/event_test_batch.h"
#include "event/image.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

const TableSchemaPtr kOne = columns_schema(1, 2);
const TableSchemaPtr kTwo = columns_schema(2, 1);
const TableSchemaPtr kNone = columns_schema(3, 0);

Result<TableSchemaPtr> resolve(std::uint32_t id) {
  for (const TableSchemaPtr& schema : {kOne, kTwo, kNone}) {
    if (schema->id == id) return schema;
  }
  return stop_error("no schema " + std::to_string(id));
}

Cell sixteen(BatchBuilder& builder, CellType type) { return builder.put_bytes(type, "0123456789abcdef"); }

/// Two transactions, three tables, every way a row can look; the second transaction goes on in the next
/// batch.
BatchPtr sample() {
  BatchBuilder builder;
  builder.set_received_us(77);
  builder.begin_transaction("c1", 11, 1000);
  RowRecord row = begin_row(builder, kOne, Op::kInsert, 0, 2);
  builder.cell(row.first_cell) = BatchBuilder::put_word(CellType::kInt64, 7);
  builder.cell(row.first_cell + 1) = builder.put_bytes(CellType::kText, "seven");
  builder.add_row(row);
  row = begin_row(builder, kNone, Op::kInsert, 0, 0);
  row.index = 1;
  builder.add_row(row);
  builder.end_transaction();
  builder.begin_transaction("c2", 12, 2000);
  row = begin_row(builder, kOne, Op::kUpdate, 2, 2);
  row.source_offset = 99;
  builder.cell(row.first_cell + 1) = BatchBuilder::put_mark(CellType::kAbsent);
  builder.cell(row.first_cell + 3) = BatchBuilder::put_mark(CellType::kUnchanged);
  builder.add_row(row);
  row = begin_row(builder, kTwo, Op::kInsert, 0, 1);
  const std::uint32_t outer = builder.add_cells(2);
  builder.cell(row.first_cell) = BatchBuilder::put_cells(CellType::kArray, outer, 2);
  const std::uint32_t inner = builder.add_cells(1);
  builder.cell(outer) = BatchBuilder::put_cells(CellType::kArray, inner, 1);
  builder.cell(inner) = builder.put_bytes(CellType::kDecimal, "1.50");
  builder.add_row(row);
  return builder.seal();
}

struct Parts {
  ImageHeader header;
  std::string image;

  explicit Parts(std::string bytes) : image(std::move(bytes)) {
    std::memcpy(&header, image.data(), sizeof(header));
  }
  template <typename T>
  T read(std::size_t offset) const {
    T value;
    std::memcpy(&value, image.data() + offset, sizeof(T));
    return value;
  }
  template <typename T>
  void write(std::size_t offset, const T& value) {
    std::memcpy(image.data() + offset, &value, sizeof(T));
  }
  [[nodiscard]] std::size_t row_at(std::size_t i) const {
    return sizeof(ImageHeader) + i * sizeof(RowRecord);
  }
  [[nodiscard]] std::size_t cell_at(std::size_t i) const {
    return image.size() - padded(header.byte_count) - (header.cell_count - i) * sizeof(Cell);
  }
  /// Puts the header back and makes the checksum right, so that what lies behind it is looked at.
  Result<BatchPtr> load() {
    write(0, header);
    write(8, checksum(std::string_view(image).substr(kChecksummedFrom)));
    return Batch::from_image(image, resolve);
  }
};

std::string error_of(Parts& parts) {
  const auto batch = parts.load();
  return batch ? "" : batch.error().message;
}

template <typename Change>
std::string error_of_row(std::size_t i, Change change) {
  Parts parts(image_of(*sample()));
  auto row = parts.read<RowRecord>(parts.row_at(i));
  change(row);
  parts.write(parts.row_at(i), row);
  return error_of(parts);
}

template <typename Change>
std::string error_of_cell(std::size_t i, Change change) {
  Parts parts(image_of(*sample()));
  auto cell = parts.read<Cell>(parts.cell_at(i));
  change(cell);
  parts.write(parts.cell_at(i), cell);
  return error_of(parts);
}

template <typename Change>
std::string error_of_header(Change change) {
  Parts parts(image_of(*sample()));
  change(parts.header);
  return error_of(parts);
}

TEST(BatchImage, ComesBackAsItWas) {
  const BatchPtr batch = sample();
  const std::string image = image_of(*batch);
  EXPECT_EQ(image.size(), batch->image_bytes());
  const auto back = Batch::from_image(image, resolve);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(dump(**back), dump(*batch));
  EXPECT_EQ(image_of(**back), image);
  EXPECT_EQ((*back)->complete_rows(), 2U);
  EXPECT_EQ((*back)->received_us(), 77);
  EXPECT_EQ((*back)->row(2).source_offset, 99U);
  EXPECT_EQ((*back)->transaction((*back)->row(2)).commit_us, 2000);
  EXPECT_EQ((*back)->transaction((*back)->row(2)).id, 12U);
}

TEST(BatchImage, EveryCellTypeComesBack) {
  const TableSchemaPtr wide = columns_schema(9, kCellTypeCount);
  BatchBuilder builder;
  builder.begin_transaction("c", 1, 1);
  RowRecord row = begin_row(builder, wide, Op::kInsert, 0, kCellTypeCount);
  for (std::uint8_t i = 0; i < kCellTypeCount; ++i) {
    const auto type = static_cast<CellType>(i);
    Cell cell = BatchBuilder::put_word(type, i == 3 ? 1 : std::bit_cast<std::uint64_t>(-1.5));
    if (storage_of(type) == CellStorage::kBytes) cell = sixteen(builder, type);
    if (storage_of(type) == CellStorage::kCells) {
      const std::uint32_t first = builder.add_cells(3);
      builder.cell(first + 2) = builder.put_bytes(CellType::kText, "");
      cell = BatchBuilder::put_cells(type, first, 3);
    }
    builder.cell(row.first_cell + i) = cell;
  }
  builder.add_row(row);
  builder.end_transaction();
  const BatchPtr batch = builder.seal();
  const auto back =
      Batch::from_image(image_of(*batch), [&](std::uint32_t) { return Result<TableSchemaPtr>(wide); });
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(dump(**back), dump(*batch));
  for (std::size_t i = 0; i < kCellTypeCount; ++i) {
    EXPECT_EQ(static_cast<std::size_t>((*back)->row(0).after[i].type), i);
  }
}

TEST(BatchImage, AnyFlippedByteIsFound) {
  const std::string image = image_of(*sample());
  for (std::size_t i = 0; i < image.size(); ++i) {
    for (const char bit : {'\x01', '\x80'}) {
      std::string broken = image;
      broken[i] = static_cast<char>(broken[i] ^ bit);
      EXPECT_FALSE(Batch::from_image(broken, resolve)) << "byte " << i;
    }
  }
}

TEST(BatchImage, FlippedBytesBehindAGoodChecksumAreRefusedOrHarmless) {
  const std::string image = image_of(*sample());
  std::size_t refused = 0;
  for (std::size_t i = kChecksummedFrom; i < image.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      Parts parts(image);
      parts.image[i] = static_cast<char>(value);
      std::memcpy(&parts.header, parts.image.data(), sizeof(ImageHeader));
      const auto batch = parts.load();
      if (!batch) ++refused;
      if (batch) static_cast<void>(dump(**batch));  // reads everything; the sanitizers watch
    }
  }
  EXPECT_GT(refused, image.size() * 20);
}

TEST(BatchImage, AnyCutIsFound) {
  const std::string image = image_of(*sample());
  for (std::size_t size = 0; size < image.size(); ++size) {
    EXPECT_FALSE(Batch::from_image(image.substr(0, size), resolve)) << size;
  }
  EXPECT_FALSE(Batch::from_image(image + std::string(8, '\0'), resolve));
}

TEST(BatchImage, OfANewerVersionStopsWithThatReason) {
  Parts parts(image_of(*sample()));
  parts.header.version = kImageVersion + 1;
  const auto batch = parts.load();
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().next, Next::kStop);
  EXPECT_THAT(batch.error().message + batch.error().hint, HasSubstr("newer millrace"));
}

TEST(BatchImage, HeaderIsChecked) {
  EXPECT_THAT(error_of_header([](auto& h) { h.magic = 1; }), HasSubstr("mark"));
  EXPECT_THAT(error_of_header([](auto& h) { h.row_count = 0xffffffff; }), HasSubstr("size"));
  EXPECT_THAT(error_of_header([](auto& h) { h.cell_count += 1; }), HasSubstr("size"));
  EXPECT_THAT(error_of_header([](auto& h) { h.byte_count = ~std::uint64_t{0}; }), HasSubstr("shorter"));
  EXPECT_THAT(error_of_header([](auto& h) { h.image_bytes += 8; }), HasSubstr("size"));
  EXPECT_THAT(error_of_header([](auto& h) { h.complete_rows = h.row_count + 1; }), HasSubstr("complete"));
  EXPECT_THAT(error_of_header([](auto& h) { h.reserved = 1; }), HasSubstr("reserved"));
}

TEST(BatchImage, RowsAreChecked) {
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.op = static_cast<Op>(kOpCount); }), HasSubstr("operation"));
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.schema = 3; }), HasSubstr("schema"));
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.topic = 3; }), HasSubstr("topic"));
  EXPECT_THAT(error_of_row(3, [](auto& r) { r.transaction = 2; }), HasSubstr("transaction"));
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.transaction = 1; }), HasSubstr("order"));
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.first_cell = 1000; }), HasSubstr("cells lie outside"));
  EXPECT_THAT(error_of_row(3, [](auto& r) { r.header_count = 0xfffe; }), HasSubstr("cells lie outside"));
  EXPECT_THAT(error_of_row(2, [](auto& r) { r.first_cell = 0; }), HasSubstr("share"));
  EXPECT_THAT(error_of_row(2, [](auto& r) { r.header_count = 1; }), HasSubstr("header"));
  EXPECT_THAT(error_of_row(2, [](auto& r) { r.reserved2 = 1; }), HasSubstr("reserved"));
  EXPECT_THAT(error_of_row(2, [](auto& r) { r.before_count = 1; }), HasSubstr("schema"));
  EXPECT_THAT(error_of_row(2, [](auto& r) { r.after_count = 0; }), HasSubstr("schema"));
  EXPECT_THAT(error_of_row(0, [](auto& r) { r.op = Op::kDelete; }), HasSubstr("schema"));
}

// Cells of the sample: 0, 1 of the insert; 2 to 5 of the update; 6 the array, 7 and 8 its elements, 9 the
// inner one.
TEST(BatchImage, CellsAreChecked) {
  EXPECT_THAT(error_of_cell(0, [](auto& c) { c.type = static_cast<CellType>(kCellTypeCount); }),
              HasSubstr("type"));
  EXPECT_THAT(error_of_cell(0, [](auto& c) { c.reserved[1] = 1; }), HasSubstr("type"));
  EXPECT_THAT(error_of_cell(0, [](auto& c) { c.type = CellType::kBool; }), HasSubstr("type"));
  EXPECT_THAT(error_of_cell(0, [](auto& c) { c.size = 1; }), HasSubstr("type"));
  EXPECT_THAT(error_of_cell(1, [](auto& c) { c.word = ~std::uint64_t{0}; }), HasSubstr("value lies outside"));
  EXPECT_THAT(error_of_cell(1, [](auto& c) { c.size = 0xffffffff; }), HasSubstr("value lies outside"));
  EXPECT_THAT(error_of_cell(1, [](auto& c) { c.type = CellType::kUuid; }), HasSubstr("wrong size"));
  EXPECT_THAT(error_of_cell(6, [](auto& c) { c.size = 4; }), HasSubstr("array lie outside"));
  EXPECT_THAT(error_of_cell(6, [](auto& c) { c.word = ~std::uint64_t{0}; }), HasSubstr("array lie outside"));
  EXPECT_THAT(error_of_cell(6, [](auto& c) { c.word = 11, c.size = 0; }), HasSubstr("array lie outside"));
  EXPECT_THAT(error_of_cell(6, [](auto& c) { c.word = 6; }), HasSubstr("behind"));  // itself
  EXPECT_THAT(error_of_cell(7, [](auto& c) { c.word = 6; }), HasSubstr("behind"));  // a ring
  EXPECT_THAT(error_of_cell(7, [](auto& c) { c.word = 8; }), HasSubstr("share"));
}

BatchPtr nested(int depth) {
  BatchBuilder builder;
  builder.begin_transaction("c", 1, 1);
  const RowRecord row = begin_row(builder, kTwo, Op::kInsert, 0, 1);
  std::uint32_t at = row.first_cell;
  for (int i = 0; i < depth; ++i) {
    const std::uint32_t next = builder.add_cells(1);
    builder.cell(at) = BatchBuilder::put_cells(CellType::kArray, next, 1);
    at = next;
  }
  builder.add_row(row);
  return builder.seal();
}

TEST(BatchImage, ArraysMayNestToTheLimitOnly) {
  const std::string image = image_of(*nested(kMaxCellDepth));
  EXPECT_TRUE(Batch::from_image(image, resolve));
  Parts parts(image);  // makes the innermost element one more array
  parts.write(parts.cell_at(kMaxCellDepth), BatchBuilder::put_cells(CellType::kArray, 0, 0));
  EXPECT_THAT(error_of(parts), HasSubstr("deep"));
}

TEST(BatchImage, SchemasMustBeThoseOfTheStream) {
  const std::string image = image_of(*sample());
  const auto unknown =
      Batch::from_image(image, [](std::uint32_t) -> Result<TableSchemaPtr> { return stop_error("gone"); });
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "gone");
  EXPECT_FALSE(
      Batch::from_image(image, [](std::uint32_t) { return Result<TableSchemaPtr>(TableSchemaPtr()); }));
  EXPECT_FALSE(Batch::from_image(image, [](std::uint32_t) { return Result<TableSchemaPtr>(kTwo); }));
}

}  // namespace
}  // namespace millrace
