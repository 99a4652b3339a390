#include "sink/redis/spec.h"

#include "sink/redis/check.h"
#include "sink/redis/options.h"
#include "sink/redis/settings.h"
#include "sink/redis/sink.h"
#include "sink/redis/table_check.h"
#include "sink/redis/verifier.h"

namespace millrace::redis {
namespace {

Result<std::unique_ptr<Sink>> make_sink(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return std::move(settings).error();
  return make_redis_sink(std::move(*settings));
}

Result<std::unique_ptr<TargetVerifier>> make_verifier(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return std::move(settings).error();
  return make_redis_verifier(std::move(*settings));
}

std::vector<Finding> check_tables(const ConnectorConfig& config, std::span<const ScanTable> tables) {
  const auto settings = read_settings(config);
  if (!settings) return {};  // told by `check`
  return check_tables(*settings, tables);
}

void validate(const ConnectorConfig& config, SettingFaults& faults) {
  static_cast<void>(read_settings(config, faults));
}

}  // namespace

const ConnectorSpec& redis_spec() {
  static const ConnectorSpec spec = {
      .kind = "redis",
      .aliases = {"com.redis.kafka.connect.RedisSinkConnector"},
      .summary = "Keeps JSON documents or hashes in Redis in step with tables, and their search indexes",
      .options = redis_options(),
      .validate = validate,
      .make_sink = make_sink,
      .make_verifier = make_verifier,
      .check = check,
      .check_tables = check_tables};
  return spec;
}

}  // namespace millrace::redis
