#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "format/json_writer.h"
#include "format/time_text.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/target/scripts.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

class StringWriter final : public TargetWriter {
 public:
  [[nodiscard]] std::vector<std::string_view> scripts() const override { return {kSetString, kRemove}; }

  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    if (item.plan.value) {
      document_.clear();
      if (auto error = item.plan.value->append(document_, item.cells)) return reject_error(std::move(*error));
      MILLRACE_TRY(check_size(item.plan, document_.size()));
    } else {
      MILLRACE_TRY(write_document(item));
    }
    append_command(out, {"EVALSHA", script(0), "1", item.key, document_});
    return {};
  }

  void remove(std::string& out, const Item& item) override {
    append_command(out, {"EVALSHA", script(1), "1", item.key, traits_of(TargetType::kString).redis_type});
  }
};

class SetWriter final : public TargetWriter {
 public:
  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    append_command(out, {"SADD", item.key, item.member});
    return {};
  }
  void remove(std::string& out, const Item& item) override {
    append_command(out, {"SREM", item.key, item.member});
  }
};

class SortedSetWriter final : public TargetWriter {
 public:
  Status put(std::string& out, const Item& item, std::uint32_t& commands) override {
    ++commands;
    const std::uint16_t column = *item.plan.score;
    document_.clear();
    if (!append_score(document_, item.cells.batch(column), item.cells[column])) {
      return reject_error("column " + item.plan.schema->columns[column].name + " of table " +
                              full_name(*item.plan.schema) + " holds a value that is no number to sort by",
                          "let target.score name a column of numbers or times");
    }
    append_command(out, {"ZADD", item.key, document_, item.member});
    return {};
  }
  void remove(std::string& out, const Item& item) override {
    append_command(out, {"ZREM", item.key, item.member});
  }
};

}  // namespace

bool append_score(std::string& out, const Batch& batch, const Cell& cell) {
  const auto time = [&](std::int64_t micros_each) {
    const auto value = static_cast<std::int64_t>(cell.word);
    if (value == kInfinity || value == kMinusInfinity) {
      out += value == kInfinity ? "+inf" : "-inf";
    } else {
      append_json_int(out, micros_each == 1 ? floor_div(value, 1000) : value * (micros_each / 1000));
    }
    return true;
  };
  switch (cell.type) {
    case CellType::kBool:
      out += cell.word != 0 ? '1' : '0';
      return true;
    case CellType::kInt64:
      append_json_int(out, static_cast<std::int64_t>(cell.word));
      return true;
    case CellType::kUint64:
      append_json_uint(out, cell.word);
      return true;
    case CellType::kFloat64: {
      const double value = std::bit_cast<double>(cell.word);
      if (std::isnan(value)) return false;
      if (std::isinf(value)) {
        out += value > 0 ? "+inf" : "-inf";
      } else {
        append_double_text(out, value);
      }
      return true;
    }
    case CellType::kDecimal: {
      const std::string_view text = batch.bytes(cell);
      if (text == "Infinity" || text == "-Infinity") {
        out += text.front() == '-' ? "-inf" : "+inf";
        return true;
      }
      out += text;
      return is_json_number(text);
    }
    case CellType::kDate:
      return time(kMicrosPerDay);
    case CellType::kTime:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return time(1);
    default:
      return false;
  }
}

std::unique_ptr<TargetWriter> make_string_writer() { return std::make_unique<StringWriter>(); }
std::unique_ptr<TargetWriter> make_set_writer() { return std::make_unique<SetWriter>(); }
std::unique_ptr<TargetWriter> make_sorted_set_writer() { return std::make_unique<SortedSetWriter>(); }

}  // namespace millrace::redis
