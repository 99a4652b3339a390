#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connect/verify.h"
#include "sink/redis/lane.h"
#include "sink/redis/target/key_template.h"

namespace millrace::redis {

/// Which keys the rows of each table may have in each output. Of rows in documents of others: the documents'
/// keys, which are then shared only with rows in the same object of these. Rows of one topic that have the
/// same keys in two lanes come and go together: there neither is another. One thread; the lanes outlive it.
class OwnedKeys {
 public:
  /// All keys of the table in the lane, by its form as it is now.
  void add(Lane& lane, const ScanTable& table);

  /// Keys of the topic's rows in the lane may be those of rows of another topic or lane too.
  [[nodiscard]] bool may_be_shared(const Lane& lane, std::string_view topic) const;
  /// A row of another topic, or in another lane, may have this key too: `flight:leg:7` beside
  /// `flight:{code}`.
  [[nodiscard]] bool may_be_of_another(const Lane& lane, std::string_view topic, std::string_view key) const;
  /// Some row may have this key.
  [[nodiscard]] bool may_be_of_any(std::string_view key) const;

 private:
  struct Owner {
    const Lane* lane;
    std::string topic;
    RowKey key;
  };
  static bool lie_alike(const Lane& a, const Lane& b);
  [[nodiscard]] bool is_another(const Owner& owner, const Lane& lane, std::string_view topic) const;
  std::vector<Owner> owners_;
};

}  // namespace millrace::redis
