// Batches -> documents in a real Redis Stack: MILLRACE_BENCH_REDIS=redis://127.0.0.1:6390/0 names one that
// may be FLUSHED. The rows make the same JSON as the pipelined client that is the measure: 421 bytes of 10
// fields, a list and an object.
#include <benchmark/benchmark.h>

#include <bit>
#include <cstdlib>
#include <vector>

#include "sink/redis/sink.h"
#include "sink/redis/spec.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kRows = 60'000;
constexpr std::int64_t kBatchRows = 2'000;

TestCell json(std::string text) {
  TestCell cell(std::move(text));
  cell.type = CellType::kJson;
  return cell;
}

std::vector<ReadBatch> make_batches() {
  static constexpr const char* kStates[] = {"new", "paid", "sent", "done"};
  const auto schema = test_schema("k", {"id", "name", "email", "status", "amount", "age", "city", "street",
                                        "updated_at", "note", "tags", "meta"});
  std::vector<ReadBatch> batches;
  TestBatch batch;
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::int64_t j = (i * 2654435761) & 0xffffffff;
    TestCell amount(static_cast<std::int64_t>(
        std::bit_cast<std::uint64_t>(static_cast<double>(j % 100000 * 100 / 7) / 100.0)));
    batch.insert(
        schema,
        {i, "Customer " + std::to_string(j % 50000) + " Lee", "user" + std::to_string(i) + "@example.com",
         kStates[j % 4], j % 100000, 18 + j % 70, "Townsville-" + std::to_string(j % 997),
         std::to_string(j % 400) + " Long Avenue North, apt " + std::to_string(i % 99), 1700000000000 + i,
         std::string(120, 'x'), json("[\"a" + std::to_string(i % 10) + "\",\"b\"]"),
         json("{\"src\":\"shop.public.customers\",\"lsn\":" + std::to_string(24023128 + i) +
              ",\"snap\":false}")});
    if ((i + 1) % kBatchRows == 0)
      batches.push_back(batch.read(static_cast<std::uint64_t>(batches.size() + 1)));
  }
  return batches;
}

Result<std::unique_ptr<Sink>> make_sink(const std::string& uri, bool indexed, bool hash) {
  std::vector<Setting> settings = {{"topics", "shop.public.k", {}},
                                   {"redis.uri", uri, {}},
                                   {"target.key", "k:{id}", {}},
                                   {"target.type", hash ? "hash" : "json", {}}};
  if (indexed) {
    for (const auto& [field, type] :
         {std::pair("email", "TAG"), std::pair("status", "TAG"), std::pair("amount", "NUMERIC"),
          std::pair("age", "NUMERIC"), std::pair("name", "TEXT")}) {
      settings.push_back({std::string("indexes.ix.fields.") + field, type, {}});
    }
  }
  auto config = ConnectorConfig::make("bench", redis_spec().options, settings);
  if (!config) return std::move(config).error();
  return redis_spec().make_sink(*config);
}

/// Writes every batch, polling in between as the runtime does, until all is settled.
Status feed(Sink& sink, const std::vector<ReadBatch>& batches, Clock& clock) {
  for (const ReadBatch& rows : batches) {
    MILLRACE_TRY(sink.write(rows));
    auto settled = sink.poll(clock.now_us());
    if (!settled) return std::move(settled).error();
  }
  for (;;) {
    auto settled = sink.poll(clock.now_us() + 100'000);
    if (!settled) return std::move(settled).error();
    if (settled->durable.covers(batches.back().after)) return {};
  }
}

Status flush_all(const std::string& uri, Clock& clock) {
  ClientOptions options;
  auto parsed = parse_uri(uri);
  if (!parsed) return std::move(parsed).error();
  options.uri = *parsed;
  auto client = Client::connect(options, clock, {});
  if (!client) return std::move(client).error();
  static_cast<void>((*client)->call({"FT.DROPINDEX", "ix"}));
  static_cast<void>((*client)->call({"FLUSHALL"}));
  return {};
}

void write_documents(benchmark::State& state) {
  const char* uri = std::getenv("MILLRACE_BENCH_REDIS");
  if (uri == nullptr) {
    state.SkipWithError("MILLRACE_BENCH_REDIS names no server");
    return;
  }
  static const std::vector<ReadBatch> batches = make_batches();
  SystemClock clock;
  Logger logger;
  Metrics metrics;
  FailPoints failpoints;
  TaskContext context{"bench", "bench", clock, logger, metrics, failpoints, {}};
  for (auto _ : state) {
    state.PauseTiming();
    Status fine = flush_all(uri, clock);
    auto sink = make_sink(uri, state.range(0) != 0, state.range(1) != 0);
    if (fine && sink) {
      auto opened = (*sink)->open(context);
      if (!opened) fine = std::move(opened).error();
    }
    state.ResumeTiming();
    if (fine && sink) fine = feed(**sink, batches, clock);
    if (!fine || !sink) {
      state.SkipWithError(fine ? "no sink" : fine.error().message.c_str());
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(write_documents)
    ->ArgNames({"indexed", "hash"})
    ->Args({0, 0})
    ->Args({1, 0})
    ->Args({0, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
}  // namespace millrace::redis
