#include "cli/signals.h"

#include <csignal>
#include <ctime>

namespace millrace {
namespace {

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_set();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopSignals::~StopSignals() { let_through(); }

bool StopSignals::wait(std::int64_t wait_ms) {
  const sigset_t set = stop_set();
  const timespec time{wait_ms / 1000, (wait_ms % 1000) * 1'000'000};
  if (::sigtimedwait(&set, nullptr, &time) < 0) return false;
  let_through();
  return true;
}

void StopSignals::let_through() {
  const sigset_t set = stop_set();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace millrace
