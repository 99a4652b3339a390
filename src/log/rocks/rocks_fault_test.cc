// What a process that dies, a bad disk, a full disk and a second process do to the log.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "log/log_test_rows.h"
#include "log/records.h"
#include "log/rocks/rocks_log.h"
#include "log/rocks/rocks_store.h"
#include "log/rocks/test_directory.h"

namespace millrace {
namespace {

using testing::HasSubstr;

/// Text that does not shrink on its way to the disk.
std::string noise(std::size_t bytes) {
  std::minstd_rand random(11);
  std::string out;
  out.reserve(bytes);
  while (out.size() < bytes) out.push_back(static_cast<char>(random() >> 8U));
  return out;
}

class RocksFixture : public testing::Test {
 protected:
  Result<std::unique_ptr<Log>> try_open(const std::string& directory) {
    RocksLogOptions options;
    options.directory = directory;
    options.min_free_bytes = 0;
    options.write_buffer_bytes = 1U << 20U;
    return open_rocks_log(options, clock_, logger_, metrics_, failpoints_);
  }
  Status append(Log& log, std::uint64_t i, std::size_t bytes = 10) {
    return log.append(*log.open_stream("shop"), test_batch({{"a", i, noise(bytes)}}), test_position(i), {});
  }
  SystemClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
};

class RocksFaultTest : public RocksFixture {
 protected:
  std::unique_ptr<Log> open() {
    auto log = try_open(directory_.path());
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }
  std::vector<std::filesystem::path> files(const std::string& ending) {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/rocksdb")) {
      if (entry.path().extension() == ending) out.push_back(entry.path());
    }
    return out;
  }
  static void flip(const std::filesystem::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }

  TestDirectory directory_;
};

/// Runs the disabled test `name` of this program in a process of its own: RocksDB has threads, so plain fork
/// is out.
pid_t start_child(const std::string& name, const std::string& directory, int out = -1) {
  const std::string filter = "--gtest_filter=RocksChild.DISABLED_" + name;
  const std::string folder = "MILLRACE_TEST_DIRECTORY=" + directory;
  const std::string pipe = "MILLRACE_TEST_PIPE=" + std::to_string(out);
  const std::array<const char*, 4> arguments{"child", filter.c_str(), "--gtest_also_run_disabled_tests",
                                             nullptr};
  const std::array<const char*, 3> environment{folder.c_str(), pipe.c_str(), nullptr};
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (out >= 0) ::fcntl(out, F_SETFD, 0);
  ::execve("/proc/self/exe", const_cast<char**>(arguments.data()), const_cast<char**>(environment.data()));
  _exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

/// The tests that `start_child` runs; nothing by themselves.
class RocksChild : public RocksFixture {
 protected:
  void SetUp() override {
    const char* directory = std::getenv("MILLRACE_TEST_DIRECTORY");
    if (directory == nullptr) GTEST_SKIP() << "runs inside other tests only";
    path_ = directory;
    pipe_ = std::atoi(std::getenv("MILLRACE_TEST_PIPE"));
  }
  std::unique_ptr<Log> open() {
    auto log = try_open(path_);
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }

  /// Appends until the disk is full; `next` is then the first one that is not in the log.
  void fill(Log& log, std::uint64_t& next) {
    std::ofstream(path_ + "/ballast") << std::string((14U << 20U), 'b');
    Status done;
    for (int tries = 0; tries < 100 && done; ++tries) {
      done = append(log, next, 500'000);
      if (done) ++next;
    }
    ASSERT_FALSE(done) << "the disk never filled";
    for (int tries = 0; tries < 3 && !done; ++tries) {
      EXPECT_EQ(done.error().next, Next::kRetry) << done.error().message;
      EXPECT_THAT(done.error().message, HasSubstr("full"));
      EXPECT_EQ(log.streams()->front().next_sequence, next - 1);
      done = append(log, next, 500'000);
    }
    EXPECT_FALSE(done);
  }
  void expect_end(Log& log, std::uint64_t next) {
    EXPECT_EQ(log.streams()->front().next_sequence, next - 1);
    EXPECT_EQ(**log.source_position(1), test_position(next - 1));
    EXPECT_EQ(log.topics()->front().next_offset, next - 1);
    for (std::uint64_t i = 0; i + 1 < next; ++i) EXPECT_TRUE(log.batch_at(1, i)) << i;
  }

  std::string path_;
  int pipe_ = -1;
};

/// Appends for ever, with an open transaction now and then, and tells each answered append on `out`.
[[noreturn]] void append_until_killed(Log& log, int out) {
  const StreamId stream = *log.open_stream("shop");
  const auto resumed = log.source_position(stream);
  std::uint64_t next = log.streams()->front().next_sequence;
  for (;; ++next) {
    const bool opens = next % 3 == 0;  // a transaction of two batches, then one of one
    const std::uint64_t transaction = next % 3 == 2 ? 2 * (next / 3) + 2 : 2 * (next / 3) + 1;
    const TestRow row{"t" + std::to_string(next % 5), transaction, std::to_string(next)};
    const std::vector<TestRow> rows(1 + next % 40, row);
    const BatchPtr batch = test_batch(rows, opens ? 0 : rows.size());
    const SourcePosition after =
        test_position(opens ? transaction - 1 : transaction, opens ? rows.size() : 0);
    if (!log.append(stream, batch, after, {{StateWrite{"last", std::to_string(next)}}})) _exit(3);
    if (::write(out, &next, sizeof(next)) != sizeof(next)) _exit(4);
  }
}

/// Every append up to `last` is there exactly once, and everything that counts agrees with it.
void expect_whole(Log& log, std::uint64_t acknowledged) {
  const StreamId stream = *log.open_stream("shop");
  const std::uint64_t end = log.streams()->front().next_sequence;
  ASSERT_GE(end, acknowledged);
  ASSERT_LE(end, acknowledged + 1);  // one may have been written and not yet answered
  ASSERT_EQ(log.state("shop")->at("last"), std::to_string(end - 1));
  std::array<std::uint64_t, 5> rows{};
  for (std::uint64_t i = 0; i < end; ++i) {
    const auto batch = log.batch_at(stream, i);
    ASSERT_TRUE(batch) << batch.error().message;
    ASSERT_EQ((*batch)->size(), 1 + i % 40);
    ASSERT_EQ((*batch)->bytes((*batch)->row(0).after[0]), std::to_string(i));
    const bool hidden = i + 1 == end && i % 3 == 0;
    if (!hidden) rows[i % 5] += (*batch)->size();
  }
  const auto topics = log.topics();
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(topics->at(i).next_offset, rows[i]) << i;
}

TEST_F(RocksChild, DISABLED_AppendsUntilKilled) {
  const auto log = open();
  ASSERT_NE(log, nullptr);
  append_until_killed(*log, pipe_);
}

TEST_F(RocksFaultTest, KilledAtAnyMomentEveryAnsweredAppendIsThereOnce) {
  std::minstd_rand random(7);
  std::uint64_t acknowledged = 0;
  for (int life = 0; life < 8; ++life) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = start_child("AppendsUntilKilled", directory_.path(), ends[1]);
    ASSERT_GT(child, 0);
    ::close(ends[1]);
    const std::uint64_t until = acknowledged + 20 + random() % 150;
    std::uint64_t sequence = 0;
    while (::read(ends[0], &sequence, sizeof(sequence)) == sizeof(sequence)) {
      acknowledged = sequence + 1;
      if (acknowledged == until) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    ASSERT_TRUE(WIFSIGNALED(wait_for(child))) << "the child ended by itself";
    ASSERT_GE(acknowledged, until);
  }
  const auto log = open();
  ASSERT_NE(log, nullptr);
  expect_whole(*log, acknowledged);
}

TEST_F(RocksFaultTest, ASecondLogOnTheDirectoryIsRefusedWithTheHolder) {
  auto log = open();
  const auto second = try_open(directory_.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().next, Next::kStop);
  EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
  log.reset();
  EXPECT_TRUE(try_open(directory_.path()));
}

TEST_F(RocksFaultTest, ANewerFormatIsRefused) {
  open().reset();
  {
    auto store = open_rocks_store({directory_.path()}, logger_);
    StoreWrite write;
    write.put(kMetaSpace, keys::format(), encode_number(kLogFormat + 1));
    ASSERT_TRUE((*store)->write(write));
  }
  const auto log = try_open(directory_.path());
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().next, Next::kStop);
  EXPECT_THAT(log.error().message, HasSubstr("newer millrace (format 3), this one knows 2"));
}

TEST_F(RocksFaultTest, ALogOfTheFirstFormatIsTakenOver) {
  {
    const auto log = open();
    ASSERT_TRUE(append(*log, 1));
    ASSERT_TRUE(log->settle("cache", *log->latest(), {{{1, 0, 0, "a", "k", "e"}}}));
  }
  {
    auto store = open_rocks_store({directory_.path()}, logger_);
    StoreWrite write;  // as the first format had it: no copy, nothing behind the error
    const std::string letter = encode(DeadLetter{1, 7, {1, 0, 0, "a", "k", "e"}});
    write.put(kMetaSpace, keys::format(), encode_number(1));
    write.put(kMetaSpace, keys::dead_letter("cache", 1), letter.substr(0, 8 + 4 + 8 + 4 + 3 * (4 + 1)));
    write.remove(kMetaSpace, keys::letter_row("cache", 1));
    write.remove(kMetaSpace, keys::next_letter("cache"));
    ASSERT_TRUE((*store)->write(write));
  }
  {
    const auto log = open();
    EXPECT_EQ(log->dead_letter_counts("cache").open, 1U);
    auto letters = *log->dead_letters("cache", 0, 10);
    ASSERT_EQ(letters.size(), 1U);
    EXPECT_EQ(letters[0].row, LetterRow::kInLog);
    EXPECT_NE(log->dead_letter_row("cache", letters[0])->batch, nullptr) << "the log has it still";
    add_event(letters[0], {8, LetterEvent::What::kDrop, LetterState::kDropped, "http", "", ""});
    ASSERT_TRUE(log->update_dead_letters("cache", letters));
  }
  const auto store = open_rocks_store({directory_.path()}, logger_);
  EXPECT_EQ(*decode<std::uint64_t>(**(*store)->get(kMetaSpace, keys::format())), 2U);
}

TEST_F(RocksFaultTest, AFlippedByteInADataFileIsAStopThatNamesTheBatch) {
  {
    const auto log = open();
    for (std::uint64_t i = 1; i <= 30; ++i) ASSERT_TRUE(append(*log, i, 200'000));
  }
  open().reset();  // writes out what the write-ahead log holds
  std::filesystem::path largest;
  for (const auto& path : files(".sst")) {
    if (largest.empty() || std::filesystem::file_size(path) > std::filesystem::file_size(largest))
      largest = path;
  }
  ASSERT_GT(std::filesystem::file_size(largest), 400'000U);
  flip(largest, std::filesystem::file_size(largest) / 2);
  const auto log = open();
  ASSERT_NE(log, nullptr);
  int damaged = 0;
  for (std::uint64_t i = 0; i < 30; ++i) {
    const auto batch = log->batch_at(*log->open_stream("shop"), i);
    if (batch) continue;
    ++damaged;
    EXPECT_EQ(batch.error().next, Next::kStop);
    EXPECT_THAT(batch.error().message, HasSubstr("stream 1 of shop, batch " + std::to_string(i)));
    EXPECT_FALSE(batch.error().hint.empty());
  }
  EXPECT_EQ(damaged, 1);
}

TEST_F(RocksChild, DISABLED_DiesAfterTen) {
  const auto log = open();
  ASSERT_NE(log, nullptr);
  for (std::uint64_t i = 1; i <= 10; ++i) ASSERT_TRUE(append(*log, i, 5000));
  ::raise(SIGKILL);
}

class RocksTailTest : public RocksFaultTest {
 protected:
  /// Ten appends, then the process dies: all of it is in the write-ahead log only.
  void die_after_ten() { ASSERT_TRUE(WIFSIGNALED(wait_for(start_child("DiesAfterTen", directory_.path())))); }
  std::filesystem::path wal() {
    const auto logs = files(".log");
    EXPECT_EQ(logs.size(), 1U);
    return logs.front();
  }
};

TEST_F(RocksTailTest, ATornTailIsANormalEnd) {
  die_after_ten();
  std::filesystem::resize_file(wal(), std::filesystem::file_size(wal()) - 1000);
  const auto log = open();
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->streams()->front().next_sequence, 9U);
  EXPECT_EQ(**log->source_position(1), test_position(9));
  ASSERT_TRUE(append(*log, 10));
}

TEST_F(RocksTailTest, DamageBeforeTheTailIsAStopNotALoss) {
  die_after_ten();
  flip(wal(), std::filesystem::file_size(wal()) / 2);
  const auto log = try_open(directory_.path());
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().next, Next::kStop);
  EXPECT_THAT(log.error().message, HasSubstr("damaged"));
  EXPECT_FALSE(log.error().hint.empty());
}

constexpr int kNoRightToMount = 77;

/// A small disk, seen by this process only and gone with it. False without the right to mount.
bool mount_small_disk(const std::string& path) {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  return ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=24m") == 0;
}

TEST_F(RocksChild, DISABLED_FillsTheDisk) {
  if (!mount_small_disk(path_)) _exit(kNoRightToMount);
  std::uint64_t next = 1;
  auto log = open();
  ASSERT_NE(log, nullptr);
  fill(*log, next);
  expect_end(*log, next);
  std::filesystem::remove(path_ + "/ballast");
  Status done = append(*log, next, 100);
  for (int tries = 0; tries < 300 && !done; ++tries) {
    clock_.sleep_until(clock_.now_us() + 100'000);  // RocksDB looks for room every five seconds
    done = append(*log, next, 100);
  }
  ASSERT_TRUE(done) << done.error().message;
  expect_end(*log, ++next);
  log.reset();
  log = open();
  ASSERT_NE(log, nullptr);
  expect_end(*log, next);

  fill(*log, next);
  log.reset();
  std::filesystem::remove(path_ + "/ballast");
  log = open();
  ASSERT_NE(log, nullptr);
  expect_end(*log, next);
  ASSERT_TRUE(append(*log, next, 100));
}

TEST_F(RocksFaultTest, AFullDiskIsARetryAndTheLogGoesOnWhenThereIsRoom) {
  const int status = wait_for(start_child("FillsTheDisk", directory_.path()));
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoRightToMount) GTEST_SKIP() << "full disk: needs the right to mount a tmpfs";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace millrace
