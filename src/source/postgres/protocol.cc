#include "source/postgres/protocol.h"

#include "base/byte_reader.h"

namespace millrace::postgres {
namespace {

/// PostgreSQL counts from 2000-01-01.
constexpr std::int64_t kPostgresEpochUs = 946'684'800'000'000;

std::int64_t to_unix_us(std::int64_t postgres_us) {
  std::int64_t out = 0;
  return __builtin_add_overflow(postgres_us, kPostgresEpochUs, &out) ? postgres_us : out;
}

void put_u64(std::string& out, std::uint64_t value) {
  for (unsigned shift = 64; shift != 0; shift -= 8)
    out.push_back(static_cast<char>((value >> (shift - 8U)) & 0xFFU));
}

void parse_tuple(ByteReader& in, std::vector<TupleField>& out) {
  const std::size_t count = in.u16();
  out.clear();
  // Each column takes a byte at least: a count beyond that is a lie, told before anything is allocated.
  if (count > in.left()) return in.fail();
  out.resize(count);
  for (TupleField& field : out) {
    field.kind = static_cast<char>(in.u8());
    switch (field.kind) {
      case 'n':
      case 'u':
        field.bytes = {};
        break;
      case 't':
      case 'b':
        field.bytes = in.bytes(in.u32());
        break;
      default:
        return in.fail();
    }
  }
}

void parse_relation(ByteReader& in, Relation& out) {
  out.oid = in.u32();
  out.schema = in.c_string();
  if (out.schema.empty()) out.schema = "pg_catalog";  // that is how the protocol writes it
  out.table = in.c_string();
  out.identity = static_cast<char>(in.u8());
  const std::size_t count = in.u16();
  out.columns.clear();
  if (count > in.left()) return in.fail();
  out.columns.resize(count);
  for (RelationColumn& column : out.columns) {
    column.in_identity = (in.u8() & 1U) != 0;
    column.name = in.c_string();
    column.type_oid = in.u32();
    column.type_modifier = in.i32();
    if (!in.ok()) return;
  }
}

void parse_old_row(ByteReader& in, char kind, Message& out) {
  out.old_kind = kind;
  parse_tuple(in, out.old_row);
}

void parse_change(ByteReader& in, Message& out) {
  out.relation_oid = in.u32();
  out.old_kind = 0;
  out.old_row.clear();
  out.new_row.clear();
  char kind = static_cast<char>(in.u8());
  if (kind == 'K' || kind == 'O') {
    if (out.type == MessageType::kInsert) return in.fail();
    parse_old_row(in, kind, out);
    if (out.type == MessageType::kDelete) return;
    kind = static_cast<char>(in.u8());
  }
  if (kind != 'N' || out.type == MessageType::kDelete) return in.fail();
  parse_tuple(in, out.new_row);
}

void parse_truncate(ByteReader& in, Message& out) {
  const std::size_t count = in.u32();
  out.truncate_flags = in.u8();
  out.truncated.clear();
  if (count > in.left() / sizeof(std::uint32_t)) return in.fail();
  out.truncated.resize(count);
  for (std::uint32_t& oid : out.truncated) oid = in.u32();
}

/// False: no such message in protocol version 1. Stream start, stop, commit, abort (2) and the prepared
/// transaction's messages (3) come only to those who ask for them.
bool parse_body(ByteReader& in, Message& out) {
  switch (out.type) {
    case MessageType::kBegin:
      out.commit_lsn = in.u64();
      out.commit_us = to_unix_us(in.i64());
      out.xid = in.u32();
      return true;
    case MessageType::kCommit:
      in.u8();  // flags, unused by the server so far
      out.commit_lsn = in.u64();
      out.end_lsn = in.u64();
      out.commit_us = to_unix_us(in.i64());
      return true;
    case MessageType::kOrigin:
      in.u64();
      in.c_string();
      return true;
    case MessageType::kRelation:
      parse_relation(in, out.relation);
      return true;
    case MessageType::kType:
      out.type_oid = in.u32();
      out.type_schema = in.c_string();
      if (out.type_schema.empty()) out.type_schema = "pg_catalog";
      out.type_name = in.c_string();
      return true;
    case MessageType::kInsert:
    case MessageType::kUpdate:
    case MessageType::kDelete:
      parse_change(in, out);
      return true;
    case MessageType::kTruncate:
      parse_truncate(in, out);
      return true;
    case MessageType::kMessage:
      in.u8();
      in.u64();
      in.c_string();
      in.bytes(in.u32());
      return true;
  }
  return false;
}

}  // namespace

Status parse_frame(std::string_view bytes, Frame& out) {
  ByteReader in(bytes);
  const char kind = static_cast<char>(in.u8());
  if (kind == 'w') {
    out.kind = Frame::Kind::kData;
    out.start = in.u64();
    out.wal_end = in.u64();
    in.u64();  // the server's clock
    out.reply_requested = false;
    out.payload = in.bytes(in.left());
    if (in.ok()) return {};
  } else if (kind == 'k') {
    out.kind = Frame::Kind::kKeepAlive;
    out.start = 0;
    out.wal_end = in.u64();
    in.u64();
    out.reply_requested = in.u8() != 0;
    out.payload = {};
    if (in.ok()) return {};
  }
  return stop_error("the server sent a replication frame that is not understood (kind byte " +
                    std::to_string(static_cast<unsigned char>(kind)) + ", " + std::to_string(bytes.size()) +
                    " bytes)");
}

std::string standby_status(Lsn flushed, std::int64_t now_us, bool request_reply) {
  std::string out;
  out.reserve(34);
  out.push_back('r');
  put_u64(out, flushed);  // written
  put_u64(out, flushed);  // flushed
  put_u64(out, flushed);  // applied
  put_u64(out, static_cast<std::uint64_t>(now_us - kPostgresEpochUs));
  out.push_back(request_reply ? 1 : 0);
  return out;
}

Status parse_message(std::string_view bytes, Message& out) {
  ByteReader in(bytes);
  const std::uint8_t type = in.u8();
  out.type = static_cast<MessageType>(type);
  if (!in.ok() || !parse_body(in, out)) {
    return stop_error(
        "the server sent a pgoutput message of unknown kind (byte " + std::to_string(type) + ")",
        "This needs a newer millrace: the server speaks a later form of the protocol.");
  }
  if (!in.ok() || in.left() != 0) {
    return stop_error("the server sent a pgoutput message of kind '" +
                      std::string(1, static_cast<char>(type)) + "' that is not well formed (" +
                      std::to_string(bytes.size()) + " bytes)");
  }
  return {};
}

}  // namespace millrace::postgres
