#include "event/position.h"

#include "event/binary.h"

namespace millrace {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string encode_position(const SourcePosition& position) {
  ByteWriter writer;
  writer.u8(kVersion);
  writer.u32(position.epoch);
  writer.text(position.commit);
  writer.u64(position.rows);
  writer.text(position.token);
  return writer.take();
}

Result<SourcePosition> decode_position(std::string_view bytes) {
  ByteReader reader(bytes);
  if (const std::uint8_t version = reader.u8(); version != kVersion) {
    return stop_error(
        "a stored source position has format " + std::to_string(version) + ", this millrace knows 1",
        "it was written by a newer millrace, or the log is damaged");
  }
  SourcePosition position;
  position.epoch = reader.u32();
  position.commit = read_text(reader);
  position.rows = reader.u64();
  position.token = read_text(reader);
  if (!reader.ok() || reader.left() != 0) {
    return stop_error("a stored source position is damaged", "restore the log's directory");
  }
  return position;
}

}  // namespace millrace
