#pragma once

#include <string>
#include <string_view>

namespace millrace {

/// Points and areas as a search server takes them, made of what databases print: PostgreSQL's point, box,
/// polygon, closed path and circle (a polygon of 32 corners), `x,y`, WKT and EWKT, and the hexadecimal EWKB
/// of PostGIS. Coordinates are plane or longitude and latitude, whichever the source means; further than two
/// are left out. Pure.

/// Appends `lon,lat`. False, and nothing is appended: the text is no single point, or one that is on no map
/// of a search server (beyond 180 degrees of longitude or 85.05112878 of latitude).
[[nodiscard]] bool append_lon_lat(std::string& out, std::string_view text);

/// Appends `POINT(x y)` or `POLYGON((x y,...))` with closed rings. False, and nothing is appended: the text
/// is neither a point nor an area (a line, an open path, coordinates that are not finite, fewer than three
/// corners).
[[nodiscard]] bool append_wkt(std::string& out, std::string_view text);

}  // namespace millrace
