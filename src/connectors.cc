#include <array>

#include "connect/spec.h"
#include "sink/redis/spec.h"
#include "source/postgres/spec.h"

namespace millrace {

std::span<const ConnectorSpec* const> connector_specs() {
  static const std::array<const ConnectorSpec*, 2> all = {
      &postgres::postgres_spec(),
      &redis::redis_spec(),
  };
  return all;
}

}  // namespace millrace
