#include "source/postgres/client.h"

#include <libpq-fe.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "source/postgres/errors.h"

namespace millrace::postgres {
namespace {

/// A wait is cut into pieces of this length to see a request to stop in time.
constexpr std::int64_t kSliceUs = 50'000;
constexpr std::int64_t kAbandonUs = 30'000'000;
/// A silent peer is given up after about this long.
constexpr std::string_view kKeepAliveIdleS = "10";
constexpr std::string_view kKeepAliveIntervalS = "5";
constexpr std::string_view kKeepAliveCount = "4";
constexpr std::string_view kUserTimeoutMs = "30000";
constexpr int kTransactionTimeoutSince = 170000;

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

struct CancelDeleter {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

QueryRows rows_of(const PGresult* result) {
  QueryRows rows;
  const int columns = PQnfields(result);
  for (int r = 0; r < PQntuples(result); ++r) {
    QueryRow& row = rows.emplace_back();
    for (int c = 0; c < columns; ++c) {
      if (PQgetisnull(result, r, c) != 0) {
        row.emplace_back(std::nullopt);
      } else {
        row.emplace_back(
            std::string(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c))));
      }
    }
  }
  return rows;
}

/// Keywords and values for PQconnectStartParams, empty ones left out.
class Keywords {
 public:
  void add(const char* keyword, std::string value) {
    if (value.empty()) return;
    keywords_.push_back(keyword);
    values_.push_back(std::move(value));
  }
  PGconn* start() const {
    std::vector<const char*> keywords(keywords_);
    std::vector<const char*> values;
    values.reserve(values_.size() + 1);
    for (const std::string& value : values_) values.push_back(value.c_str());
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(keywords.data(), values.data(), 0);
  }

 private:
  std::vector<const char*> keywords_;
  std::vector<std::string> values_;
};

Keywords keywords_for(const ConnectionSettings& settings, Connection::Kind kind) {
  Keywords out;
  out.add("host", settings.host);
  out.add("port", std::to_string(settings.port));
  out.add("user", settings.user);
  out.add("password", settings.password);
  out.add("dbname", settings.database);
  out.add("sslmode", settings.sslmode);
  out.add("sslcert", settings.sslcert);
  out.add("sslkey", settings.sslkey);
  out.add("sslpassword", settings.sslpassword);
  out.add("sslrootcert", settings.sslrootcert);
  out.add("application_name", settings.application_name);
  out.add("client_encoding", "UTF8");
  out.add("options", std::string(session_options()));
  if (kind == Connection::Kind::kReplication) out.add("replication", "database");
  out.add("keepalives", settings.keep_alive ? "1" : "0");
  out.add("keepalives_idle", std::string(kKeepAliveIdleS));
  out.add("keepalives_interval", std::string(kKeepAliveIntervalS));
  out.add("keepalives_count", std::string(kKeepAliveCount));
  out.add("tcp_user_timeout", std::string(kUserTimeoutMs));
  return out;
}

void ignore_notice(void* /*unused*/, const PGresult* /*unused*/) {}

}  // namespace

struct Connection::Buffer {
  char* bytes = nullptr;
  ~Buffer() { free(); }
  void free() {
    if (bytes != nullptr) PQfreemem(bytes);
    bytes = nullptr;
  }
};

std::string_view session_options() {
  return "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=3 -c "
         "bytea_output=hex "
         "-c lc_monetary=C -c search_path= -c standard_conforming_strings=on -c xmloption=content "
         "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 "
         "-c idle_session_timeout=0 -c row_security=off";
}

Connection::Connection(pg_conn* connection, Clock& clock, std::stop_token stop)
    : connection_(connection), clock_(clock), stop_(std::move(stop)), row_(std::make_unique<Buffer>()) {}

Connection::~Connection() {
  row_->free();
  PQfinish(connection_);
}

int Connection::server_version() const { return PQserverVersion(connection_); }

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionSettings& settings, Kind kind,
                                                     Clock& clock, std::stop_token stop) {
  PGconn* raw = keywords_for(settings, kind).start();
  if (raw == nullptr) return retry_error("no memory for a connection to the server");
  std::unique_ptr<Connection> connection(new Connection(raw, clock, std::move(stop)));
  // Verbose: the text of a failed connection then has the SQLSTATE, which libpq gives in no other way.
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);
  PQsetNoticeReceiver(raw, ignore_notice, nullptr);
  MILLRACE_TRY(connection->establish(settings.connect_timeout_ms));
  PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
  if (PQsetnonblocking(raw, 1) != 0) return connection->last_error("connecting to the server");
  if (connection->server_version() >= kTransactionTimeoutSince) {
    // Not among the session options: an older server would refuse the connection for it.
    auto set = connection->query("connecting to the server", "SET transaction_timeout = 0");
    if (!set) return std::move(set).error();
  }
  return connection;
}

Status Connection::establish(std::int64_t timeout_ms) {
  const std::int64_t until_us = clock_.now_us() + timeout_ms * 1000;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || PQstatus(connection_) == CONNECTION_BAD) {
      const ConnectFailure failure = read_connect_failure(text_of(PQerrorMessage(connection_)));
      Error error = server_error("connecting to the server", failure.sqlstate, failure.message);
      if (failure.sqlstate.empty()) {
        error.hint = "See that the server runs and listens there, and database.hostname and database.port.";
      }
      return error;
    }
    const bool ready = wait_socket(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us);
    if (stop_.stop_requested()) return retry_error("stopped while connecting to the server");
    if (!ready) {
      return reconnect_error(
          "connecting to the server: no answer within " + std::to_string(timeout_ms) + " ms",
          "See database.hostname and database.port, the firewall, and connect.timeout.ms.");
    }
    state = PQconnectPoll(connection_);
  }
  return {};
}

bool Connection::wait_socket(short events, std::int64_t until_us) {
  while (true) {
    pollfd poll_one{PQsocket(connection_), events, 0};
    if (poll_one.fd < 0) return true;  // what comes next finds the error
    const std::int64_t left_us = until_us - clock_.now_us();
    const std::int64_t slice_us = std::clamp<std::int64_t>(left_us, 0, kSliceUs);
    // Rounded up, so that the last piece does not turn in circles.
    const int ready = poll(&poll_one, 1, static_cast<int>((slice_us + 999) / 1000));
    if (ready > 0) return true;
    if (left_us <= kSliceUs || stop_.stop_requested()) return false;
  }
}

Error Connection::last_error(std::string_view what) const {
  const std::string text = text_of(PQerrorMessage(connection_));
  const ConnectFailure failure = read_connect_failure(text);
  return reconnect_error(
      std::string(what) + ": " +
      (failure.message.empty() ? std::string("the connection was lost") : failure.message));
}

Error Connection::refused(std::string_view what, const PGresult* result) {
  refused_with_ = text_of(PQresultErrorField(result, PG_DIAG_SQLSTATE));
  std::string message = text_of(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = read_connect_failure(text_of(PQresultErrorMessage(result))).message;
  return server_error(what, refused_with_, message);
}

/// Whether a result can be taken without blocking; waits for it until `until_us` or a stop.
Result<bool> Connection::result_by(std::string_view what, std::int64_t until_us) {
  while (PQflush(connection_) > 0) {
    if (!wait_socket(POLLIN | POLLOUT, until_us)) return false;
    if (PQconsumeInput(connection_) == 0) return last_error(what);
  }
  while (true) {
    if (PQconsumeInput(connection_) == 0) return last_error(what);
    if (PQisBusy(connection_) == 0) return true;
    if (!wait_socket(POLLIN, until_us)) return false;
  }
}

Status Connection::wait_result(std::string_view what, std::int64_t until_us) {
  auto ready = result_by(what, until_us);
  if (!ready) return std::move(ready).error();
  if (*ready) return {};
  if (stop_.stop_requested()) return retry_error(std::string(what) + ": stopped");
  cancel();
  return reconnect_error(std::string(what) + ": the server did not answer in time");
}

void Connection::cancel() {
  const std::unique_ptr<PGcancel, CancelDeleter> handle(PQgetCancel(connection_));
  if (!handle) return;
  std::array<char, 256> ignored{};
  PQcancel(handle.get(), ignored.data(), static_cast<int>(ignored.size()));
  // Until the server has given up, what it held (a slot half made) is still there.
  const std::int64_t until_us = clock_.now_us() + 1'000'000;
  while (PQisBusy(connection_) != 0 && clock_.now_us() < until_us) {
    pollfd poll_one{PQsocket(connection_), POLLIN, 0};
    poll(&poll_one, 1, 50);
    if (PQconsumeInput(connection_) == 0) return;
  }
}

Result<QueryRows> Connection::collect(std::string_view what) {
  QueryRows rows;
  std::optional<Error> error;
  while (ResultPtr result{PQgetResult(connection_)}) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK) {
      rows = rows_of(result.get());
    } else if (status != PGRES_COMMAND_OK && !error) {
      error = refused(what, result.get());
    }
    if (PQstatus(connection_) == CONNECTION_BAD) break;
  }
  if (error) return std::move(*error);
  if (PQstatus(connection_) == CONNECTION_BAD) return last_error(what);
  return rows;
}

Result<QueryRows> Connection::query(std::string_view what, const std::string& sql,
                                    std::span<const std::string> parameters, std::int64_t timeout_ms) {
  const std::int64_t until_us = clock_.now_us() + timeout_ms * 1000;
  if (pending_) {
    pending_ = false;
    MILLRACE_TRY(wait_result(what, until_us));
    static_cast<void>(collect(what));
  }
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  const int sent = parameters.empty()
                       ? PQsendQuery(connection_, sql.c_str())
                       : PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                           values.data(), nullptr, nullptr, 0);
  if (sent == 0) return last_error(what);
  MILLRACE_TRY(wait_result(what, until_us));
  return collect(what);
}

Result<QueryRows> Connection::query_for_long(std::string_view what, const std::string& sql,
                                             std::int64_t slice_ms, const std::function<void()>& waiting) {
  if (PQsendQuery(connection_, sql.c_str()) == 0) return last_error(what);
  while (true) {
    auto ready = result_by(what, clock_.now_us() + slice_ms * 1000);
    if (!ready) return std::move(ready).error();
    if (*ready) return collect(what);
    if (stop_.stop_requested()) {
      cancel();
      return retry_error(std::string(what) + ": stopped");
    }
    waiting();
  }
}

Status Connection::send_query(std::string_view what, const std::string& sql) {
  if (PQsendQuery(connection_, sql.c_str()) == 0 || PQflush(connection_) < 0) return last_error(what);
  pending_ = true;
  return {};
}

Result<std::optional<QueryRows>> Connection::poll_query(std::string_view what) {
  if (!pending_) return std::optional<QueryRows>(QueryRows());
  if (PQflush(connection_) < 0 || PQconsumeInput(connection_) == 0) return last_error(what);
  if (PQisBusy(connection_) != 0) return std::optional<QueryRows>();
  pending_ = false;
  Result<QueryRows> rows = collect(what);
  if (!rows) return std::move(rows).error();
  return std::optional<QueryRows>(std::move(*rows));
}

Status Connection::start_copy(std::string_view what, const std::string& command) {
  constexpr std::int64_t kTimeoutUs = 60'000'000;
  if (PQsendQuery(connection_, command.c_str()) == 0) return last_error(what);
  MILLRACE_TRY(wait_result(what, clock_.now_us() + kTimeoutUs));
  const ResultPtr result{PQgetResult(connection_)};
  if (!result) return last_error(what);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return {};
  Error error = refused(what, result.get());
  static_cast<void>(collect(what));
  return error;
}

Result<Connection::Copy> Connection::next(std::string_view what, std::string_view& row) {
  row_->free();
  const int size = PQgetCopyData(connection_, &row_->bytes, 1);
  if (size > 0) {
    row = {row_->bytes, static_cast<std::size_t>(size)};
    received_bytes_ += row.size();
    return Copy::kRow;
  }
  if (size == 0) return Copy::kNothing;
  if (size == -2) return last_error(what);
  Result<QueryRows> rest = collect(what);
  if (!rest) return std::move(rest).error();
  return Copy::kEnd;
}

Status Connection::abandon_copy(std::string_view what) {
  cancel();
  const std::int64_t until_us = clock_.now_us() + kAbandonUs;
  while (clock_.now_us() < until_us && !stop_.stop_requested()) {
    std::string_view dropped;
    const auto got = next(what, dropped);
    if (!got && PQstatus(connection_) == CONNECTION_BAD) return got.error();
    if (!got || *got == Copy::kEnd) return {};  // refused by the cancel, as it was meant, or just over
    if (*got == Copy::kRow) continue;
    if (wait_readable(until_us)) MILLRACE_TRY(receive(what));
  }
  return reconnect_error(std::string(what) + ": the server does not end a statement that was cancelled");
}

Status Connection::receive(std::string_view what) {
  int waiting = 0;
  if (ioctl(PQsocket(connection_), FIONREAD, &waiting) == 0 && waiting > 0) {
    waiting_bytes_ += static_cast<std::uint64_t>(waiting);
  }
  // Twice under TLS: one read may leave the rest of a record inside the library, where poll() does not see
  // it.
  const int times = PQsslInUse(connection_) != 0 ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    if (PQconsumeInput(connection_) == 0) return last_error(what);
  }
  return {};
}

bool Connection::wait_readable(std::int64_t until_us) { return wait_socket(POLLIN, until_us); }

Status Connection::send_copy(std::string_view what, std::string_view bytes) {
  if (PQputCopyData(connection_, bytes.data(), static_cast<int>(bytes.size())) < 0 ||
      PQflush(connection_) < 0) {
    return last_error(what);
  }
  return {};
}

Way Connection::way() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  const int failed = getsockname(PQsocket(connection_), reinterpret_cast<sockaddr*>(&address), &size);
  return failed == 0 && address.ss_family == AF_UNIX ? Way::kUnixSocket : Way::kTcp;
}

bool Connection::shrink_receive_buffer(int bytes, std::int64_t max_round_trip_us) {
  const int fd = PQsocket(connection_);
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;  // a Unix socket, for one
  if (info.tcpi_min_rtt > max_round_trip_us) return false;
  return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0;
}

}  // namespace millrace::postgres
