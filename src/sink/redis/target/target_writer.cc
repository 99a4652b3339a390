#include "sink/redis/target/target_writer.h"

#include <utility>

#include "base/check.h"

namespace millrace::redis {

Status TargetWriter::move(std::string& /*out*/, const Item& /*item*/, const Move& /*move*/) {
  MILLRACE_CHECK(false);  // the encoder asks for moves of targets with fields only
  return {};
}

std::vector<std::vector<std::string>> TargetWriter::clear(const std::vector<std::string>& keys,
                                                          const TablePlan& /*plan*/) const {
  std::vector<std::string> command = {"UNLINK"};
  command.insert(command.end(), keys.begin(), keys.end());
  return {std::move(command)};
}

Status TargetWriter::check_size(const TablePlan& plan, std::size_t bytes) const {
  if (bytes < max_value_bytes_) return {};
  return reject_error("a row of table " + plan.schema->table + " has more than the " +
                      std::to_string(max_value_bytes_) +
                      " bytes that Redis took when the sink was opened (proto-max-bulk-len); `millrace "
                      "restart` asks it again");
}

Status TargetWriter::write_document(const Item& item) {
  document_.clear();
  MILLRACE_TRY(item.plan.document->append(document_, item.cells));
  return check_size(item.plan, document_.size());
}

namespace {

std::unique_ptr<TargetWriter> make_unguarded_writer(const Target& target) {
  if (target.nests()) return make_nest_writer(target);
  switch (target.type) {
    case TargetType::kJson:
      return make_json_writer(target);
    case TargetType::kHash:
      return make_hash_writer();
    case TargetType::kString:
      return make_string_writer();
    case TargetType::kSet:
      return make_set_writer();
    case TargetType::kSortedSet:
      return make_sorted_set_writer();
    case TargetType::kStream:
      break;
  }
  return make_stream_writer(target);
}

}  // namespace

std::unique_ptr<TargetWriter> make_target_writer(const Target& target) {
  auto writer = make_unguarded_writer(target);
  return target.guard ? make_guarded_writer(std::move(writer), target) : std::move(writer);
}

}  // namespace millrace::redis
