#include "sink/redis/key_forms.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::redis {
namespace {

Output output(const char* name, const char* topic, const char* key) {
  Output out;
  out.name = name;
  out.topics = {topic};
  out.target.key_template = *KeyTemplate::parse(key);
  return out;
}

TEST(KeyForms, RowsThatNestShareTheKeysOfTheirParents) {
  std::vector<Output> outputs = {output("parent", "s.p.parent", "parent:{id}"),
                                 output("child", "s.p.child", "parent:{parent}"),
                                 output("other", "s.p.other", "parent:of:{id}")};
  outputs[1].target.nest = NestPath();
  const KeyForms forms(outputs, {{"s.p.parent", "s.p.child", "s.p.other"}, false});
  EXPECT_FALSE(forms.is_of_another("child", "s.p.child", "parent:8"));
  EXPECT_FALSE(forms.is_of_another("parent", "s.p.parent", "parent:8"));
  EXPECT_TRUE(forms.is_of_another("child", "s.p.child", "parent:of:8"));
}

TEST(KeyForms, AKeyIsOfTheFormThatTellsMostOfIt) {
  const std::vector<Output> outputs = {
      output("flight", "s.p.flight", "flight:{code}"), output("leg", "s.p.leg", "flight:leg:{id}"),
      output("day", "s.p.leg", "flight:{day}:of:{id}"), output("table", "s.p.leg", "{table}:{id}")};
  const KeyForms forms(outputs, {{"s.p.flight", "s.p.leg"}, false});
  const auto is_of_another = [&forms](const char* of, const char* topic, const char* key) {
    return forms.is_of_another(of, topic, key);
  };
  EXPECT_TRUE(is_of_another("flight", "s.p.flight", "flight:leg:7"));
  EXPECT_FALSE(is_of_another("flight", "s.p.flight", "flight:leg"));
  EXPECT_FALSE(is_of_another("flight", "s.p.flight", "flight:7"));
  EXPECT_FALSE(is_of_another("flight", "s.p.flight", "flight:1:of:2")) << "neither tells more";
  EXPECT_FALSE(is_of_another("leg", "s.p.leg", "flight:leg:7"));
  EXPECT_FALSE(is_of_another("table", "s.p.leg", "leg:7"));
  EXPECT_FALSE(is_of_another("of nobody", "s.p.flight", "x"));
}

}  // namespace
}  // namespace millrace::redis
