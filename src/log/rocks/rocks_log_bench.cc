// The log's share of a drain: batches of about a megabyte of rows of about 270 bytes, each append synced,
// then read back. Set TMPDIR to the disk that is to be measured.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "event/batch_builder.h"
#include "log/rocks/rocks_log.h"
#include "log/rocks/test_directory.h"

namespace millrace {
namespace {

constexpr std::size_t kBatchBytes = 1U << 20U;

TableSchemaPtr make_schema() {
  TableSchema schema;
  schema.id = 1;
  schema.table = "orders";
  for (const char* name :
       {"id", "account", "status", "comment", "amount", "score", "at", "done", "key", "tags"}) {
    ColumnSchema column;
    column.name = name;
    schema.columns.push_back(column);
  }
  return std::make_shared<const TableSchema>(schema);
}

/// One batch of an insert-only stream: ten columns, about 270 bytes a row as the source's protocol carries
/// it.
BatchPtr make_batch(const TableSchemaPtr& schema, std::uint64_t& next) {
  BatchBuilder builder({kBatchBytes, 65'536});
  builder.set_received_us(1);
  builder.begin_transaction("0/16B3748", next, 5);
  while (!builder.full()) {
    const std::uint64_t n = next++;
    RowRecord row;
    row.schema = builder.schema(schema);
    row.topic = builder.topic("shop.public.orders");
    row.transaction = builder.transaction();
    row.after_count = 10;
    row.first_cell = builder.add_cells(10);
    const std::string number = std::to_string(n * 2'654'435'761U % 1'000'000'007U);
    const auto set = [&](std::uint32_t i, Cell cell) { builder.cell(row.first_cell + i) = cell; };
    set(0, BatchBuilder::put_word(CellType::kInt64, n));
    set(1, BatchBuilder::put_word(CellType::kInt64, n % 1000));
    set(2, builder.put_bytes(CellType::kText, n % 3 == 0 ? "shipped" : "waiting"));
    set(3,
        builder.put_bytes(CellType::kText, "order " + number + " was taken by the clerk at desk " + number));
    set(4, builder.put_bytes(CellType::kDecimal, number + ".25"));
    set(5, BatchBuilder::put_word(CellType::kFloat64, n * 1'000'003));
    set(6, BatchBuilder::put_word(CellType::kTimestampTz, 1'700'000'000'000'000 + n));
    set(7, BatchBuilder::put_word(CellType::kBool, n % 2));
    set(8, builder.put_bytes(CellType::kUuid, (number + "0123456789abcdef").substr(0, 16)));
    set(9, builder.put_bytes(CellType::kJson, R"({"n":)" + number + R"(,"s":"text )" + number + R"("})"));
    builder.add_row(row);
  }
  builder.end_transaction();
  return builder.seal();
}

std::uint64_t written_bytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

/// VmRSS and VmHWM of /proc/self/status, in MiB.
double memory(const std::string& wanted) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(wanted)) return std::stod(line.substr(wanted.size() + 1)) / 1024;
  }
  return 0;
}

struct Bench {
  Bench() {
    RocksLogOptions options;
    options.directory = directory.path();
    options.min_free_bytes = 0;
    auto opened = open_rocks_log(options, clock, logger, metrics, failpoints);
    MILLRACE_CHECK(opened.has_value());
    log = std::move(*opened);
    stream = *log->open_stream("shop");
  }
  void append(const BatchPtr& batch) {
    MILLRACE_CHECK(log->append(stream, batch, {1, "0/16B3748", 0, ""}, {}).has_value());
  }

  TestDirectory directory;
  SystemClock clock;
  Logger logger;
  Metrics metrics;
  FailPoints failpoints;
  std::unique_ptr<Log> log;
  StreamId stream = 0;
};

std::vector<BatchPtr> make_batches(std::size_t count) {
  std::vector<BatchPtr> out;
  std::uint64_t next = 0;
  const TableSchemaPtr schema = make_schema();
  while (out.size() < count) out.push_back(make_batch(schema, next));
  return out;
}

/// Time of the process, all threads, is what `CPU` and `cpu_us_per_row` say.
void append_and_sync(benchmark::State& state) {
  const std::vector<BatchPtr> batches = make_batches(16);
  Bench bench;
  const std::uint64_t before = written_bytes();
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;
  for (auto _ : state) {
    const BatchPtr& batch = batches[rows % batches.size()];
    bench.append(batch);
    bytes += batch->image_bytes();
    rows += batch->size();
  }
  using benchmark::Counter;
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["cpu_s_per_row"] = Counter(static_cast<double>(rows), Counter::kIsRate | Counter::kInvert);
  state.counters["image_bytes_per_row"] = static_cast<double>(bytes) / static_cast<double>(rows);
  state.counters["device_per_byte"] =
      static_cast<double>(written_bytes() - before) / static_cast<double>(bytes);
  state.counters["rss_mib"] = memory("VmRSS:");
  state.counters["peak_mib"] = memory("VmHWM:");
}
BENCHMARK(append_and_sync)->Iterations(1500)->Repetitions(3)->MeasureProcessCPUTime();

void read_back(benchmark::State& state) {
  Bench bench;
  for (const BatchPtr& batch : make_batches(400)) bench.append(batch);
  LogPosition at = *bench.log->earliest();
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;
  const auto all = [](std::string_view) { return true; };
  for (auto _ : state) {
    auto read = bench.log->read(all, at, 0);
    MILLRACE_CHECK(read && *read);
    at = (*read)->after;
    bytes += (*read)->batch->image_bytes();
    rows += (*read)->batch->size();
  }
  using benchmark::Counter;
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["cpu_s_per_row"] = Counter(static_cast<double>(rows), Counter::kIsRate | Counter::kInvert);
}
BENCHMARK(read_back)->Iterations(390)->Repetitions(3)->MeasureProcessCPUTime();

/// A transaction of one row: what a commit waits for.
void append_one_row(benchmark::State& state) {
  BatchBuilder builder;
  const TableSchemaPtr schema = make_schema();
  Bench bench;
  std::uint64_t next = 0;
  for (auto _ : state) {
    builder.set_received_us(1);
    builder.begin_transaction("0/16B3748", ++next, 5);
    RowRecord row;
    row.schema = builder.schema(schema);
    row.topic = builder.topic("shop.public.orders");
    row.transaction = builder.transaction();
    row.after_count = 10;
    row.first_cell = builder.add_cells(10);
    builder.cell(row.first_cell) = builder.put_bytes(CellType::kText, std::string(200, 'x'));
    builder.add_row(row);
    builder.end_transaction();
    bench.append(builder.seal());
  }
}
BENCHMARK(append_one_row)->Iterations(3000)->MeasureProcessCPUTime();

}  // namespace
}  // namespace millrace
