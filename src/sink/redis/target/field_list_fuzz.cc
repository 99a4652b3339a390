#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "sink/redis/target/document.h"
#include "sink/redis/target/nest.h"
#include "sink/redis/target/test_rows.h"
#include "sink/redis/target/value_template.h"

namespace millrace::redis {

/// What people write in target.fields (items behind zero bytes), target.value and target.nest: taken or told,
/// and what is taken makes a document or a text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> items;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    items.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  static const TableSchemaPtr schema = test_schema("t", {"a", "b", "c"});
  TestBatch batch;
  batch.insert(schema, {1, "x", kNullCell});
  const ReadBatch rows = batch.read(1);
  const RowCells cells(*rows.batch, rows.batch->row(0).after);
  std::vector<std::string> missing;
  if (const auto list = FieldList::parse(items, true)) {
    if (const auto fields = list->resolve(*schema, missing)) {
      std::string out;
      MILLRACE_CHECK(DocumentLayout(schema, {}, *list, *fields).append(out, cells).has_value());
      MILLRACE_CHECK(out.front() == '{' && out.back() == '}');
    }
  }
  const std::string text = items.empty() ? std::string() : items.front();
  if (const auto parsed = ValueTemplate::parse(text)) {
    if (const auto made = RowText::make(*parsed, "target.value", "p.t", *schema)) {
      std::string out;
      MILLRACE_CHECK(!made->append(out, cells));
    }
  }
  if (const auto path = NestPath::parse(text)) {
    MILLRACE_CHECK(!path->names().empty());
    if (const auto nest = RowNest::make(*path, "p.t", *schema, RowText::of_column(0, *schema))) {
      std::string out;
      if (!nest->append(out, RowText::of_column(0, *schema), cells))
        MILLRACE_CHECK(!nest_place(out).part.empty());
    }
  }
  return 0;
}

}  // namespace millrace::redis
