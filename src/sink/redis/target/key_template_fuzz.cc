#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "sink/redis/target/key_template.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {

/// The template, then four values, split at zero bytes: two different rows never have one key, and each
/// key is known for one of its topic.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string parts[5];
  for (std::string& part : parts) {
    const std::size_t end = rest.find('\0');
    part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  const auto key_template = KeyTemplate::parse(parts[0]);
  if (!key_template) return 0;
  static const TableSchemaPtr schema = test_schema("t", {"a", "b"}, 2);
  const auto key = RowKey::make(*key_template, "p.public.t", *schema);
  if (!key) return 0;
  TestBatch batch;
  batch.insert(schema, {parts[1], parts[2]}).insert(schema, {parts[3], parts[4]});
  const ReadBatch rows = batch.read(1);
  std::string keys[2];
  for (const std::size_t i : {0U, 1U}) {
    MILLRACE_CHECK(!key->append(keys[i], *rows.batch, rows.batch->row(i).after));
    MILLRACE_CHECK(key->matches(keys[i]));
  }
  bool same_values = true;
  for (const std::uint16_t column : key->columns())
    same_values = same_values && parts[1 + column] == parts[3 + column];
  MILLRACE_CHECK(!same_values || keys[0] == keys[1]);
  MILLRACE_CHECK(same_values || !key->is_one_to_one() || keys[0] != keys[1]);
  return 0;
}

}  // namespace millrace::redis
