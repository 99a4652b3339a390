#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/verify.h"
#include "sink/redis/target/key_template.h"

namespace millrace::redis {

/// The keys that an output had under an earlier form.
struct EarlierKeys {
  std::string redis_type;  ///< what TYPE answers for them
  std::vector<RowKey> keys;
};

/// `form`: Output::form of then; `tables`: those that are captured now. The error is a sentence that says
/// which keys cannot be told from others, and why; none is then to be removed. Pure.
[[nodiscard]] Result<EarlierKeys> earlier_keys(std::string_view form, std::span<const ScanTable> tables);

}  // namespace millrace::redis
