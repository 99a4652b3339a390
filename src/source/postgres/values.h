#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event/batch_builder.h"
#include "event/cell.h"

/// The text form of PostgreSQL's types, as COPY and pgoutput both send it, into cells: one decoder for both,
/// so a snapshot's cell equals the stream's. The session must print as `session_options()` in client.h asks
/// for. Pure.
namespace millrace::postgres {

/// How the text of a type is read.
enum class ValueKind : std::uint8_t {
  kText,  ///< taken as it is: text, enums, inet, ranges, geometry, composite types, and everything unknown
  kBool,
  kInteger,  ///< int2, int4, int8, oid
  kFloat,    ///< float4 as the shortest text that gives it back, read as a double
  kNumeric,
  kMoney,  ///< in the C locale, `-$1,234.56`
  kBytea,  ///< hex
  kUuid,
  kJson,
  kBits,
  kDate,
  kTime,
  kTimeTz,
  kTimestamp,
  kTimestampTz,
  kInterval,  ///< IntervalStyle postgres
  kArray,
};

[[nodiscard]] CellType cell_type(ValueKind kind);

struct ValueFormat {
  ValueKind kind = ValueKind::kText;
  ValueKind element = ValueKind::kText;  ///< of a kArray
  char delimiter = ',';                  ///< between the elements of a kArray
};

/// Dimensions an array may have: PostgreSQL's own limit.
inline constexpr int kMaxArrayDepth = 6;

/// Makes cells of texts. Keeps its scratch storage from one value to the next. One thread.
class ValueDecoder {
 public:
  /// The cell of a value that is there. A text that is not one of its type (or a timestamp past what a cell
  /// can hold) never becomes a wrong value: the cell is kText with the text as the server sent it.
  [[nodiscard]] Cell decode(const ValueFormat& format, std::string_view text, BatchBuilder& out);
  /// Values so far that were kept as text because they did not parse.
  [[nodiscard]] std::uint64_t unparsed() const { return unparsed_; }

 private:
  std::optional<Cell> decode_scalar(ValueKind kind, std::string_view text, BatchBuilder& out);
  std::optional<Cell> decode_array(const ValueFormat& format, std::string_view text, BatchBuilder& out);
  std::optional<Cell> decode_level(const ValueFormat& format, std::string_view& text, int depth,
                                   BatchBuilder& out);
  std::optional<Cell> decode_element(const ValueFormat& format, std::string_view& text, BatchBuilder& out);

  std::string scratch_;
  std::uint64_t unparsed_ = 0;
};

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; `year` 0 is 1 BC. Howard Hinnant's
/// days_from_civil.
[[nodiscard]] std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day);

// Readers of one type's text, each for the whole of it; nothing when it is not of that form or does not fit.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text, bool with_zone);

struct TimeTz {
  std::int64_t time_us = 0;
  std::int32_t offset_s = 0;  ///< east of UTC
};
[[nodiscard]] std::optional<TimeTz> parse_timetz(std::string_view text);

struct Interval {
  std::int64_t time_us = 0;
  std::int32_t days = 0;
  std::int32_t months = 0;
};
[[nodiscard]] std::optional<Interval> parse_interval(std::string_view text);

/// Plain decimal text of a money value: `-$1,234.56` -> `-1234.56`.
[[nodiscard]] std::optional<std::string> parse_money(std::string_view text);
/// True for what numeric's output may be: digits with an optional sign and fraction, NaN, Infinity,
/// -Infinity.
[[nodiscard]] bool is_numeric(std::string_view text);

}  // namespace millrace::postgres
