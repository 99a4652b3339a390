#pragma once

#include "base/result.h"
#include "event/batch.h"

namespace millrace {

/// Pure: the same batch in gives the same batch out. What must look things up elsewhere is a stage with a
/// client.
class Transform {
 public:
  Transform() = default;
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;
  virtual ~Transform() = default;

  [[nodiscard]] virtual Result<BatchPtr> apply(BatchPtr batch) = 0;
};

}  // namespace millrace
