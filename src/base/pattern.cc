#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>

namespace millrace {
namespace {

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, CodeFree>;
using Match = std::unique_ptr<pcre2_match_data, MatchFree>;
using Context = std::unique_ptr<pcre2_match_context, ContextFree>;

/// A pattern that needs more steps than this for a name is taken not to match, so that it cannot hang a task.
constexpr std::uint32_t kStepLimit = 1'000'000;

std::string message_of(int code) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());  // NOLINT: the library's text is unsigned char
}

PCRE2_SPTR bytes_of(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());  // NOLINT: the library's text is unsigned char
}

}  // namespace

struct PatternList::Impl {
  std::vector<Code> codes;
};

PatternList::PatternList() : impl_(std::make_unique<Impl>()) {}
PatternList::PatternList(PatternList&&) noexcept = default;
PatternList& PatternList::operator=(PatternList&&) noexcept = default;
PatternList::~PatternList() = default;

Result<PatternList> PatternList::compile(const std::vector<std::string>& patterns, bool ignore_case) {
  PatternList list;
  const std::uint32_t flags = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | (ignore_case ? PCRE2_CASELESS : 0U);
  for (const std::string& pattern : patterns) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code code(pcre2_compile(bytes_of(pattern), pattern.size(), flags, &error, &offset, nullptr));
    if (!code) {
      return stop_error("regular expression `" + pattern + "` is wrong at character " + std::to_string(offset) + ": " +
                        message_of(error));
    }
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
    list.impl_->codes.push_back(std::move(code));
  }
  return list;
}

bool PatternList::matches(std::string_view text) const {
  if (impl_->codes.empty()) return false;
  const Match match(pcre2_match_data_create(1, nullptr));
  const Context context(pcre2_match_context_create(nullptr));
  MILLRACE_CHECK(match && context);
  pcre2_set_match_limit(context.get(), kStepLimit);
  for (const Code& code : impl_->codes) {
    if (pcre2_match(code.get(), bytes_of(text), text.size(), 0, 0, match.get(), context.get()) >= 0) return true;
  }
  return false;
}

bool PatternList::empty() const { return impl_->codes.empty(); }

}  // namespace millrace
