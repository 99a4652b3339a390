#include "runtime/letter_work.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

using Action = LetterRequest::Action;
using Verdict = LaterRows::Verdict;

constexpr std::size_t kPage = 200;
constexpr std::size_t kWriteAtOnce = 64;

StreamPosition place_of(const DeadLetter& letter) {
  return {letter.rejected.stream, letter.rejected.sequence, letter.rejected.row};
}

/// Keys of different tables and outputs are different.
std::string full_key(const WatchedRow& row, const std::string& key) {
  return row.topic + '\0' + row.output + '\0' + key;
}

}  // namespace

bool LetterWork::active() {
  if (phase_ != Phase::kNone) return true;
  std::optional<LetterDesk::Job> job = place_.desk.take();
  if (!job) return false;
  job_ = std::move(*job);
  tally_ = job_.operation;
  from_id_ = 0;
  next_wanted_ = 0;
  next_ = 0;
  items_.clear();
  concluded_.clear();
  failed_.clear();
  later_.emplace(place_.log, place_.clock, place_.sink);
  phase_ = Phase::kFind;
  return true;
}

Result<bool> LetterWork::prepare(const LogPosition& settled, std::int64_t until_us) {
  if (phase_ == Phase::kFind) MILLRACE_TRY(find(until_us));
  if (phase_ == Phase::kDrop) MILLRACE_TRY(drop(until_us));
  if (phase_ != Phase::kLookBehind && phase_ != Phase::kSend) return false;
  if (!job_.request.force) {
    const auto there = later_->advance(settled, until_us);
    if (!there || !*there) return there;
  }
  phase_ = Phase::kSend;
  return true;
}

Status LetterWork::find(std::int64_t until_us) {
  while (phase_ == Phase::kFind && place_.clock.now_us() < until_us) MILLRACE_TRY(find_page());
  return {};
}

Status LetterWork::find_page() {
  const std::vector<std::uint64_t>& ids = job_.request.which.ids;
  std::uint64_t from = from_id_;
  std::size_t limit = kPage;
  if (!ids.empty()) {
    if (next_wanted_ == ids.size()) {
      found_all();
      return {};
    }
    from = ids[next_wanted_++];
    limit = 1;
  }
  const auto letters = place_.log.dead_letters(place_.sink, from, limit);
  if (!letters) return letters.error();
  for (const DeadLetter& letter : *letters) {
    if (items_.size() == kMaxLetters) break;
    if (!ids.empty() && letter.id != from) continue;  // the one asked for is gone
    if (job_.request.which.matches(letter)) MILLRACE_TRY(take(letter));
  }
  if (items_.size() == kMaxLetters) {
    tally_.message = "more letters than one operation takes; ask again for the rest";
    found_all();
  } else if (ids.empty() && letters->size() < limit) {
    found_all();
  } else if (!letters->empty()) {
    from_id_ = letters->back().id + 1;
  }
  return {};
}

Status LetterWork::take(const DeadLetter& letter) {
  if (job_.request.action == Action::kDrop && !is_open(letter.state)) return {};  // nothing to give up
  Item item;
  item.id = letter.id;
  item.row.place = place_of(letter);
  item.row.output = letter.rejected.output;
  if (job_.request.action == Action::kReplay) {
    const auto image = image_of(letter);
    if (!image) return image.error();
    item.has_row = image->batch != nullptr;
    if (item.has_row) item.row = watched_row(item.row.place, letter.rejected.output, *image);
    if (item.has_row && !job_.request.force) later_->watch(item.row);
  }
  items_.push_back(std::move(item));
  return {};
}

void LetterWork::found_all() {
  std::ranges::sort(items_, {}, [](const Item& item) { return item.row.place; });
  tally_.matched = items_.size();
  job_.operation = tally_;
  place_.desk.report(tally_);
  phase_ = job_.request.action == Action::kDrop ? Phase::kDrop : Phase::kLookBehind;
  if (items_.empty()) finish();
}

Result<LetterImage> LetterWork::image_of(const DeadLetter& letter) {
  if (job_.request.edited != nullptr) return LetterImage{job_.request.edited, 0};
  return place_.log.dead_letter_row(place_.sink, letter);
}

/// The letter as it is now; nothing when it is gone, or is no longer one that is meant.
Result<std::optional<DeadLetter>> LetterWork::letter_of(const Item& item) {
  auto letters = place_.log.dead_letters(place_.sink, item.id, 1);
  if (!letters) return std::move(letters).error();
  const bool meant =
      !letters->empty() && letters->front().id == item.id && job_.request.which.matches(letters->front());
  return meant ? std::optional(std::move(letters->front())) : std::nullopt;
}

Status LetterWork::drop(std::int64_t until_us) {
  while (phase_ == Phase::kDrop && place_.clock.now_us() < until_us) {
    concluded_.clear();  // of a call that failed
    tally_ = job_.operation;
    const std::size_t end = std::min(items_.size(), next_ + kPage);
    for (std::size_t i = next_; i < end; ++i) {
      auto letter = letter_of(items_[i]);
      if (!letter) return std::move(letter).error();
      if (!*letter) continue;
      conclude(**letter, LetterState::kDropped, {});
      concluded_.push_back(std::move(**letter));
    }
    MILLRACE_TRY(write_down());
    next_ = end;
    if (next_ == items_.size()) finish();
  }
  return {};
}

Status LetterWork::send(Sink& sink, const LogPosition& settled, std::int64_t until_us) {
  concluded_.clear();  // of a call that failed
  tally_ = job_.operation;
  std::size_t at = next_;
  while (at < items_.size() && concluded_.size() < kWriteAtOnce) {
    const Item& item = items_[at++];
    auto letter = letter_of(item);
    if (!letter) return std::move(letter).error();
    if (!*letter) continue;
    MILLRACE_TRY(send_one(sink, settled, item, **letter));
    concluded_.push_back(std::move(**letter));
    if (place_.clock.now_us() >= until_us) break;
  }
  MILLRACE_TRY(place_.failpoints.pass("letters.before_record"));
  MILLRACE_TRY(write_down());
  next_ = at;
  MILLRACE_TRY(place_.failpoints.pass("letters.after_record"));
  if (next_ == items_.size()) finish();
  return {};
}

std::string LetterWork::reason_to_hold(const Item& item, const LogPosition& settled) const {
  if (!item.has_row) return "its row is neither kept with it nor in the log any more";
  const StreamPosition& place = item.row.place;
  if (!(place < settled.at(place.stream))) return "the sink has not come back to its row yet";
  const bool blocked = std::ranges::any_of(item.row.keys, [&](const std::string& key) {
    const auto failed = failed_.find(full_key(item.row, key));
    return failed != failed_.end() && failed->second < place;
  });
  if (blocked) return "an earlier letter of the same key was not taken";
  if (job_.request.force) return {};
  switch (later_->verdict(item.row)) {
    case Verdict::kNoKey:
      return "it cannot be told whether a later change was applied: the row's key is not known, or the "
             "table's key has changed; force sends it all the same";
    case Verdict::kCut:
      return "it cannot be told whether a later change was applied: retention has removed rows behind it; "
             "force sends it all the same";
    default:
      return {};
  }
}

Status LetterWork::send_one(Sink& sink, const LogPosition& settled, const Item& item, DeadLetter& letter) {
  if (const std::string why = reason_to_hold(item, settled); !why.empty()) {
    hold(letter, why);
    return {};
  }
  if (!job_.request.force && later_->verdict(item.row) == Verdict::kLater) {
    conclude(letter, LetterState::kSuperseded, "a later change of its key was applied");
    return {};
  }
  const auto image = image_of(letter);
  if (!image) return image.error();
  if (image->batch == nullptr) {
    hold(letter, "its row is no longer in the log");
    return {};
  }
  MILLRACE_TRY(send_row(sink, settled, *image, letter));
  if (is_open(letter.state)) {
    for (const std::string& key : item.row.keys) failed_.emplace(full_key(item.row, key), item.row.place);
  }
  return {};
}

Status LetterWork::send_row(Sink& sink, const LogPosition& settled, const LetterImage& image,
                            DeadLetter& letter) {
  ReadBatch rows;
  rows.batch = image.batch;
  rows.stream = letter.rejected.stream;
  rows.sequence = letter.rejected.sequence;
  rows.first_row = image.row;
  rows.end_row = image.row + 1;
  rows.topic_selected.assign(image.batch->topics().size(), true);
  rows.after = settled;
  rows.resent = true;
  Result<Resent> sent = sink.resend(rows, letter.rejected.output);
  if (!sent && sent.error().next != Next::kReject) return std::move(sent).error();
  if (!sent) {
    hold(letter, sent.error().message);
    return {};
  }
  ++letter.sent_again;
  if (sent->rejected.empty()) {
    conclude(letter, sent->overtaken ? LetterState::kSuperseded : LetterState::kDone,
             sent->overtaken ? "the target has a later version of its key" : "");
    return {};
  }
  const Rejected& rejected = sent->rejected.back();
  letter.rejected.error = rejected.error;
  if (!rejected.target_key.empty()) letter.rejected.target_key = rejected.target_key;
  conclude(letter, LetterState::kFailed, letter.rejected.error);
  return {};
}

void LetterWork::conclude(DeadLetter& letter, LetterState state, std::string note) {
  const bool replay = job_.request.action == Action::kReplay;
  const bool sent = state == LetterState::kDone || state == LetterState::kFailed;
  add_event(letter,
            {place_.clock.wall_us(), replay ? LetterEvent::What::kReplay : LetterEvent::What::kDrop, state,
             job_.request.by, std::move(note), sent ? job_.request.edited_columns : std::string()});
  tally_.done += state == LetterState::kDone ? 1 : 0;
  tally_.failed += state == LetterState::kFailed ? 1 : 0;
  tally_.superseded += state == LetterState::kSuperseded ? 1 : 0;
  tally_.dropped += state == LetterState::kDropped ? 1 : 0;
}

void LetterWork::hold(DeadLetter& letter, const std::string& why) {
  add_event(letter, {place_.clock.wall_us(),
                     LetterEvent::What::kReplay,
                     letter.state,
                     job_.request.by,
                     "not sent: " + why,
                     {}});
  ++tally_.held;
}

Status LetterWork::write_down() {
  if (!concluded_.empty()) MILLRACE_TRY(place_.log.update_dead_letters(place_.sink, concluded_));
  for (DeadLetter& letter : concluded_) {
    if (!is_open(letter.state)) closed_.push_back(std::move(letter.rejected));
  }
  concluded_.clear();
  job_.operation = tally_;
  place_.desk.report(tally_);
  return {};
}

void LetterWork::finish() {
  phase_ = Phase::kNone;
  place_.logger.info("dead letters were worked on",
                     {{"connector", std::string_view(place_.sink)},
                      {"action", letter_action_name(tally_.action)},
                      {"matched", static_cast<std::int64_t>(tally_.matched)},
                      {"done", static_cast<std::int64_t>(tally_.done)},
                      {"failed", static_cast<std::int64_t>(tally_.failed)},
                      {"superseded", static_cast<std::int64_t>(tally_.superseded)},
                      {"held", static_cast<std::int64_t>(tally_.held)},
                      {"dropped", static_cast<std::int64_t>(tally_.dropped)}});
  place_.desk.end(tally_, LetterOperation::State::kFinished);
  items_ = {};
  later_.reset();
  job_ = {};
}

void LetterWork::stop(const std::string& why) {
  if (phase_ != Phase::kNone) {
    job_.operation.message = why;
    place_.desk.end(job_.operation, LetterOperation::State::kStopped);
    phase_ = Phase::kNone;
  }
  place_.desk.stop_queued(why);
}

}  // namespace millrace
