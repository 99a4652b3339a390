#include "runtime/task_thread.h"

#include <pthread.h>

#include <atomic>
#include <string>
#include <thread>

namespace millrace {

struct TaskThread::Impl {
  std::atomic<bool> finished{false};
  std::jthread thread;  // last: joined before `finished` goes away
};

TaskThread::TaskThread(Stage& stage, Clock& clock) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::jthread([&stage, &clock, &finished = impl_->finished] {
    constexpr std::size_t kLongestName = 15;
    const std::string name(stage.name().substr(0, kLongestName));
    pthread_setname_np(pthread_self(), name.c_str());
    while (stage.step(clock.now_us() + kStepUs) != StepOutcome::kDone) {
    }
    finished.store(true, std::memory_order_release);
  });
}

TaskThread::TaskThread(TaskThread&&) noexcept = default;
TaskThread& TaskThread::operator=(TaskThread&&) noexcept = default;
TaskThread::~TaskThread() = default;

bool TaskThread::finished() const { return impl_->finished.load(std::memory_order_acquire); }

}  // namespace millrace
