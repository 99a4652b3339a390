#include "format/geometry.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string wkt(std::string_view text) {
  std::string out;
  return append_wkt(out, text) ? out : "none" + out;
}

std::string lon_lat(std::string_view text) {
  std::string out;
  return append_lon_lat(out, text) ? out : "none" + out;
}

TEST(Geometry, PointsOfEveryForm) {
  for (const char* text :
       {"(13.4,52.5)", "13.4,52.5", " 13.4, 52.5 ", "POINT(13.4 52.5)", "point (13.4 52.5)",
        "SRID=4326;POINT(13.4 52.5)", "POINT Z (13.4 52.5 7)",
        "0101000020E6100000CDCCCCCCCCCC2A400000000000404A40", "0101000000CDCCCCCCCCCC2A400000000000404A40",
        "00000000014"
        "02ACCCCCCCCCCCD404A400000000000"}) {
    EXPECT_EQ(lon_lat(text), "13.4,52.5") << text;
    EXPECT_EQ(wkt(text), "POINT(13.4 52.5)") << text;
  }
}

TEST(Geometry, WhatIsOnNoMap) {
  EXPECT_EQ(lon_lat("(180,85.05112878)"), "180,85.05112878");
  for (const char* text : {"(181,0)", "(0,86)", "(-180.5,0)", "(0,-85.06)", "(NaN,0)", "(Infinity,1)", "",
                           "x", "(1,2", "(1,2)x", "(1,2,3)", "1", "(0,0),(1,1)", "POINT EMPTY", "POINT(1)",
                           "0101000000000000000000F87F000000000000F87F"})
    EXPECT_EQ(lon_lat(text), "none") << text;
}

TEST(Geometry, AreasAreClosed) {
  EXPECT_EQ(wkt("(2,3),(0,1)"), "POLYGON((0 1,2 1,2 3,0 3,0 1))") << "a box";
  EXPECT_EQ(wkt("((0,0),(0,10),(10,10))"), "POLYGON((0 0,0 10,10 10,0 0))") << "a polygon or closed path";
  EXPECT_EQ(wkt("((0,0),(0,1),(1,1),(0,0))"), "POLYGON((0 0,0 1,1 1,0 0))");
  EXPECT_EQ(wkt("polygon((0 0, 0 9, 9 9), (1 1, 1 2, 2 2, 1 1))"),
            "POLYGON((0 0,0 9,9 9,0 0),(1 1,1 2,2 2,1 1))");
  EXPECT_EQ(
      wkt("01030000000100000004000000000000000000000000000000000000000000000000000000000000000000F03F0000"
          "00000000F03F000000000000F03F00000000000000000000000000000000"),
      "POLYGON((0 0,0 1,1 1,0 0))");
  const std::string circle = wkt("<(1,2),3>");
  EXPECT_EQ(circle.substr(0, 14), "POLYGON((4 2,3");
  EXPECT_EQ(circle.substr(circle.size() - 6), ",4 2))");
  EXPECT_EQ(std::count(circle.begin(), circle.end(), ','), 32);
}

TEST(Geometry, WhatIsNoArea) {
  for (const char* text :
       {"[(0,0),(1,1)]", "{1,2,3}", "((0,0),(1,1))", "(1,1),(1,5)", "<(0,0),0>", "LINESTRING(0 0,1 1)",
        "POLYGON EMPTY", "POLYGON((0 0,1 1))", "((0,0),(1,NaN),(2,2))",
        "0102000000000000000000000000000000000000", "010300000001000000FFFFFFFF0000000000000000",
        "ffffffffffffffffffffffffffffffffffffffffffffff"})
    EXPECT_EQ(wkt(text), "none") << text;
}

}  // namespace
}  // namespace millrace
