#pragma once

#include <string_view>

namespace millrace::redis {

/// Rows of one table inside the documents of another. A row lies in an object of its parent (the document, or
/// a row in it) under a name of its own, or in an array there, which is sorted by the member that tells its
/// rows apart; and it may hold such objects and arrays itself. While its parent is not there it waits in a
/// hash beside the document, `<path of the parent>\0<end of the object's path>\0<name>` to the row, so that
/// the order in which rows of the tables come and go does not matter: when a parent comes, what waits for it
/// goes in; when it goes, or all rows of its table do, what lies in it waits.
///
/// However many rows come or go with a parent, each is read once and all are written at once: a script holds
/// up everybody else. So what lies in arrays is known here by its index, not by a filter, which would look at
/// all rows for each; the paths in ARGV and in the hash have filters, which stay true when others come. A
/// row that waits is held against the JSON parser, in as many brackets as its place is deep: it must not be
/// what keeps its parent out later.
///
/// KEYS: the document, the hash of those that wait. ARGV: `put` or `remove`; the path of the parent, the end
/// of the object's path and the row's name in it (all empty: the row is the document; see nest_part); the row
/// as JSON; the objects of other rows in it (nest_tree_json); then for each column that keeps its value the
/// end of its path. Or `clear`, all rows of one table: the objects' path as an array of nest_parts; a Lua
/// pattern of their fields in the hash; two that are empty; the objects of other rows in them. Answers 1;
/// kAbsentReply when a value to be kept is not there, and nothing is then written.
extern const std::string_view kNest;

}  // namespace millrace::redis
