#include "log/records.h"

#include <utility>

#include "base/byte_reader.h"

namespace millrace {
namespace {

template <typename T>
void append_number(std::string& out, T value) {
  for (std::size_t shift = sizeof(T) * 8; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (shift - 8)));
  }
}

/// Builds keys and values out of big-endian numbers and texts with their length in front.
class Writer {
 public:
  explicit Writer(std::size_t reserve = 0) { out_.reserve(reserve); }
  Writer& tag(char value) {
    out_.push_back(value);
    return *this;
  }
  Writer& u32(std::uint32_t value) {
    append_number(out_, value);
    return *this;
  }
  Writer& u64(std::uint64_t value) {
    append_number(out_, value);
    return *this;
  }
  Writer& i64(std::int64_t value) { return u64(static_cast<std::uint64_t>(value)); }
  Writer& text(std::string_view value) {
    append_number(out_, static_cast<std::uint32_t>(value.size()));
    out_.append(value);
    return *this;
  }
  Writer& rest(std::string_view value) {
    out_.append(value);
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string read_text(ByteReader& in) {
  const std::uint32_t size = in.u32();
  return std::string(in.bytes(size));
}

template <typename Record>
Result<Record> finish(const ByteReader& in, Record record, const char* what) {
  if (!in.ok() || in.left() != 0) {
    return stop_error(
        std::string("the log holds a malformed record: ") + what,
        "the log's directory was changed by something else, or the disk lost data; restore it from a copy");
  }
  return record;
}

}  // namespace

namespace keys {

std::string format() { return "format"; }
std::string log_id() { return "id"; }
std::string streams() { return "s"; }
std::string stream(StreamId stream) { return Writer().tag('s').u32(stream).take(); }
std::string stream_head(StreamId stream) { return Writer().tag('h').u32(stream).take(); }
std::string stream_first(StreamId stream) { return Writer().tag('b').u32(stream).take(); }
std::string schemas(StreamId stream) { return Writer().tag('c').u32(stream).take(); }
std::string schema(StreamId stream, std::uint32_t id) { return Writer().tag('c').u32(stream).u32(id).take(); }
std::string holes(StreamId stream) { return Writer().tag('x').u32(stream).take(); }
std::string hole(StreamId stream, std::uint64_t sequence) {
  return Writer().tag('x').u32(stream).u64(sequence).take();
}
std::string topics() { return "t"; }
std::string topic(TopicId topic) { return Writer().tag('t').u32(topic).take(); }
std::string topic_head(TopicId topic) { return Writer().tag('o').u32(topic).take(); }
std::string topic_first(TopicId topic) { return Writer().tag('p').u32(topic).take(); }
std::string sinks() { return "k"; }
std::string sink(std::string_view sink) { return Writer().tag('k').rest(sink).take(); }
std::string dead_letters(std::string_view sink) { return Writer().tag('d').text(sink).take(); }
std::string dead_letter(std::string_view sink, std::uint64_t id) {
  return Writer().tag('d').text(sink).u64(id).take();
}
std::string letter_rows(std::string_view sink) { return Writer().tag('w').text(sink).take(); }
std::string letter_row(std::string_view sink, std::uint64_t id) {
  return Writer().tag('w').text(sink).u64(id).take();
}
std::string next_letter(std::string_view sink) { return Writer().tag('n').rest(sink).take(); }
std::string rejects(std::string_view sink) { return Writer().tag('r').text(sink).take(); }
std::string reject(std::string_view sink, const StreamPosition& row, std::string_view output) {
  return Writer().tag('r').text(sink).u32(row.stream).u64(row.sequence).u32(row.row).rest(output).take();
}
std::string states(std::string_view owner) { return Writer().tag('a').text(owner).take(); }
std::string state(std::string_view owner, std::string_view key) {
  return Writer().tag('a').text(owner).rest(key).take();
}
std::string batch(StreamId stream, std::uint64_t sequence) {
  return Writer().tag('b').u32(stream).u64(sequence).take();
}
std::string topic_entry(TopicId topic, std::uint64_t offset) {
  return Writer().tag('t').u32(topic).u64(offset).take();
}
StoreSpace image_space(StreamId stream) { return kFirstImageSpace - 1 + stream; }
std::string image(std::uint64_t sequence) { return Writer().u64(sequence).take(); }

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  MILLRACE_CHECK(!prefix.empty());
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::uint32_t tail_u32(std::string_view key) {
  MILLRACE_CHECK(key.size() >= sizeof(std::uint32_t));
  return ByteReader(key.substr(key.size() - sizeof(std::uint32_t))).u32();
}

std::uint64_t tail_u64(std::string_view key) {
  MILLRACE_CHECK(key.size() >= sizeof(std::uint64_t));
  return ByteReader(key.substr(key.size() - sizeof(std::uint64_t))).u64();
}

}  // namespace keys

std::string encode(const StreamHead& r) {
  Writer out(160);
  out.u64(r.next_sequence).u64(r.next_bytes).u64(r.visible_sequence).u32(r.visible_row);
  out.u64(r.open_id).text(r.open_commit);
  out.tag(r.position ? '\1' : '\0').rest(r.position ? encode_position(*r.position) : std::string());
  return out.take();
}

template <>
Result<StreamHead> decode(std::string_view bytes) {
  ByteReader in(bytes);
  StreamHead r;
  r.next_sequence = in.u64();
  r.next_bytes = in.u64();
  r.visible_sequence = in.u64();
  r.visible_row = in.u32();
  r.open_id = in.u64();
  r.open_commit = read_text(in);
  if (in.u8() != 0) {
    auto position = decode_position(in.bytes(in.left()));
    if (!position) return std::move(position).error();
    r.position = std::move(*position);
  }
  return finish(in, std::move(r), "end of a stream");
}

std::string encode(const StreamFirst& r) { return Writer(16).u64(r.sequence).u64(r.bytes).take(); }

template <>
Result<StreamFirst> decode(std::string_view bytes) {
  ByteReader in(bytes);
  StreamFirst r;
  r.sequence = in.u64();
  r.bytes = in.u64();
  return finish(in, r, "beginning of a stream");
}

std::string encode(const BatchRecord& r) {
  return Writer(28).i64(r.received_us).u32(r.rows).u64(r.image_bytes).u64(r.bytes_before).take();
}

template <>
Result<BatchRecord> decode(std::string_view bytes) {
  ByteReader in(bytes);
  BatchRecord r;
  r.received_us = in.i64();
  r.rows = in.u32();
  r.image_bytes = in.u64();
  r.bytes_before = in.u64();
  return finish(in, r, "batch");
}

std::string encode(const Hole& r) { return Writer(20).u64(r.sequence).u32(r.row).u64(r.end_sequence).take(); }

template <>
Result<Hole> decode(std::string_view bytes) {
  ByteReader in(bytes);
  Hole r;
  r.sequence = in.u64();
  r.row = in.u32();
  r.end_sequence = in.u64();
  return finish(in, r, "rows given up");
}

std::string encode(const TopicRecord& r) { return Writer().u32(r.stream).rest(r.name).take(); }

template <>
Result<TopicRecord> decode(std::string_view bytes) {
  ByteReader in(bytes);
  TopicRecord r;
  r.stream = in.u32();
  r.name = std::string(in.bytes(in.left()));
  return finish(in, std::move(r), "topic");
}

std::string encode(const TopicHead& r) {
  return Writer(24).u64(r.next_offset).u64(r.visible_offset).u64(r.bytes).take();
}

template <>
Result<TopicHead> decode(std::string_view bytes) {
  ByteReader in(bytes);
  TopicHead r;
  r.next_offset = in.u64();
  r.visible_offset = in.u64();
  r.bytes = in.u64();
  return finish(in, r, "end of a topic");
}

std::string encode(const TopicFirst& r) { return Writer(16).u64(r.offset).u64(r.bytes).take(); }

template <>
Result<TopicFirst> decode(std::string_view bytes) {
  ByteReader in(bytes);
  TopicFirst r;
  r.offset = in.u64();
  r.bytes = in.u64();
  return finish(in, r, "beginning of a topic");
}

std::string encode(const TopicEntry& r) {
  return Writer(28).u64(r.sequence).u32(r.rows).i64(r.received_us).u64(r.bytes_before).take();
}

template <>
Result<TopicEntry> decode(std::string_view bytes) {
  ByteReader in(bytes);
  TopicEntry r;
  r.sequence = in.u64();
  r.rows = in.u32();
  r.received_us = in.i64();
  r.bytes_before = in.u64();
  return finish(in, r, "index of a topic");
}

std::string encode(const DeadLetter& r) {
  Writer out;
  out.i64(r.at_us).u32(r.rejected.stream).u64(r.rejected.sequence).u32(r.rejected.row);
  out.text(r.rejected.topic).text(r.rejected.target_key).text(r.rejected.error);
  out.tag(static_cast<char>(r.state)).i64(r.changed_us).u32(r.sent_again);
  out.tag(static_cast<char>(r.row)).u32(r.row_bytes).text(r.commit).u32(r.index);
  out.u32(static_cast<std::uint32_t>(r.history.size()));
  for (const LetterEvent& event : r.history) {
    out.i64(event.at_us).tag(static_cast<char>(event.what)).tag(static_cast<char>(event.state));
    out.text(event.by).text(event.note).text(event.edited);
  }
  out.text(r.rejected.output).text(r.rejected.member).text(r.rejected.moved_from);
  return out.take();
}

namespace {

/// An enum of `count` values.
template <typename Enum>
Enum read_enum(ByteReader& in, std::uint8_t count) {
  const std::uint8_t value = in.u8();
  if (value >= count) in.fail();
  return value < count ? static_cast<Enum>(value) : Enum{};
}

void read_fate(ByteReader& in, DeadLetter& r) {
  r.state = read_enum<LetterState>(in, 5);
  r.changed_us = in.i64();
  r.sent_again = in.u32();
  r.row = read_enum<LetterRow>(in, 5);
  r.row_bytes = in.u32();
  r.commit = read_text(in);
  r.index = in.u32();
  const std::uint32_t events = in.u32();
  for (std::uint32_t i = 0; i < events && in.ok(); ++i) {
    LetterEvent event;
    event.at_us = in.i64();
    event.what = read_enum<LetterEvent::What>(in, 4);
    event.state = read_enum<LetterState>(in, 5);
    event.by = read_text(in);
    event.note = read_text(in);
    event.edited = read_text(in);
    r.history.push_back(std::move(event));
  }
}

}  // namespace

template <>
Result<DeadLetter> decode(std::string_view bytes) {
  ByteReader in(bytes);
  DeadLetter r;
  r.at_us = in.i64();
  r.rejected.stream = in.u32();
  r.rejected.sequence = in.u64();
  r.rejected.row = in.u32();
  r.rejected.topic = read_text(in);
  r.rejected.target_key = read_text(in);
  r.rejected.error = read_text(in);
  if (in.ok() && in.left() == 0) {  // of format 1: parked, and nothing has been done with it
    r.changed_us = r.at_us;
  } else {
    read_fate(in, r);
    if (in.ok() && in.left() > 0) {
      r.rejected.output = read_text(in);
      r.rejected.member = read_text(in);
      r.rejected.moved_from = read_text(in);
    }
  }
  return finish(in, std::move(r), "dead letter");
}

std::string encode_number(std::uint64_t number) { return Writer(8).u64(number).take(); }

template <>
Result<std::uint64_t> decode(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint64_t number = in.u64();
  return finish(in, number, "number");
}

}  // namespace millrace
