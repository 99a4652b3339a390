#pragma once

#include <string>
#include <string_view>

#include "event/batch.h"

namespace millrace {

/// Appends `cell` as Debezium's PostgreSQL connector writes it into schemaless JSON with its default settings
/// (decimal.handling.mode precise, time.precision.mode adaptive, binary.handling.mode bytes,
/// interval.handling.mode numeric): decimals as base64 of the unscaled number, `{"scale","value"}` without a
/// declared scale; dates as days; times and timestamps as milliseconds up to three declared fraction digits,
/// else microseconds; timestamptz and timetz as text in UTC; bits as base64, lowest byte first, bit(1) as
/// bool; json as a string; a value that was not sent as Debezium's placeholder; NaN of a decimal as null.
///
/// Not as Debezium: geometric types, hstore and types that it leaves out are written as the text we have; a
/// NULL stays null where it would write the column's default. False when text is not UTF-8; what was appended
/// has then to be cut off.
[[nodiscard]] bool append_debezium_value(std::string& out, const Batch& batch, const Cell& cell,
                                         const ColumnSchema& column);

/// Appends base64 of the unscaled value of `decimal` at `scale`, as a big-endian two's complement of the
/// fewest bytes. False when `decimal` is no plain decimal number or has more digits behind the point than
/// `scale`. `scale` of -1 takes the text's own and puts it there.
[[nodiscard]] bool append_unscaled(std::string& out, std::string_view decimal, int& scale);

}  // namespace millrace
