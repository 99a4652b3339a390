#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connect/source.h"
#include "source/postgres/catalog.h"
#include "source/postgres/client.h"
#include "source/postgres/decoder.h"
#include "source/postgres/options.h"
#include "source/postgres/pace.h"
#include "source/postgres/reselect.h"
#include "source/postgres/silence.h"
#include "source/postgres/slot.h"
#include "source/postgres/snapshot.h"

namespace millrace::postgres {

/// Logical replication with pgoutput over one replication connection, and one normal connection for the
/// catalog, the snapshot and what `status` tells. One thread at a time.
class PostgresSource final : public Source {
 public:
  explicit PostgresSource(Settings settings) : settings_(std::move(settings)) {}
  ~PostgresSource() override { close(); }

  [[nodiscard]] Result<SourcePosition> open(const SourceResume& resume, TaskContext& context) override;
  [[nodiscard]] Snapshotter* snapshotter() override { return snapshot_.get(); }
  [[nodiscard]] Result<SourcePosition> fill(BatchBuilder& out, std::int64_t until_us) override;
  [[nodiscard]] Status acknowledge(const SourcePosition& durable) override;
  [[nodiscard]] SourceStatus status() const override;
  void close() override;

 private:
  [[nodiscard]] Status connect();
  [[nodiscard]] Result<StreamPoint> prepare(const SourceResume& resume, std::string& exported);
  [[nodiscard]] Status start_stream(const StreamPoint& from);

  [[nodiscard]] Status drain(BatchBuilder& out, std::int64_t until_us);
  [[nodiscard]] Result<bool> read_one(BatchBuilder& out);
  [[nodiscard]] Status take(std::string_view bytes, BatchBuilder& out);
  [[nodiscard]] Status apply(const Frame& frame, BatchBuilder& out);
  [[nodiscard]] bool wait(const BatchBuilder& out, std::int64_t until_us);
  [[nodiscard]] bool is_move_due() const;
  [[nodiscard]] SourcePosition answer(const BatchBuilder& out);
  [[nodiscard]] Status keep_up();
  [[nodiscard]] Result<bool> go_on(std::int64_t until_us);
  [[nodiscard]] Status notice_silence();
  [[nodiscard]] Status send_status(bool request_reply);
  void look_at_server(std::int64_t now_us);
  [[nodiscard]] std::int64_t now() const { return context_->clock.now_us(); }

  const Settings settings_;
  TaskContext* context_ = nullptr;
  std::unique_ptr<Connection> normal_;
  std::unique_ptr<Connection> replication_;
  TableMemory memory_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TableSnapshot> snapshot_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<Reselector> reselector_;
  bool streaming_ = false;

  Pace pace_;
  std::string_view held_;  // a message taken from the connection and not applied yet: the batch was full
  StreamPoint answered_;
  std::int64_t answered_us_ = 0;
  std::int64_t rows_since_us_ = 0;  // when the first row of the batch being filled came
  bool move_now_ = false;           // the server waits for our position
  Lsn durable_ = 0;
  std::int64_t status_us_ = 0;  // when the last one was sent
  Silence silence_{settings_.status_interval_ms * 1000};
  Lsn goal_ = 0;                    // the server's end as it told when asked, and when,
  std::int64_t goal_us_ = 0;        // until a keep-alive has reached it; 0: one has
  std::int64_t keep_alive_us_ = 0;  // when the server last said that it has sent all; 0: data came since

  bool asking_ = false;  // a query about the server's log is on its way
  std::int64_t asked_us_ = 0;
  Lsn server_end_ = 0;
  std::int64_t retained_bytes_ = -1;
};

}  // namespace millrace::postgres
