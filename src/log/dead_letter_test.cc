#include "log/dead_letter.h"

#include <gtest/gtest.h>

#include "log/records.h"

namespace millrace {
namespace {

TEST(ErrorForm, TakesOutWhatTellsRowsApart) {
  EXPECT_EQ(error_form("a row of table t1 has more than the 512 bytes"),
            "a row of table t1 has more than the N bytes");
  EXPECT_EQ(error_form("column \"a b\" at 12:7"), "column '...' at N:N");
  EXPECT_EQ(error_form("it's not the row's"), "it's not the row's");
  EXPECT_EQ(error_form("an open \" stays"), "an open \" stays");
  EXPECT_EQ(error_form(error_form("row 7 of 'x'")), error_form("row 8 of 'y'"));
}

TEST(LetterFilter, WithoutAnythingMeansTheOpenOnes) {
  DeadLetter letter;
  letter.id = 5;
  letter.rejected.topic = "a";
  letter.rejected.error = "more than 7 bytes";
  LetterFilter filter;
  EXPECT_TRUE(filter.matches(letter));
  filter.error = "than 9 bytes";
  EXPECT_TRUE(filter.matches(letter));
  filter.topic = "b";
  EXPECT_FALSE(filter.matches(letter));
  letter.state = LetterState::kDone;
  EXPECT_FALSE(LetterFilter().matches(letter));
  filter = {};
  filter.ids = {4, 5};
  EXPECT_TRUE(filter.matches(letter)) << "named, so meant";
  filter.ids = {4, 6};
  EXPECT_FALSE(filter.matches(letter));
  filter = {};
  filter.states = {LetterState::kDropped, LetterState::kDone};
  EXPECT_TRUE(filter.matches(letter));
}

TEST(DeadLetter, KeepsItsLastEventsOnly) {
  DeadLetter letter;
  for (std::int64_t i = 0; i < 50; ++i) {
    add_event(letter, {i, LetterEvent::What::kReplay, LetterState::kFailed, "http", "e", ""});
  }
  EXPECT_EQ(letter.history.size(), kMaxLetterEvents);
  EXPECT_EQ(letter.history.back().at_us, 49);
  EXPECT_EQ(letter.state, LetterState::kFailed);
}

TEST(DeadLetter, ARecordOfTheFirstFormatIsALetterThatIsParked) {
  DeadLetter letter;
  letter.at_us = 7;
  letter.rejected = {1, 2, 3, "a", "k", "e", "o", "m", "f"};
  const std::string now = encode(letter);
  const std::string before = now.substr(0, 8 + 4 + 8 + 4 + 3 * (4 + 1));
  const auto read = decode<DeadLetter>(before);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rejected.error, "e");
  EXPECT_EQ(read->state, LetterState::kParked);
  EXPECT_EQ(read->row, LetterRow::kInLog);
  EXPECT_EQ(read->changed_us, 7);
  const std::size_t second = now.size() - 3 * (4 + 1);  // without output, member, and the key it was to leave
  for (std::size_t size = before.size() + 1; size < now.size(); ++size)
    EXPECT_EQ(bool(decode<DeadLetter>(now.substr(0, size))), size == second) << size;
  const auto whole = decode<DeadLetter>(now);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->rejected.output + whole->rejected.member + whole->rejected.moved_from, "omf");
}

}  // namespace
}  // namespace millrace
