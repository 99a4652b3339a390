#pragma once

#include <string_view>

#include "base/result.h"
#include "connect/task_context.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/delivery.h"
#include "sink/redis/key_forms.h"
#include "sink/redis/lane.h"
#include "sink/redis/position_store.h"
#include "sink/redis/target/key_template.h"

namespace millrace::redis {

/// What the removal of keys works with.
struct Truncation {
  Servers& servers;
  const PositionStore& store;  ///< whose keys stay
  Delivery& delivery;
  TaskContext& context;
  const KeyForms& forms;  ///< whose keys stay too, of other rows
  std::string_view topic;
};

/// Removes, in portions, what is under the keys of the table of `plan` in a lane, and what waits there for
/// its parents. With nothing in flight before and after.
[[nodiscard]] Status remove_keys(const Truncation& with, Lane& lane, const TablePlan& plan,
                                 const RowKey& keys);

}  // namespace millrace::redis
