#include "connect/log_position.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/text.h"

namespace millrace {
namespace {

// A position names one stream per source connector of the log; more than this is not a position of ours.
constexpr std::size_t kMaxStreams = 65'536;

template <typename Streams>
auto find_stream(Streams& streams, StreamId stream) {
  return std::lower_bound(streams.begin(), streams.end(), stream,
                          [](const StreamPosition& a, StreamId b) { return a.stream < b; });
}

/// The text before the next `mark`, which is taken off `text`; all of it when there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return head;
}

std::optional<StreamPosition> parse_one(std::string_view text) {
  if (std::count(text.begin(), text.end(), ':') != 2) return std::nullopt;
  const auto stream = parse_uint64(take_until(text, ':'));
  const auto sequence = parse_uint64(take_until(text, ':'));
  const auto row = parse_uint64(text);
  if (!stream || !sequence || !row) return std::nullopt;
  if (*stream > std::numeric_limits<StreamId>::max()) return std::nullopt;
  if (*row > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return StreamPosition{static_cast<StreamId>(*stream), *sequence, static_cast<std::uint32_t>(*row)};
}

}  // namespace

StreamPosition LogPosition::at(StreamId stream) const {
  const auto it = find_stream(streams_, stream);
  if (it == streams_.end() || it->stream != stream) return {stream, 0, 0};
  return *it;
}

void LogPosition::set(const StreamPosition& position) {
  const auto it = find_stream(streams_, position.stream);
  if (it != streams_.end() && it->stream == position.stream) {
    *it = position;
  } else {
    streams_.insert(it, position);
  }
}

bool LogPosition::covers(const LogPosition& other) const {
  return std::all_of(other.streams_.begin(), other.streams_.end(),
                     [this](const StreamPosition& theirs) { return at(theirs.stream) >= theirs; });
}

std::string LogPosition::text() const {
  std::string out;
  for (const StreamPosition& position : streams_) {
    if (!out.empty()) out += ',';
    out += std::to_string(position.stream) + ':' + std::to_string(position.sequence) + ':' +
           std::to_string(position.row);
  }
  return out;
}

Result<LogPosition> LogPosition::parse(std::string_view text) {
  LogPosition out;
  while (!text.empty()) {
    const bool more = text.find(',') != std::string_view::npos;
    const auto position = parse_one(take_until(text, ','));
    const bool rises = position && (out.streams_.empty() || out.streams_.back().stream < position->stream);
    if (!rises || (more && text.empty()) || out.streams_.size() == kMaxStreams) {
      return stop_error(
          "not a log position: part " + std::to_string(out.streams_.size() + 1) + " is malformed",
          "expected stream:sequence:row, joined by commas, streams rising, e.g. 1:42:0,2:7:15");
    }
    out.streams_.push_back(*position);
  }
  return out;
}

}  // namespace millrace
