#include "sink/redis/index/index_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::redis {

std::string owned_key(const std::string& connector) { return "millrace:indexes:" + connector; }

OwnedIndexes read_owned(const Reply& reply) {
  OwnedIndexes out;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    out[reply.elements[i].text] = reply.elements[i + 1].text;
  }
  return out;
}

IndexPlan plan_index(const IndexDefinition& wanted, const Reply& info, const OwnedIndexes& owned) {
  IndexPlan plan;
  plan.there = name_in(info);
  const std::string own = own_name(wanted);
  for (const auto& [name, alias] : owned) {
    if (alias == wanted.name && name != own && name != plan.there) plan.leftovers.push_back(name);
  }
  if (plan.there.empty()) {
    plan.step = IndexPlan::Step::kCreate;
    return plan;
  }
  plan.documents = index_health(info).documents;
  plan.differences = index_differences(wanted, info);
  const bool ours = owned.contains(plan.there);
  const bool as_wanted = plan.differences.empty() && (!ours || plan.there == own);
  if (as_wanted) return plan;
  // One of ours that was altered is left alone: there cannot be a second of its name.
  const bool replaceable = plan.there != own && (ours || wanted.adopt);
  const bool has_the_name = !ours && plan.there == wanted.name;
  plan.step = IndexPlan::Step::kLeave;
  if (replaceable) plan.step = has_the_name ? IndexPlan::Step::kReplace : IndexPlan::Step::kRebuild;
  return plan;
}

std::string plan_text(const IndexDefinition& wanted, const IndexPlan& plan) {
  const std::string why = plan.differences.empty() ? "what FT.INFO does not show has changed"
                                                   : fmt::format("{}", fmt::join(plan.differences, "; "));
  switch (plan.step) {
    case IndexPlan::Step::kNothing:
      return {};
    case IndexPlan::Step::kCreate:
      return "not there yet, will be created";
    case IndexPlan::Step::kRebuild:
      return fmt::format(
          "will be built anew as {} beside {} ({}), {} documents; the alias moves when it is complete, and "
          "where "
          "rows need another form for it, after `millrace rebuild`",
          own_name(wanted), plan.there, why, plan.documents);
    case IndexPlan::Step::kReplace:
      return fmt::format(
          "will be built anew as {} beside {} ({}), {} documents, then that one is dropped and its name "
          "becomes the alias",
          own_name(wanted), plan.there, why, plan.documents);
    case IndexPlan::Step::kLeave:
      return fmt::format("is there with another definition and is left alone: {}", why);
  }
  return {};
}

std::string plan_hint(const IndexDefinition& wanted, const IndexPlan& plan) {
  if (plan.step != IndexPlan::Step::kLeave) return {};
  const std::string by_hand = "FT.DROPINDEX " + plan.there + " keeps the documents";
  if (plan.there == own_name(wanted)) return by_hand + ", and the next start makes the index again";
  return "indexes." + wanted.name + ".adopt: true replaces it; or by hand: " + by_hand +
         ", and the next start makes the index";
}

std::vector<std::string> removed_indexes(const std::vector<IndexDefinition>& wanted,
                                         const OwnedIndexes& owned) {
  std::vector<std::string> out;
  for (const auto& [name, alias] : owned) {
    if (std::ranges::find(wanted, alias, &IndexDefinition::name) == wanted.end()) out.push_back(name);
  }
  return out;
}

}  // namespace millrace::redis
