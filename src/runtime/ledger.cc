#include "runtime/ledger.h"

namespace millrace {
namespace {

constexpr std::string_view kWhole = "snapshot";
constexpr std::string_view kChunkPrefix = "snapshot/";
constexpr std::string_view kDone = "done";

}  // namespace

SnapshotLedger::SnapshotLedger(const std::map<std::string, std::string>& state) {
  for (const auto& [key, value] : state) {
    if (key == kWhole) complete_ = true;
    if (key.starts_with(kChunkPrefix) && value == kDone) done_.insert(key.substr(kChunkPrefix.size()));
  }
}

StateWrite SnapshotLedger::chunk_done(std::string_view chunk) {
  return {std::string(kChunkPrefix) + std::string(chunk), std::string(kDone)};
}

StateWrite SnapshotLedger::finished(bool wanted) {
  return {std::string(kWhole), wanted ? std::string("complete") : std::string("none")};
}

}  // namespace millrace
