#include "log/rocks/rocks_log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "log/log_conformance.h"
#include "log/log_conformance_append.h"
#include "log/log_conformance_letters.h"
#include "log/log_conformance_read.h"
#include "log/log_conformance_sinks.h"
#include "log/log_conformance_visibility.h"
#include "log/rocks/test_directory.h"

namespace millrace {
namespace {

class RocksHome final : public LogHome {
 public:
  Result<std::unique_ptr<Log>> open(const LogWorld& world) override {
    RocksLogOptions options;
    options.directory = directory_.path();
    options.min_free_bytes = world.min_free_bytes;
    return open_rocks_log(options, world.clock, logger_, metrics_, world.failpoints);
  }

 private:
  TestDirectory directory_;
  Logger logger_;
  Metrics metrics_;
};

INSTANTIATE_TEST_SUITE_P(Rocks, LogConformance,
                         testing::Values([] { return std::make_unique<RocksHome>(); }));

}  // namespace
}  // namespace millrace
