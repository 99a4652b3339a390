#pragma once

#include "log/log_conformance.h"

namespace millrace {

/// What is parked with a letter, as text.
inline std::string letter_value(Log& log, const DeadLetter& letter) {
  const auto image = log.dead_letter_row("cache", letter);
  if (!image) return "error";
  if (image->batch == nullptr) return "none";
  return std::string(image->batch->bytes(image->batch->row(image->row).after[0]));
}

inline LetterEvent letter_event(std::int64_t at_us, LetterState state) {
  return {at_us, LetterEvent::What::kReplay, state, "http", "note", "a,b"};
}

TEST_P(LogConformance, ADeadLetterKeepsItsRowWhenRetentionTakesTheLogs) {
  append(test_batch({{"a", 1, "1"}, {"a", 1, "2"}}), test_position(1));
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{{stream(), 0, 1, "a", "key:2", "too large"}}}));
  ASSERT_GT(*log_->retain({-1, 0}, 0), 0U);
  for (int opened = 0; opened < 2; ++opened) {
    const auto letters = *log_->dead_letters("cache", 0, 10);
    ASSERT_EQ(letters.size(), 1U);
    EXPECT_EQ(letters[0].row, LetterRow::kCopied);
    EXPECT_EQ(letters[0].commit, "c1");
    EXPECT_EQ(letters[0].state, LetterState::kParked);
    EXPECT_EQ(letter_value(*log_, letters[0]), "2");
    const auto same = log_->dead_letter_of("cache", {stream(), 0, 1}, "");
    ASSERT_TRUE(same && *same);
    EXPECT_EQ((*same)->id, letters[0].id);
    EXPECT_FALSE(log_->dead_letter_of("cache", {stream(), 0, 0}, "")->has_value());
    reopen();
  }
}

TEST_P(LogConformance, EachOutputThatRejectsARowHasALetterOfItsOwn) {
  append(test_batch({{"a", 1, "1"}}), test_position(1));
  const Rejected plain{stream(), 0, 0, "a", "k", "by one"};
  Rejected other = plain;
  other.output = "documents";
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{plain, other}}));
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{other}}));
  reopen();
  const auto letters = *log_->dead_letters("cache", 0, 10);
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_EQ(letters[0].rejected.output, "");
  EXPECT_EQ(letters[1].rejected.output, "documents");
  EXPECT_EQ((*log_->dead_letter_of("cache", {stream(), 0, 0}, "documents"))->id, letters[1].id);
  EXPECT_EQ((*log_->dead_letter_of("cache", {stream(), 0, 0}, ""))->id, letters[0].id);
  EXPECT_FALSE(log_->dead_letter_of("cache", {stream(), 0, 0}, "hashes")->has_value());
}

TEST_P(LogConformance, ARowTooLargeForACopyIsReadFromTheLogWhileThatHasIt) {
  std::string large;
  for (std::uint64_t i = 0, n = 1; large.size() < 2 * kMaxLetterRowBytes; ++i) {
    n = n * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;  // what LZ4 cannot make smaller
    large.append(reinterpret_cast<const char*>(&n) + 4, 4);
  }
  append(test_batch({{"a", 1, large}}), test_position(1));
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{{stream(), 0, 0, "a", "k", "too large"}}}));
  const auto letters = *log_->dead_letters("cache", 0, 10);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].row, LetterRow::kTooLarge);
  EXPECT_EQ(letter_value(*log_, letters[0]), large);
  ASSERT_GT(*log_->retain({-1, 0}, 0), 0U);
  EXPECT_EQ(letter_value(*log_, letters[0]), "none");
}

TEST_P(LogConformance, WhatBecameOfDeadLettersStays) {
  append(test_batch({{"a", 1, "1"}, {"a", 1, "2"}}), test_position(1));
  const Rejected one{stream(), 0, 0, "a", "k1", "e"};
  const Rejected two{stream(), 0, 1, "a", "k2", "e"};
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{one, two}}));
  auto letters = *log_->dead_letters("cache", 0, 10);
  ASSERT_EQ(letters.size(), 2U);
  add_event(letters[0], letter_event(77, LetterState::kDone));
  letters[0].sent_again = 1;
  add_event(letters[1], letter_event(78, LetterState::kFailed));
  letters[1].rejected.error = "another";
  ASSERT_TRUE(log_->update_dead_letters("cache", letters));
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(log_->dead_letter_counts("cache").open, 1U);
    EXPECT_EQ(log_->dead_letter_counts("cache").ever, 2U);
    const auto read = *log_->dead_letters("cache", 0, 10);
    ASSERT_EQ(read.size(), 2U);
    EXPECT_EQ(read[0].state, LetterState::kDone);
    EXPECT_EQ(read[0].changed_us, 77);
    EXPECT_EQ(read[0].sent_again, 1U);
    ASSERT_EQ(read[0].history.size(), 1U);
    EXPECT_EQ(read[0].history[0].by, "http");
    EXPECT_EQ(read[0].history[0].note, "note");
    EXPECT_EQ(read[0].history[0].edited, "a,b");
    EXPECT_EQ(read[1].rejected.error, "another");
    reopen();
  }
  // The target was emptied and is filled again: what is rejected once more is open once more.
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{one, two}}));
  EXPECT_EQ(log_->dead_letter_counts("cache").open, 2U);
  EXPECT_EQ(log_->dead_letter_counts("cache").ever, 2U);
  EXPECT_EQ(log_->dead_letters("cache", 0, 10)->at(0).history.size(), 2U);
  EXPECT_EQ(log_->dead_letters("cache", 0, 10)->at(1).state, LetterState::kFailed);
}

TEST_P(LogConformance, OnlyLettersThatAreDealtWithAreRemovedInTime) {
  append(test_batch({{"a", 1, "1"}, {"a", 1, "2"}, {"a", 1, "3"}}), test_position(1));
  std::vector<Rejected> rows;
  for (std::uint32_t i = 0; i < 3; ++i) rows.push_back({stream(), 0, i, "a", "k", "e"});
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), rows));
  auto letters = *log_->dead_letters("cache", 0, 10);
  add_event(letters[1], letter_event(1'000'000, LetterState::kDropped));
  add_event(letters[2], letter_event(2'000'000, LetterState::kDone));
  ASSERT_TRUE(log_->update_dead_letters("cache", {{letters[1], letters[2]}}));
  const auto ids = [this] {
    std::string out;
    const auto left = log_->dead_letters("cache", 0, 10);
    for (const DeadLetter& one : *left) out += std::to_string(one.id);
    return out;
  };
  ASSERT_TRUE(log_->retain({-1, -1, 1000, -1}, 1'900'000));
  EXPECT_EQ(ids(), "123");
  ASSERT_TRUE(log_->retain({-1, -1, 1000, -1}, 2'100'000));
  EXPECT_EQ(ids(), "13");
  reopen();
  ASSERT_TRUE(log_->retain({-1, -1, -1, 0}, 2'100'000));
  EXPECT_EQ(ids(), "1");
  ASSERT_TRUE(log_->update_dead_letters("cache", {{letters[2]}})) << "one that is gone stays gone";
  EXPECT_EQ(ids(), "1");
  reopen();
  EXPECT_EQ(log_->dead_letter_counts("cache").open, 1U);
  EXPECT_EQ(log_->dead_letter_counts("cache").ever, 3U);
  append(test_batch({{"a", 2, "4"}}), test_position(2));
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{{stream(), 1, 0, "a", "k", "e"}}}));
  EXPECT_EQ(ids(), "14") << "a number is given once";
}

TEST_P(LogConformance, ThousandsOfRejectsAreParkedAtOnce) {
  std::vector<TestRow> rows(8000, {"a", 1, std::string(2000, 'x')});
  append(test_batch(rows), test_position(1));
  std::vector<Rejected> rejected;
  for (std::uint32_t i = 0; i < rows.size(); ++i) rejected.push_back({stream(), 0, i, "a", "k", "e"});
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), rejected));
  EXPECT_EQ(log_->dead_letter_counts("cache").open, rows.size());
  EXPECT_EQ(log_->dead_letters("cache", 8000, 10)->at(0).row, LetterRow::kCopied);
}

}  // namespace millrace
