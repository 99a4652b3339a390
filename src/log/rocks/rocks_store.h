#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/logging.h"
#include "base/result.h"
#include "log/store.h"

namespace millrace {

struct RocksStoreOptions {
  std::string directory;  ///< made when it is not there; the database's files lie in `rocksdb` below it
  std::size_t write_buffer_bytes = 8U << 20U;
  std::size_t block_cache_bytes = 4U << 20U;
};

/// A store over one RocksDB: a column family for small records, one for the index, one for the images of each
/// stream. One process at a time: a second one gets a stop error with the number of the first. `logger`
/// outlives the store.
[[nodiscard]] Result<std::unique_ptr<Store>> open_rocks_store(const RocksStoreOptions& options,
                                                              Logger& logger);

}  // namespace millrace
