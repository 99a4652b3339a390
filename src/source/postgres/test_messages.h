#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/postgres/lsn.h"

/// Hand-made pgoutput messages, for tests only.
namespace millrace::postgres::test {

/// Stands for an unchanged TOAST value in a row.
inline constexpr std::string_view kUnchangedValue = "<unchanged>";
using RowText = std::vector<std::optional<std::string_view>>;

inline void put(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned shift = bytes * 8; shift != 0; shift -= 8)
    out.push_back(static_cast<char>(value >> (shift - 8U)));
}
inline void put_text(std::string& out, std::string_view text) {
  out += text;
  out.push_back('\0');
}

inline std::string data_frame(Lsn lsn, std::string_view payload) {
  std::string out = "w";
  put(out, lsn, 8);
  put(out, lsn, 8);
  put(out, 0, 8);
  return out.append(payload);
}
inline std::string keep_alive(Lsn wal_end, bool reply) {
  std::string out = "k";
  put(out, wal_end, 8);
  put(out, 0, 8);
  put(out, reply ? 1 : 0, 1);
  return out;
}

inline std::string begin(Lsn commit, std::int64_t time_us, std::uint32_t xid) {
  std::string out = "B";
  put(out, commit, 8);
  put(out, static_cast<std::uint64_t>(time_us), 8);
  put(out, xid, 4);
  return out;
}
inline std::string commit(Lsn commit_lsn, Lsn end, std::int64_t time_us) {
  std::string out("C\0", 2);
  put(out, commit_lsn, 8);
  put(out, end, 8);
  put(out, static_cast<std::uint64_t>(time_us), 8);
  return out;
}

struct Column {
  bool key = false;
  std::string_view name;
  std::uint32_t type = 25;
  std::int32_t modifier = -1;
};
inline std::string relation(std::uint32_t oid, std::string_view schema, std::string_view table, char identity,
                            const std::vector<Column>& columns) {
  std::string out = "R";
  put(out, oid, 4);
  put_text(out, schema);
  put_text(out, table);
  out.push_back(identity);
  put(out, columns.size(), 2);
  for (const Column& column : columns) {
    out.push_back(column.key ? 1 : 0);
    put_text(out, column.name);
    put(out, column.type, 4);
    put(out, static_cast<std::uint32_t>(column.modifier), 4);
  }
  return out;
}
inline std::string type(std::uint32_t oid, std::string_view schema, std::string_view name) {
  std::string out = "Y";
  put(out, oid, 4);
  put_text(out, schema);
  put_text(out, name);
  return out;
}

inline void put_row(std::string& out, const RowText& row) {
  put(out, row.size(), 2);
  for (const auto& value : row) {
    if (!value) {
      out.push_back('n');
    } else if (*value == kUnchangedValue) {
      out.push_back('u');
    } else {
      out.push_back('t');
      put(out, value->size(), 4);
      out += *value;
    }
  }
}
inline std::string insert(std::uint32_t oid, const RowText& row) {
  std::string out = "I";
  put(out, oid, 4);
  out.push_back('N');
  put_row(out, row);
  return out;
}
inline std::string update(std::uint32_t oid, char old_kind, const RowText& old_row, const RowText& row) {
  std::string out = "U";
  put(out, oid, 4);
  if (old_kind != 0) {
    out.push_back(old_kind);
    put_row(out, old_row);
  }
  out.push_back('N');
  put_row(out, row);
  return out;
}
inline std::string erase(std::uint32_t oid, char old_kind, const RowText& row) {
  std::string out = "D";
  put(out, oid, 4);
  out.push_back(old_kind);
  put_row(out, row);
  return out;
}
inline std::string truncate(const std::vector<std::uint32_t>& oids, std::uint8_t flags) {
  std::string out = "T";
  put(out, oids.size(), 4);
  put(out, flags, 1);
  for (const std::uint32_t oid : oids) put(out, oid, 4);
  return out;
}

}  // namespace millrace::postgres::test
