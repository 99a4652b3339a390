// Rows of 10 columns and about 177 bytes of values, as a walsender's text gives them: build and seal, and
// take back in.
#include <benchmark/benchmark.h>

#include <string>

#include "event/batch.h"
#include "event/batch_builder.h"
#include "event/event_test_batch.h"

namespace millrace {
namespace {

constexpr std::size_t kColumns = 10;

void add_row(BatchBuilder& builder, const TableSchemaPtr& schema, std::uint64_t number) {
  constexpr std::string_view kText = "Lorem ipsum dolor sit amet consetetur sadips";
  RowRecord row = begin_row(builder, schema, Op::kInsert, 0, kColumns);
  row.index = static_cast<std::uint32_t>(number);
  const auto set = [&](std::uint32_t column, const Cell& cell) {
    builder.cell(row.first_cell + column) = cell;
  };
  set(0, BatchBuilder::put_word(CellType::kInt64, number));
  set(1, builder.put_bytes(CellType::kText, kText));
  set(2, builder.put_bytes(CellType::kDecimal, "12345.67"));
  set(3, BatchBuilder::put_word(CellType::kTimestampTz, number * 1000));
  set(4, builder.put_bytes(CellType::kText, kText.substr(0, 20)));
  set(5, BatchBuilder::put_word(CellType::kBool, number & 1U));
  set(6, builder.put_bytes(CellType::kText, kText));
  set(7, builder.put_bytes(CellType::kJson, kText));
  set(8, BatchBuilder::put_mark(CellType::kNull));
  set(9, builder.put_bytes(CellType::kUuid, kText.substr(0, 16)));
  builder.add_row(row);
}

/// Transactions of `rows_each` rows until the batch is full.
BatchPtr fill(BatchBuilder& builder, const TableSchemaPtr& schema, std::uint64_t rows_each) {
  std::uint64_t number = 0;
  while (!builder.full()) {
    if (number % rows_each == 0) builder.begin_transaction("00000000016B3748", number, 1);
    add_row(builder, schema, number++);
    if (number % rows_each == 0) builder.end_transaction();
  }
  builder.end_transaction();
  return builder.seal();
}

void per_row(benchmark::State& state, const Batch& batch) {
  const auto rows = static_cast<double>(state.iterations()) * static_cast<double>(batch.size());
  state.counters["ns/row"] =
      benchmark::Counter(rows * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes/row"] = static_cast<double>(batch.image_bytes()) / static_cast<double>(batch.size());
  state.counters["rows"] = static_cast<double>(batch.size());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(batch.image_bytes()));
}

void build_and_seal(benchmark::State& state) {
  const TableSchemaPtr schema = columns_schema(1, kColumns);
  BatchBuilder builder;
  BatchPtr batch;
  for (auto _ : state) batch = fill(builder, schema, static_cast<std::uint64_t>(state.range(0)));
  per_row(state, *batch);
}
BENCHMARK(build_and_seal)->Arg(1)->Arg(1000);

void from_image(benchmark::State& state) {
  const TableSchemaPtr schema = columns_schema(1, kColumns);
  BatchBuilder builder;
  const std::string image = image_of(*fill(builder, schema, 1000));
  BatchPtr batch;
  for (auto _ : state) {
    state.PauseTiming();
    std::string copy = image;  // the log's read makes it
    state.ResumeTiming();
    batch =
        *Batch::from_image(std::move(copy), [&](std::uint32_t) { return Result<TableSchemaPtr>(schema); });
    benchmark::DoNotOptimize(batch);
  }
  per_row(state, *batch);
}
BENCHMARK(from_image);

}  // namespace
}  // namespace millrace
