#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "source/postgres/pace.h"

struct pg_conn;
struct pg_result;

namespace millrace::postgres {

/// How to reach the server; from the connector's options.
struct ConnectionSettings {
  std::string host;
  std::int64_t port = 5432;
  std::string user;
  std::string password;
  std::string database;
  std::string sslmode = "prefer";
  std::string sslcert;
  std::string sslkey;
  std::string sslpassword;
  std::string sslrootcert;
  std::string application_name;
  std::int64_t connect_timeout_ms = 10'000;
  bool keep_alive = true;
};

/// Session settings that make the server print each value in one form only, whatever its own defaults: ISO
/// dates, UTC, shortest floats that read back, bytea in hex, money in the C locale, interval in its plain
/// form, all names qualified. Nothing of ours is ended for taking long or for idling, and a table of which
/// row security would show only a part is refused.
[[nodiscard]] std::string_view session_options();

/// Rows as text; NULL is nothing.
using QueryRow = std::vector<std::optional<std::string>>;
using QueryRows = std::vector<QueryRow>;

/// One connection through libpq: bytes and rows, no rules of replication. Everything that waits does so for a
/// bounded time and ends within 100 ms when `stop` is asked for, with a kRetry error. One thread at a time.
class Connection {
 public:
  enum class Kind : std::uint8_t { kNormal, kReplication };

  /// Connects, sets the session up. Errors are told apart as errors.h says.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const ConnectionSettings& settings, Kind kind,
                                                                Clock& clock, std::stop_token stop);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int server_version() const;

  /// Runs one statement and takes all its rows; `parameters` ($1...) only on a normal connection. `what` is
  /// for the error. On a timeout the statement is cancelled; on a stop it is left to the end of the
  /// connection, as a cancel connects anew and may wait for it.
  [[nodiscard]] Result<QueryRows> query(std::string_view what, const std::string& sql,
                                        std::span<const std::string> parameters = {},
                                        std::int64_t timeout_ms = 30'000);

  /// Runs a statement that takes as long as it takes; `waiting` is called each `slice_ms`. For one that
  /// leaves something half made on the server: it is cancelled even on a stop.
  [[nodiscard]] Result<QueryRows> query_for_long(std::string_view what, const std::string& sql,
                                                 std::int64_t slice_ms, const std::function<void()>& waiting);

  /// Starts a statement and comes back at once; `poll_query` has its rows, or nothing yet. A `query` in
  /// between waits for it and drops its rows.
  [[nodiscard]] Status send_query(std::string_view what, const std::string& sql);
  [[nodiscard]] Result<std::optional<QueryRows>> poll_query(std::string_view what);

  /// Starts COPY ... TO STDOUT or START_REPLICATION.
  [[nodiscard]] Status start_copy(std::string_view what, const std::string& command);
  enum class Copy : std::uint8_t { kRow, kNothing, kEnd };
  /// The next row or message if one is at hand, without waiting; `row` is good until the next call. kEnd: the
  /// server has ended the copy.
  [[nodiscard]] Result<Copy> next(std::string_view what, std::string_view& row);
  /// Gives a COPY ... TO STDOUT up before its end: what is still on its way is dropped, and the connection is
  /// free for the next statement.
  [[nodiscard]] Status abandon_copy(std::string_view what);
  /// Takes in what has arrived, without waiting.
  [[nodiscard]] Status receive(std::string_view what);
  /// True when something has arrived before `until_us` (of the clock).
  [[nodiscard]] bool wait_readable(std::int64_t until_us);
  /// Sends bytes of a copy, without waiting for room.
  [[nodiscard]] Status send_copy(std::string_view what, std::string_view bytes);

  [[nodiscard]] Way way() const;
  /// A small receive buffer, when the way to the server is short enough that a small window does not slow it
  /// down; see pace.h. True when it was set.
  bool shrink_receive_buffer(int bytes, std::int64_t max_round_trip_us);
  /// Bytes taken from the server by `next` so far.
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

  /// Bytes heard from the server: those of `next`, and those that `receive` found waiting, so that it moves
  /// with each piece of a message too. Only good for "anything since".
  [[nodiscard]] std::uint64_t heard_bytes() const { return received_bytes_ + waiting_bytes_; }

  /// SQLSTATE of the last statement that the server refused; empty: none was.
  [[nodiscard]] const std::string& refused_with() const { return refused_with_; }

  /// Asks the server to give up what the connection is doing. Waits for the server's answer, a second at
  /// most.
  void cancel();

 private:
  Connection(pg_conn* connection, Clock& clock, std::stop_token stop);
  [[nodiscard]] Status establish(std::int64_t timeout_ms);
  [[nodiscard]] Result<bool> result_by(std::string_view what, std::int64_t until_us);
  [[nodiscard]] Status wait_result(std::string_view what, std::int64_t until_us);
  [[nodiscard]] bool wait_socket(short events, std::int64_t until_us);
  [[nodiscard]] Error last_error(std::string_view what) const;
  [[nodiscard]] Error refused(std::string_view what, const pg_result* result);
  [[nodiscard]] Result<QueryRows> collect(std::string_view what);

  struct Buffer;
  pg_conn* connection_;
  Clock& clock_;
  std::stop_token stop_;
  std::unique_ptr<Buffer> row_;
  bool pending_ = false;  // send_query's statement is on its way
  std::uint64_t received_bytes_ = 0;
  std::uint64_t waiting_bytes_ = 0;
  std::string refused_with_;
};

}  // namespace millrace::postgres
