#include "base/pattern.h"

#include <array>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace millrace {
namespace {

// Names are short. What needs more steps than this is a pattern that explodes, and it must not hold up the
// stream.
constexpr std::uint32_t kMatchLimit = 500'000;
constexpr std::uint32_t kDepthLimit = 10'000;
constexpr std::uint32_t kHeapLimitKib = 4096;

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string compile_message(int code) {
  std::array<PCRE2_UCHAR, 160> text{};
  const int size = pcre2_get_error_message(code, text.data(), text.size());
  if (size < 0) return "error " + std::to_string(code);
  return {text.begin(), text.begin() + size};
}

}  // namespace

struct PatternList::Impl {
  std::vector<std::unique_ptr<pcre2_code, CodeFree>> codes;
  std::unique_ptr<pcre2_match_context, MatchContextFree> context;
};

PatternList::PatternList() = default;
PatternList::PatternList(PatternList&&) noexcept = default;
PatternList& PatternList::operator=(PatternList&&) noexcept = default;
PatternList::~PatternList() = default;

Result<PatternList> PatternList::compile(const std::vector<std::string>& patterns, bool ignore_case) {
  PatternList list;
  list.impl_ = std::make_unique<Impl>();
  Impl& impl = *list.impl_;
  impl.context.reset(pcre2_match_context_create(nullptr));
  MILLRACE_CHECK(impl.context != nullptr);
  pcre2_set_match_limit(impl.context.get(), kMatchLimit);
  pcre2_set_depth_limit(impl.context.get(), kDepthLimit);
  pcre2_set_heap_limit(impl.context.get(), kHeapLimitKib);

  const std::uint32_t options =
      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | (ignore_case ? PCRE2_CASELESS : 0U);
  for (const std::string& pattern : patterns) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    impl.codes.emplace_back(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                          options, &code, &offset, nullptr));
    if (impl.codes.back() == nullptr) {
      return stop_error("regular expression '" + pattern + "' does not compile: " + compile_message(code) +
                            " at character " + std::to_string(offset + 1),
                        "mend the expression; it is matched against the whole name");
    }
    // Without JIT (an odd machine, a refused executable page) matching is slower and otherwise the same.
    static_cast<void>(pcre2_jit_compile(impl.codes.back().get(), PCRE2_JIT_COMPLETE));
  }
  return list;
}

bool PatternList::matches(std::string_view text) const {
  if (empty()) return false;
  for (const auto& code : impl_->codes) {
    const std::unique_ptr<pcre2_match_data, MatchDataFree> data(
        pcre2_match_data_create_from_pattern(code.get(), nullptr));
    MILLRACE_CHECK(data != nullptr);
    const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                                  data.get(), impl_->context.get());
    if (found >= 0) return true;
  }
  return false;
}

bool PatternList::empty() const { return impl_ == nullptr || impl_->codes.empty(); }

}  // namespace millrace
