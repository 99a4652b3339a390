#include "log/rocks/rocks_log.h"

#include <utility>

#include "log/rocks/directory_lock.h"
#include "log/rocks/rocks_store.h"
#include "log/store_log.h"

namespace millrace {

Result<std::unique_ptr<Log>> open_rocks_log(const RocksLogOptions& options, Clock& clock, Logger& logger,
                                            Metrics& metrics, FailPoints& failpoints) {
  auto store =
      open_rocks_store({options.directory, options.write_buffer_bytes, options.block_cache_bytes}, logger);
  if (!store) return std::move(store).error();
  StoreLogOptions log_options;
  log_options.tail_bytes = options.tail_bytes;
  log_options.min_free_bytes = options.min_free_bytes;
  return open_store_log(std::move(*store), log_options, {clock, logger, metrics, failpoints});
}

std::optional<std::uint64_t> rocks_log_holder(const std::string& directory) {
  return DirectoryLock::holder(directory);
}

}  // namespace millrace
