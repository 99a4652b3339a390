#include "log/rocks/rocks_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/statvfs.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "log/rocks/directory_lock.h"

namespace millrace {
namespace {

constexpr std::string_view kStreamPrefix = "stream-";
constexpr const char* kIndexFamily = "index";

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

Error to_error(const rocksdb::Status& status, const std::string& directory) {
  if (status.IsNoSpace()) {
    return retry_error("the log's disk is full: " + status.ToString(),
                       "free room on the disk that holds " + directory +
                           "; the log goes on by itself, nothing that was answered as written is lost");
  }
  if (status.IsCorruption()) {
    return stop_error(
        "the log in " + directory + " is damaged: " + status.ToString(),
        "the disk gave back other bytes than were written, or files were changed. Check the disk, then "
        "restore the directory from a copy; or move it away and let the sources take their snapshots again");
  }
  if (status.IsBusy() || status.IsTimedOut() || status.IsTryAgain()) {
    return retry_error("the log in " + directory + " is busy: " + status.ToString());
  }
  return stop_error("the log in " + directory + " cannot be used: " + status.ToString(),
                    "check the disk, its mount and the rights on " + directory + ", then start again");
}

/// Takes RocksDB's own messages. Its file for them would be on the same disk, and one that does not fit there
/// ends the process (Debian builds the library with its assertions on).
class MessageForwarder final : public rocksdb::Logger {
 public:
  explicit MessageForwarder(millrace::Logger& logger)
      : rocksdb::Logger(rocksdb::InfoLogLevel::ERROR_LEVEL), logger_(logger) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    std::array<char, 512> text{};
    static_cast<void>(std::vsnprintf(text.data(), text.size(), format, arguments));
    logger_.warn("RocksDB says", {{"text", std::string_view(text.data())}});
  }
  /// The header of a new file: the options, line by line.
  void LogHeader(const char* /*format*/, va_list /*arguments*/) override {}

 private:
  millrace::Logger& logger_;
};

/// Of everything in the database: bounded memory, few threads, no statistics, no housekeeping by the clock.
rocksdb::DBOptions database_options(const RocksStoreOptions& options, millrace::Logger& logger) {
  rocksdb::DBOptions out;
  out.info_log = std::make_shared<MessageForwarder>(logger);
  out.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  out.max_background_jobs = 2;
  out.max_open_files = 128;
  out.max_total_wal_size = 4 * options.write_buffer_bytes;
  out.db_write_buffer_size = 4 * options.write_buffer_bytes;
  out.bytes_per_sync = 1U << 20U;
  // Every write is synced before it is answered, so only the last one, never answered, can be torn: that is a
  // normal end. Damage before it must be seen, where point-in-time recovery would quietly drop all that
  // follows.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.advise_random_on_open = false;
  out.skip_stats_update_on_db_open = true;
  return out;
}

rocksdb::ColumnFamilyOptions family_options(const RocksStoreOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache, bool images) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.checksum = rocksdb::kXXH3;
  table.block_size = images ? 64U << 10U : 8U << 10U;
  rocksdb::ColumnFamilyOptions out;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.compression = images ? rocksdb::kNoCompression : rocksdb::kLZ4Compression;
  out.write_buffer_size = images ? options.write_buffer_bytes : options.write_buffer_bytes / 4;
  out.max_write_buffer_number = 2;
  out.ttl = 0;
  out.periodic_compaction_seconds = 0;
  if (images) {
    // Keys only rise, so files never overlap: a file moves down one level once, by name only, and is never
    // rewritten.
    out.num_levels = 2;
    out.level0_file_num_compaction_trigger = 2;
    out.soft_pending_compaction_bytes_limit = 0;
    out.hard_pending_compaction_bytes_limit = 0;
  }
  return out;
}

class RocksStore final : public Store {
 public:
  RocksStore(RocksStoreOptions options, std::unique_ptr<DirectoryLock> lock, millrace::Logger& logger)
      : options_(std::move(options)),
        logger_(logger),
        lock_(std::move(lock)),
        cache_(rocksdb::NewLRUCache(options_.block_cache_bytes)) {}

  ~RocksStore() override {
    if (db_ == nullptr) return;
    for (const auto& [space, family] : families_) static_cast<void>(db_->DestroyColumnFamilyHandle(family));
    static_cast<void>(db_->Close());
  }

  Status open() {
    std::vector<std::string> names;
    const rocksdb::DBOptions database = database_options(options_, logger_);
    std::error_code failed;
    if (std::filesystem::exists(options_.directory + "/CURRENT", failed)) {
      const auto listed = rocksdb::DB::ListColumnFamilies(database, options_.directory, &names);
      if (!listed.ok()) return error(listed);
    } else {
      std::filesystem::create_directories(options_.directory, failed);
      names = {rocksdb::kDefaultColumnFamilyName, kIndexFamily};
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    std::vector<StoreSpace> spaces;
    for (const std::string& name : names) {
      const auto space = space_of(name);
      if (!space) {
        return stop_error(
            "the log in " + options_.directory + " holds a part named " + name + ", which is not known",
            "it was written by another program or a newer millrace");
      }
      spaces.push_back(*space);
      descriptors.emplace_back(name, family_options(options_, cache_, *space >= kFirstImageSpace));
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto opened = rocksdb::DB::Open(database, options_.directory, descriptors, &handles, &db);
    if (!opened.ok()) return error(opened);
    db_.reset(db);
    for (std::size_t i = 0; i < spaces.size(); ++i) families_.emplace(spaces[i], handles[i]);
    return {};
  }

  Status open_space(StoreSpace space) override {
    const std::unique_lock lock(families_mutex_);
    if (families_.contains(space)) return {};
    rocksdb::ColumnFamilyHandle* family = nullptr;
    const std::string name = std::string(kStreamPrefix) + std::to_string(space - kFirstImageSpace + 1);
    const auto made = db_->CreateColumnFamily(family_options(options_, cache_, true), name, &family);
    if (!made.ok()) return error(made);
    families_.emplace(space, family);
    return {};
  }

  Status write(const StoreWrite& write) override {
    MILLRACE_TRY(recover());
    std::size_t bytes = 64;
    for (const StoreWrite::Operation& operation : write.operations()) {
      bytes += operation.key.size() + operation.value.size() + operation.view.size() + 32;
    }
    rocksdb::WriteBatch batch(bytes);
    for (const StoreWrite::Operation& operation : write.operations()) {
      if (const auto added = add(batch, operation); !added.ok()) return error(added);
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const auto written = db_->Write(synced, &batch);
    if (written.ok()) return {};
    broken_ = true;
    return error(written);
  }

  Result<std::optional<std::string>> get(StoreSpace space, std::string_view key) override {
    std::string value;
    const auto got = db_->Get(rocksdb::ReadOptions(), family(space), slice(key), &value);
    if (got.IsNotFound()) return std::optional<std::string>{};
    if (!got.ok()) return error(got);
    return std::optional<std::string>(std::move(value));
  }

  Result<std::vector<StoreEntry>> scan(StoreSpace space, std::string_view begin, std::string_view end,
                                       const ScanLimits& limits) override {
    const rocksdb::Slice stop = slice(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &stop;
    options.fill_cache = space < kFirstImageSpace;  // images are read in order, once
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, family(space)));
    std::vector<StoreEntry> out;
    std::size_t bytes = 0;
    for (it->Seek(slice(begin)); it->Valid(); it->Next()) {
      if (out.size() >= limits.entries) break;
      out.push_back({it->key().ToString(), it->value().ToString()});
      bytes += out.back().value.size();
      if (bytes >= limits.bytes) break;  // before Next, which would read a block for nothing
    }
    if (!it->status().ok()) {
      // What lies before the damage is still good; the damage is told when it is asked for first.
      if (out.empty() || space < kFirstImageSpace) return error(it->status());
    }
    return out;
  }

  Result<std::optional<StoreEntry>> last(StoreSpace space, std::string_view begin,
                                         std::string_view end) override {
    const rocksdb::Slice start = slice(begin);
    const rocksdb::Slice stop = slice(end);
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &start;
    options.iterate_upper_bound = &stop;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, family(space)));
    it->SeekForPrev(stop);
    if (!it->status().ok()) return error(it->status());
    if (!it->Valid()) return std::optional<StoreEntry>{};
    return std::optional<StoreEntry>({it->key().ToString(), it->value().ToString()});
  }

  Status release(StoreSpace space, std::string_view end) override {
    // Whole files only: no tombstones, nothing rewritten. Rows in a file that is not all old wait for the
    // rest of it.
    const rocksdb::Slice stop = slice(end);
    const auto deleted = rocksdb::DeleteFilesInRange(db_.get(), family(space), nullptr, &stop, false);
    if (!deleted.ok()) return error(deleted);
    return {};
  }

  Result<DiskRoom> room() override {
    struct statvfs found{};
    if (::statvfs(options_.directory.c_str(), &found) != 0) {
      return stop_error("cannot ask for the room on the disk of " + options_.directory + ": " +
                        std::error_code(errno, std::generic_category()).message());
    }
    return DiskRoom{static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize,
                    static_cast<std::uint64_t>(found.f_blocks) * found.f_frsize};
  }

 private:
  static std::optional<StoreSpace> space_of(std::string_view family) {
    if (family == rocksdb::kDefaultColumnFamilyName) return kMetaSpace;
    if (family == kIndexFamily) return kIndexSpace;
    if (!family.starts_with(kStreamPrefix)) return std::nullopt;
    const auto stream = parse_uint64(family.substr(kStreamPrefix.size()));
    if (!stream || *stream == 0 || *stream > UINT32_MAX - kFirstImageSpace) return std::nullopt;
    return static_cast<StoreSpace>(kFirstImageSpace - 1 + *stream);
  }

  [[nodiscard]] Error error(const rocksdb::Status& status) const {
    return to_error(status, options_.directory);
  }

  rocksdb::ColumnFamilyHandle* family(StoreSpace space) {
    const std::shared_lock lock(families_mutex_);
    const auto it = families_.find(space);
    MILLRACE_CHECK(it != families_.end());
    return it->second;
  }

  /// After a failed write RocksDB takes no more until it has written out what it holds in memory. For a full
  /// disk it looks for room by itself every five seconds (Busy here: the write that follows tells how that
  /// went); for anything else it waits to be told.
  Status recover() {
    if (!broken_.load()) return {};
    const std::lock_guard lock(recover_mutex_);
    if (!broken_.load()) return {};
    const auto resumed = db_->Resume();
    if (!resumed.ok() && !resumed.IsBusy()) return error(resumed);
    broken_ = false;
    return {};
  }

  rocksdb::Status add(rocksdb::WriteBatch& batch, const StoreWrite::Operation& operation) {
    rocksdb::ColumnFamilyHandle* to = family(operation.space);
    switch (operation.kind) {
      case StoreWrite::Kind::kPut:
        return batch.Put(to, slice(operation.key), slice(operation.value));
      case StoreWrite::Kind::kPutView:
        return batch.Put(to, slice(operation.key), slice(operation.view));
      case StoreWrite::Kind::kRemove:
        return batch.Delete(to, slice(operation.key));
      case StoreWrite::Kind::kRemoveRange:
        return batch.DeleteRange(to, slice(operation.key), slice(operation.value));
    }
    return rocksdb::Status::InvalidArgument("operation");
  }

  const RocksStoreOptions options_;
  millrace::Logger& logger_;
  const std::unique_ptr<DirectoryLock> lock_;  // given up last
  const std::shared_ptr<rocksdb::Cache> cache_;
  std::unique_ptr<rocksdb::DB> db_;
  std::shared_mutex families_mutex_;
  std::map<StoreSpace, rocksdb::ColumnFamilyHandle*> families_;
  std::mutex recover_mutex_;
  std::atomic<bool> broken_{false};
};

}  // namespace

Result<std::unique_ptr<Store>> open_rocks_store(const RocksStoreOptions& options, Logger& logger) {
  auto lock = DirectoryLock::take(options.directory);
  if (!lock) return std::move(lock).error();
  RocksStoreOptions database = options;
  database.directory += "/rocksdb";
  auto store = std::make_unique<RocksStore>(std::move(database), std::move(*lock), logger);
  try {
    MILLRACE_TRY(store->open());
  } catch (const std::exception& failed) {
    return stop_error("the log in " + options.directory + " cannot be opened: " + failed.what());
  }
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace millrace
