#include "format/geometry.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

#include "format/json_writer.h"

namespace millrace {
namespace {

constexpr double kMaxLongitude = 180;
constexpr double kMaxLatitude = 85.05112878;  // of the Mercator square that geohashes divide
constexpr int kCircleCorners = 32;
constexpr std::size_t kMinRing = 4;  // three corners and the first again

struct Point {
  double x = 0;
  double y = 0;

  friend bool operator==(const Point&, const Point&) = default;
};
using Ring = std::vector<Point>;

/// A point, or an area: its outline, and those of the holes in it.
struct Shape {
  Point point;
  std::vector<Ring> rings;  // none: a point
};

/// Reads from the front of a text; spaces do not count.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool take(char c) {
    skip_spaces();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_spaces();
    if (rest_.size() < word.size()) return false;
    const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
    if (!std::equal(word.begin(), word.end(), rest_.begin(), [&](char w, char t) { return same(t, w); }))
      return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool is_at_end() {
    skip_spaces();
    return rest_.empty();
  }
  std::optional<double> number() {
    skip_spaces();
    double value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  /// `x,y`
  std::optional<Point> pair() {
    const auto x = number();
    if (!x || !take(',')) return std::nullopt;
    const auto y = number();
    return y ? std::optional(Point{*x, *y}) : std::nullopt;
  }
  /// `(x,y)`
  std::optional<Point> point() {
    if (!take('(')) return std::nullopt;
    const auto out = pair();
    return out && take(')') ? out : std::nullopt;
  }
  /// `x y`, with further coordinates or without
  std::optional<Point> position() {
    const auto x = number();
    const auto y = number();
    while (y && number()) continue;
    return y ? std::optional(Point{*x, *y}) : std::nullopt;
  }

 private:
  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

/// Closes the ring; false when it encloses nothing.
bool close(Ring& ring) {
  if (!ring.empty() && ring.front() != ring.back()) ring.push_back(ring.front());
  return ring.size() >= kMinRing;
}

std::optional<Shape> area(Ring ring) {
  if (!close(ring)) return std::nullopt;
  return Shape{{}, {std::move(ring)}};
}

/// `((x,y),...)`: a polygon or a closed path; the first bracket has been read.
std::optional<Shape> read_polygon(Reader& reader) {
  Ring ring;
  do {
    const auto point = reader.point();
    if (!point) return std::nullopt;
    ring.push_back(*point);
  } while (reader.take(','));
  return reader.take(')') ? area(std::move(ring)) : std::nullopt;
}

/// `(x,y)` or the box `(x,y),(x,y)`.
std::optional<Shape> read_point_or_box(Reader& reader) {
  const auto a = reader.point();
  if (!a) return std::nullopt;
  if (!reader.take(',')) return Shape{*a, {}};
  const auto b = reader.point();
  if (!b || a->x == b->x || a->y == b->y) return std::nullopt;
  return area({*b, {a->x, b->y}, *a, {b->x, a->y}});
}

/// `<(x,y),r>`; the first bracket has been read.
std::optional<Shape> read_circle(Reader& reader) {
  const auto center = reader.point();
  if (!center || !reader.take(',')) return std::nullopt;
  const auto radius = reader.number();
  if (!radius || *radius <= 0 || !reader.take('>')) return std::nullopt;
  Ring ring;
  for (int i = 0; i < kCircleCorners; ++i) {
    const double angle = 2 * std::numbers::pi * i / kCircleCorners;
    ring.push_back({center->x + *radius * std::cos(angle), center->y + *radius * std::sin(angle)});
  }
  return area(std::move(ring));
}

std::optional<Shape> read_wkt_polygon(Reader& reader) {
  Shape out;
  if (!reader.take('(')) return std::nullopt;
  do {
    Ring& ring = out.rings.emplace_back();
    if (!reader.take('(')) return std::nullopt;
    do {
      const auto point = reader.position();
      if (!point) return std::nullopt;
      ring.push_back(*point);
    } while (reader.take(','));
    if (!reader.take(')') || !close(ring)) return std::nullopt;
  } while (reader.take(','));
  return reader.take(')') ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<Shape> read_wkt(Reader& reader) {
  if (reader.take_word("SRID=") && (!reader.number() || !reader.take(';'))) return std::nullopt;
  const bool is_point = reader.take_word("POINT");
  if (!is_point && !reader.take_word("POLYGON")) return std::nullopt;
  for (const std::string_view dimensions : {"ZM", "Z", "M"}) {
    if (reader.take_word(dimensions)) break;
  }
  if (!is_point) return read_wkt_polygon(reader);
  if (!reader.take('(')) return std::nullopt;
  const auto point = reader.position();
  return point && reader.take(')') ? std::optional(Shape{*point, {}}) : std::nullopt;
}

/// PostGIS' binary form, taken from its hexadecimal text.
class EwkbReader {
 public:
  explicit EwkbReader(std::string_view hex) : rest_(hex) {}

  std::optional<Shape> read() {
    const auto order = byte();
    if (!order || *order > 1) return std::nullopt;
    little_ = *order == 1;
    const auto type = whole(4);
    if (!type) return std::nullopt;
    if ((*type & kHasSrid) != 0 && !whole(4)) return std::nullopt;
    const std::uint64_t plain = *type & 0x0FFFFFFFU;
    const std::uint64_t iso = plain / 1000;  // 1: with z, 2: with m, 3: with both
    further_ = iso == 3 ? 2 : iso > 0 ? 1 : 0;
    if ((*type & kHasZ) != 0) ++further_;
    if ((*type & kHasM) != 0) ++further_;
    if (plain % 1000 == 1) {
      const auto at = point();
      return at && rest_.empty() ? std::optional(Shape{*at, {}}) : std::nullopt;
    }
    return plain % 1000 == 3 ? polygon() : std::nullopt;
  }

 private:
  static constexpr std::uint64_t kHasZ = 0x80000000U;
  static constexpr std::uint64_t kHasM = 0x40000000U;
  static constexpr std::uint64_t kHasSrid = 0x20000000U;

  std::optional<std::uint8_t> byte() {
    std::uint8_t value = 0;
    if (rest_.size() < 2) return std::nullopt;
    const std::string_view digits = rest_.substr(0, 2);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, 16);
    if (error != std::errc() || end != digits.end()) return std::nullopt;
    rest_.remove_prefix(2);
    return value;
  }
  std::optional<std::uint64_t> whole(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      const auto one = byte();
      if (!one) return std::nullopt;
      value |= std::uint64_t{*one} << static_cast<unsigned>(8 * (little_ ? i : bytes - 1 - i));
    }
    return value;
  }
  std::optional<double> number() {
    const auto bits = whole(8);
    if (!bits || !std::isfinite(std::bit_cast<double>(*bits))) return std::nullopt;
    return std::bit_cast<double>(*bits);
  }
  std::optional<Point> point() {
    const auto x = number();
    const auto y = number();
    for (int i = 0; i < further_; ++i) {
      if (!whole(8)) return std::nullopt;
    }
    return x && y ? std::optional(Point{*x, *y}) : std::nullopt;
  }
  std::optional<Shape> polygon() {
    Shape out;
    const auto rings = whole(4);
    if (!rings || *rings == 0) return std::nullopt;
    for (std::uint64_t i = 0; i < *rings; ++i) {
      Ring ring;
      const auto points = whole(4);
      if (!points) return std::nullopt;
      for (std::uint64_t j = 0; j < *points; ++j) {
        const auto one = point();
        if (!one) return std::nullopt;
        ring.push_back(*one);
      }
      if (!close(ring)) return std::nullopt;
      out.rings.push_back(std::move(ring));
    }
    return rest_.empty() ? std::optional(std::move(out)) : std::nullopt;
  }

  std::string_view rest_;
  bool little_ = true;
  int further_ = 0;  // coordinates behind x and y
};

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
}

std::optional<Shape> read_shape(std::string_view text) {
  constexpr std::size_t kShortestEwkb = 42;
  if (text.size() >= kShortestEwkb && is_hex(text)) return EwkbReader(text).read();
  Reader reader(text);
  std::optional<Shape> out;
  if (Reader inside = reader; inside.take('(') && Reader(inside).take('(')) {
    reader = inside;
    out = read_polygon(reader);
  } else if (Reader(reader).take('(')) {
    out = read_point_or_box(reader);
  } else if (reader.take('<')) {
    out = read_circle(reader);
  } else if (Reader(reader).number()) {
    if (const auto point = reader.pair()) out = Shape{*point, {}};
  } else {
    out = read_wkt(reader);
  }
  return out && reader.is_at_end() ? out : std::nullopt;
}

void append_position(std::string& out, const Point& point, char between) {
  append_double_text(out, point.x);
  out += between;
  append_double_text(out, point.y);
}

}  // namespace

bool append_lon_lat(std::string& out, std::string_view text) {
  const auto shape = read_shape(text);
  if (!shape || !shape->rings.empty()) return false;
  if (std::abs(shape->point.x) > kMaxLongitude || std::abs(shape->point.y) > kMaxLatitude) return false;
  append_position(out, shape->point, ',');
  return true;
}

bool append_wkt(std::string& out, std::string_view text) {
  const auto shape = read_shape(text);
  if (!shape) return false;
  if (shape->rings.empty()) {
    out += "POINT(";
    append_position(out, shape->point, ' ');
    out += ')';
    return true;
  }
  out += "POLYGON";
  char before = '(';
  for (const Ring& ring : shape->rings) {
    out += before;
    before = '(';
    for (const Point& point : ring) {
      out += before;
      append_position(out, point, ' ');
      before = ',';
    }
    out += ')';
    before = ',';
  }
  out += ')';
  return true;
}

}  // namespace millrace
