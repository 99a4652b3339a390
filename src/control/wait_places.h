#pragma once

#include <atomic>
#include <cstddef>

namespace millrace {

/// How many requests may wait for rows at once: each holds a thread of the server, and some must be left for
/// `/health` and `/metrics`. Thread-safe.
class WaitPlaces {
 public:
  explicit WaitPlaces(std::size_t places) : free_(static_cast<std::ptrdiff_t>(places)) {}

  /// A place while it lives; `taken()` is false when there was none.
  class Place {
   public:
    explicit Place(WaitPlaces& of) : of_(of), taken_(of.free_.fetch_sub(1) > 0) {
      if (!taken_) of_.free_.fetch_add(1);
    }
    ~Place() {
      if (taken_) of_.free_.fetch_add(1);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] bool taken() const { return taken_; }

   private:
    WaitPlaces& of_;
    const bool taken_;
  };

 private:
  std::atomic<std::ptrdiff_t> free_;
};

}  // namespace millrace
