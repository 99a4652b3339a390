#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/postgres/lsn.h"

/// The bytes of logical replication with pgoutput, protocol version 1, as PostgreSQL's manual has them in
/// "Logical Replication Message Formats" and "Streaming Replication Protocol". Pure: bytes in, structs out.
/// Nothing here throws, and every length is compared with what is left before it is used. Views point into
/// the bytes parsed.
namespace millrace::postgres {

/// What a CopyData message of a replication stream holds.
struct Frame {
  enum class Kind : std::uint8_t { kData, kKeepAlive };
  Kind kind = Kind::kData;
  Lsn start = 0;    ///< kData: where this change lies in the WAL
  Lsn wal_end = 0;  ///< kKeepAlive: all that commits before it has been sent
  bool reply_requested = false;
  std::string_view payload;  ///< kData: one pgoutput message
};
[[nodiscard]] Status parse_frame(std::string_view bytes, Frame& out);

/// The standby status update: everything before `flushed` is durable here. `now_us` is microseconds since
/// 1970.
[[nodiscard]] std::string standby_status(Lsn flushed, std::int64_t now_us, bool request_reply);

enum class MessageType : char {
  kBegin = 'B',
  kCommit = 'C',
  kOrigin = 'O',
  kRelation = 'R',
  kType = 'Y',
  kInsert = 'I',
  kUpdate = 'U',
  kDelete = 'D',
  kTruncate = 'T',
  kMessage = 'M',
};

struct RelationColumn {
  bool in_identity = false;  ///< part of the replica identity; under FULL every column is
  std::string_view name;
  std::uint32_t type_oid = 0;
  std::int32_t type_modifier = -1;
};

struct Relation {
  std::uint32_t oid = 0;
  std::string_view schema;
  std::string_view table;
  char identity = 'd';  ///< pg_class.relreplident: d, n, f, i
  std::vector<RelationColumn> columns;
};

/// One column of a tuple. kind: `n` NULL, `u` unchanged TOAST, `t` text, `b` binary.
struct TupleField {
  char kind = 'n';
  std::string_view bytes;
};

/// One pgoutput message. Only the members that belong to `type` mean anything; the others keep what an
/// earlier message left, so that their storage is used again.
struct Message {
  MessageType type = MessageType::kBegin;

  Lsn commit_lsn = 0;          ///< kBegin, kCommit: of the commit record
  Lsn end_lsn = 0;             ///< kCommit: just behind the commit record
  std::int64_t commit_us = 0;  ///< kBegin, kCommit: microseconds since 1970-01-01 UTC
  std::uint32_t xid = 0;       ///< kBegin

  Relation relation;  ///< kRelation

  std::uint32_t type_oid = 0;  ///< kType
  std::string_view type_schema;
  std::string_view type_name;

  std::uint32_t relation_oid = 0;  ///< kInsert, kUpdate, kDelete
  char old_kind = 0;               ///< 0: no old row; `K`: its identity columns; `O`: the whole old row
  std::vector<TupleField> old_row;
  std::vector<TupleField> new_row;  ///< kInsert, kUpdate

  std::vector<std::uint32_t> truncated;  ///< kTruncate: relation oids
  std::uint8_t truncate_flags = 0;       ///< 1: CASCADE, 2: RESTART IDENTITY
};

/// Parses one message into `out`, using its storage again. A message that is cut short, too long or of a kind
/// that protocol version 1 does not have is a stop error; `out` then holds nothing to rely on.
[[nodiscard]] Status parse_message(std::string_view bytes, Message& out);

}  // namespace millrace::postgres
