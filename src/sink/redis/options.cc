#include "sink/redis/options.h"

#include <iterator>
#include <string>
#include <vector>

namespace millrace::redis {
namespace {

using enum OptionType;
using enum Importance;

std::vector<OptionSpec> topic_options() {
  return {
      {.name = "topics",
       .type = kList,
       .importance = kHigh,
       .group = "Topics",
       .doc = "Names of the topics to write, separated by commas. Either this or `topics.regex`."},
      {.name = "topics.regex",
       .type = kPatternList,
       .importance = kHigh,
       .group = "Topics",
       .doc = "Patterns of the topics to write, each anchored at both ends. `target.key` must then "
              "tell the topics apart."},
  };
}

std::vector<OptionSpec> connection_options() {
  return {
      {.name = "redis.uri",
       .type = kSecret,
       .default_value = "redis://127.0.0.1:6379/0",
       .importance = kHigh,
       .group = "Connection",
       .doc = "`redis://user:password@host:port/db`, `rediss://` for TLS, `unix:///path?db=0` for "
              "a Unix socket."},
      {.name = "redis.username",
       .group = "Connection",
       .doc = "User to log in as; wins over the one in `redis.uri`."},
      {.name = "redis.password",
       .type = kSecret,
       .group = "Connection",
       .doc = "Password to log in with; wins over the one in `redis.uri`."},
      {.name = "redis.connection.timeout.ms",
       .type = kInteger,
       .default_value = "5000",
       .importance = kLow,
       .group = "Connection",
       .doc = "How long connecting may take, TLS included.",
       .minimum = 100,
       .maximum = 600'000},
      {.name = "redis.socket.timeout.ms",
       .type = kInteger,
       .default_value = "10000",
       .importance = kLow,
       .group = "Connection",
       .doc = "A server that owes an answer and is silent for so long counts as gone.",
       .minimum = 1'000,
       .maximum = 600'000},
  };
}

std::vector<OptionSpec> replica_options() {
  return {
      {.name = "redis.sentinel.nodes",
       .type = kList,
       .group = "Replicas",
       .doc = "Sentinels to ask for the primary, `host:port` each, 26379 by default; `redis.uri` then gives "
              "login, database and TLS only. After a failover the sink goes on at the new primary, from the "
              "position that is there."},
      {.name = "redis.sentinel.master.name",
       .group = "Replicas",
       .doc = "Name by which the sentinels know the primary."},
      {.name = "redis.sentinel.username", .group = "Replicas", .doc = "User to log in as at the sentinels."},
      {.name = "redis.sentinel.password",
       .type = kSecret,
       .group = "Replicas",
       .doc = "Password to log in with at the sentinels."},
      {.name = "redis.cluster.nodes",
       .type = kList,
       .group = "Replicas",
       .doc =
           "Nodes of a Redis Cluster, `host:port` each, 6379 by default: several, as any of them may be away "
           "when the others are asked for; `redis.uri` then gives login and TLS only. Rows go to the masters "
           "that serve their keys' slots, and the position is kept on each of them. Braces in a key make a "
           "hash tag: `order:{{{user_id}}}:{id}` keeps a user's orders in one slot. Not with indexes or "
           "sentinels."},
      {.name = "redis.wait.replicas",
       .type = kInteger,
       .default_value = "0",
       .group = "Replicas",
       .doc =
           "Replicas that must have received a write before it counts as done (WAIT). With fewer, the sink "
           "waits and says so; in a cluster those of each master. A failover to one of them then loses "
           "nothing "
           "that was settled.",
       .minimum = 0,
       .maximum = 100},
      {.name = "redis.wait.timeout.ms",
       .type = kInteger,
       .default_value = "1000",
       .importance = kLow,
       .group = "Replicas",
       .doc = "How long to wait for them before the sink tries again.",
       .minimum = 10,
       .maximum = 600'000},
  };
}

std::vector<OptionSpec> tls_options() {
  return {
      {.name = "redis.cacert",
       .group = "TLS",
       .doc = "PEM file of the authorities to trust. Without it those of the system."},
      {.name = "redis.key.cert",
       .group = "TLS",
       .doc = "PEM file of our own certificate, where the server asks for one."},
      {.name = "redis.key.file", .group = "TLS", .doc = "PEM file of the key of `redis.key.cert`."},
      {.name = "redis.insecure",
       .type = kBoolean,
       .default_value = "false",
       .importance = kLow,
       .group = "TLS",
       .doc = "Takes any certificate and any host name. For trying things out only."},
  };
}

std::vector<OptionSpec> key_options() {
  return {
      {.name = "target.type",
       .type = kEnum,
       .default_value = "json",
       .importance = kHigh,
       .group = "Target",
       .doc =
           "`json` writes a document a row (needs the JSON module): NULL is null, integers are exact. "
           "`hash` writes a hash a row: every value is text, a NULL has no field. `string` writes a text a "
           "row. `set` and `sorted_set` make each row a member of a key that rows share. `stream` adds "
           "every change to a stream, with `op` (r, c, u, d, t), `topic`, `ts_us`, `before`, `after` and "
           "the columns left `unchanged`; its ids are places in the log, so none is there twice.",
       .choices = {"json", "hash", "string", "set", "sorted_set", "stream"}},
      {.name = "target.key",
       .default_value = "",
       .importance = kHigh,
       .group = "Target",
       .doc =
           "The row's key, e.g. `flight:{id}`: text, `{column}`, `{table}`, `{schema}`, `{topic}`, and "
           "`{lower(column)}`, `{upper(column)}`, `{hash(column)}` (SHA-1 in hex), `{hash(column, 16)}` (a "
           "number from 0 to 15), `{date(column, %Y-%m)}` (%Y %m %d %H %M %S, UTC where the zone is "
           "known). It begins with text or {table} or {topic}. Values are written so that two rows never "
           "share a key: in all parts but a last column, % and the characters the texts in between begin "
           "with become %XX. Name the columns of the table's key, others only with REPLICA IDENTITY FULL. "
           "By default `<table>:<key column>:<value>`, with a further `:<column>:<value>` for each column "
           "of the key; a stream's is the topic. When a row's key changes, what was under the old one goes."},
      {.name = "target.member",
       .group = "Target",
       .doc = "What a row is in a `set` or `sorted_set`, in the form of `target.key`, NULL being empty. By "
              "default the columns of the table's key, joined by `:`. Rows that share key and member are one "
              "member, and it goes with the first of them that goes."},
      {.name = "target.score",
       .group = "Target",
       .doc = "Column of numbers or times that a `sorted_set` sorts by; times in milliseconds since 1970 or "
              "midnight. Redis keeps a double. A row whose score is NULL is no member."},
      {.name = "target.value",
       .group = "Target",
       .doc = "What a `string` holds, in the form of `target.key`, NULL being empty. By default the row as a "
              "JSON document."},
  };
}

std::vector<OptionSpec> document_options() {
  return {
      {.name = "target.fields",
       .type = kList,
       .group = "Target",
       .doc =
           "Columns to write, in this order: `column`, `column as name`, in documents `column as "
           "place.name` (an object), `*` for all that are not named, `-column` to leave one out. Names with "
           "dots, spaces or brackets in double quotes. By default all. A function writes another form, in "
           "the "
           "column's place (`number(price)`) or beside it (`number(price) as price_number`): `number` (a "
           "double; whole ones exact; times as milliseconds), `epoch` (seconds since 1970), `millis`, "
           "`micros`, `iso` of times; `text`; `geo` (`lon,lat` of a point, a text or PostGIS' EWKB; "
           "`geo(lon, lat)` of two columns), `wkt` (POINT or POLYGON of shapes; a circle gets 32 corners), "
           "`vector` (numbers of an array, json or pgvector). A value that has no such form (NaN, infinity, "
           "a "
           "line as `wkt`, a place that is on no map) is NULL there."},
      {.name = "target.update",
       .type = kEnum,
       .default_value = "replace",
       .group = "Target",
       .doc =
           "Of `json`: `replace` writes the whole document with each change; `merge` writes the row's "
           "members, and only those that changed where the source sends the old row, and leaves alone what "
           "else the document has, also when the row goes: the document goes with the last row that writes "
           "into it. NULL is written as null in both. A hash is always merged, its NULLs removed.",
       .choices = {"replace", "merge"}},
      {.name = "target.nest",
       .group = "Target",
       .doc =
           "The rows lie in documents of another output, whose key `target.key` makes of their columns: in "
           "the object of this name (`lines`), each under `target.member`; or in an array "
           "(`lines[line_no]`), sorted by the member in brackets, which tells them apart: a column of "
           "integers, "
           "texts or uuids; or in objects or arrays of rows that lie there "
           "(`lines.{line_no}.allocations`, `lines[line_no].{line_no}.allocations[id]`). Rows whose parent "
           "is not there wait beside it; rows with NULL in a column of `target.key` or `target.nest` lie "
           "nowhere. Rows of a parent's table that has a column of the object's name are parked: "
           "`target.fields` gives it another, or leaves it out. The parents' documents must not expire. "
           "Columns of `target.key` and `target.nest` outside the table's key need REPLICA IDENTITY FULL."},
      {.name = "target.nest.in",
       .group = "Target",
       .doc = "The output of those documents; by default the only one that writes JSON documents."},
  };
}

std::vector<OptionSpec> life_options() {
  return {
      {.name = "target.expire",
       .group = "Target",
       .doc =
           "When keys go by themselves: seconds after the row's last change (`3600`), or by a column "
           "(`{expires_at}`): a date or timestamp, or an integer of seconds; NULL and infinity: never. Keys "
           "that rows share go as a whole; documents with rows of others in them (target.nest) cannot go. A "
           "change that keeps values which the source did not send has nothing to keep them from once its "
           "key has gone, and is parked: see reselect.unavailable.values of the source."},
      {.name = "target.expire.fields",
       .type = kList,
       .group = "Target",
       .doc =
           "Of a `hash`: fields that go by themselves, as `column 3600` (seconds after the field was last "
           "written) or `column {until}` (when another column says, as in target.expire). Needs Redis 7.4."},
      {.name = "target.guard",
       .type = kEnum,
       .default_value = "none",
       .group = "Target",
       .doc =
           "For several writers of the same keys (two pipelines over one source, or over a source and its "
           "standby). "
           "`version`: each key of `json`, `hash` or `string` has a version beside it, "
           "`millrace:version:{<key>}`: "
           "epoch, commit and row of its last change at the source; a row that is older is not written, and "
           "counted. Costs a third of the rate. Rows whose key in Redis changes and that leave values out "
           "are "
           "parked; see the source's reselect.unavailable.values.",
       .choices = {"none", "version"}},
      {.name = "target.guard.epoch",
       .type = kInteger,
       .default_value = "0",
       .importance = kLow,
       .group = "Target",
       .doc = "Comes first in a version. Raise it in all writers when the source begins anew with earlier "
              "positions "
              "than before (restored from a backup), or its changes count as old.",
       .minimum = 0,
       .maximum = 2147483647},
      {.name = "target.guard.keep.seconds",
       .type = kInteger,
       .default_value = "86400",
       .importance = kLow,
       .group = "Target",
       .doc = "How long the version of a removed key is kept: longer than one writer may be behind another.",
       .minimum = 1,
       .maximum = 315576000},
      {.name = "target.stream.max.length",
       .type = kInteger,
       .default_value = "0",
       .importance = kLow,
       .group = "Target",
       .doc = "About how many entries a `stream` keeps, the newest; 0: all.",
       .minimum = 0},
  };
}

std::vector<OptionSpec> form_options() {
  return {
      {.name = "format.time",
       .type = kEnum,
       .default_value = "iso",
       .group = "Target",
       .doc =
           "How dates and times are written: `iso` text (2024-02-29T13:45:59.500000Z, six digits or none, "
           "UTC where the zone is known), or numbers of `millis` or `micros` since 1970 or midnight, which a "
           "NUMERIC field can index. Infinite ones are `infinity` and `-infinity`, intervals ISO 8601 "
           "durations, in each.",
       .choices = {"iso", "millis", "micros"}},
      {.name = "format.decimal",
       .type = kEnum,
       .default_value = "string",
       .group = "Target",
       .doc = "Decimals as an exact `string`, or as a JSON `number`, which Redis keeps as a double "
              "and a NUMERIC field can index.",
       .choices = {"string", "number"}},
  };
}

/// The same for each output, under names of its own.
std::vector<OptionSpec> output_options() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> out;
    for (const std::vector<OptionSpec>& group :
         {key_options(), document_options(), life_options(), form_options()}) {
      for (const OptionSpec& option : group) {
        out.push_back("outputs.<output>." + std::string(option.name));
        out.push_back("`" + std::string(option.name) + "` of this output; by default the sink's.");
      }
    }
    return out;
  }();
  std::vector<OptionSpec> out = {
      {.name = "outputs.<output>.topics",
       .type = kList,
       .group = "Outputs",
       .doc = "Those of the sink's topics that go to this output; by default all. A sink with outputs writes "
              "each row to each of them that takes its topic, and to nothing else."},
      {.name = "outputs.<output>.topics.regex",
       .type = kPatternList,
       .group = "Outputs",
       .doc = "Patterns of topics, as `topics.regex`."},
  };
  std::size_t at = 0;
  for (std::vector<OptionSpec> group : {key_options(), document_options(), life_options(), form_options()}) {
    for (OptionSpec& option : group) {
      option.name = texts[at++];
      option.doc = texts[at++];
      option.group = "Outputs";
      option.default_value.reset();
      out.push_back(std::move(option));
    }
  }
  return out;
}

std::vector<OptionSpec> index_content_options() {
  return {
      {.name = "indexes.<index>.prefix",
       .type = kList,
       .group = "Indexes",
       .doc = "What the keys of the indexed documents begin with, e.g. `flight:`; one or several. By default "
              "what all keys of the output begin with, where that is certain."},
      {.name = "indexes.<index>.output",
       .group = "Indexes",
       .doc = "The output whose documents or hashes are indexed, where the prefix does not tell."},
      {.name = "indexes.<index>.fields.<field>",
       .importance = kHigh,
       .group = "Indexes",
       .doc =
           "A field of the search index by its name in the document or hash, and its type as FT.CREATE "
           "takes it: `TAG`, `TEXT WEIGHT 2`, `NUMERIC SORTABLE`, `GEO`, `GEOSHAPE FLAT`, `VECTOR HNSW TYPE "
           "FLOAT32 DIM 384 DISTANCE_METRIC COSINE`; arguments in any order, a vector's without their count. "
           "`address.city` reads a member of a json column and is called address_city in queries; `city as "
           "town` is called town, so that one field can be indexed twice. A NUMERIC, GEO or GEOSHAPE field "
           "gets what it takes written beside the exact value, as `<field>.number`, `.geo` or `.shape` (see "
           "the functions of target.fields), and the index reads that; vectors lie in hashes as bytes. Not "
           "where target.fields has a function there or all is a number (`format.decimal: number` with "
           "`format.time: millis`), nor of a JSONPath: `$.delay as delay` reads just that. The index itself "
           "is called "
           "`<index>@` and eight digits that change with its definition, and `<index>` is an alias of it. "
           "When the definition changes, the new index is built beside the old one; once it is complete "
           "(and, "
           "where it needs rows in another form, `millrace rebuild` has written them) the alias moves and "
           "the "
           "old one is dropped. `millrace check` shows what will be done."},
      {.name = "indexes.<index>.filter",
       .group = "Indexes",
       .doc = "Only documents for which this expression is true are indexed, e.g. `@delay > 0`."},
      {.name = "indexes.<index>.language",
       .group = "Indexes",
       .doc = "Language of the texts, for their stems, e.g. `german`. By default English."},
      {.name = "indexes.<index>.language.field",
       .group = "Indexes",
       .doc = "Field that names the document's own language."},
      {.name = "indexes.<index>.score",
       .group = "Indexes",
       .doc = "Score of a document, above 0 and at most 1. By default 1."},
      {.name = "indexes.<index>.score.field",
       .group = "Indexes",
       .doc = "Field that holds the document's own score."},
      {.name = "indexes.<index>.stopwords",
       .type = kList,
       .group = "Indexes",
       .doc = "Words that are not indexed; empty: every word is. By default Redis' own list."},
      {.name = "indexes.<index>.options",
       .type = kList,
       .group = "Indexes",
       .doc = "Of `MAXTEXTFIELDS`, `NOOFFSETS`, `NOHL`, `NOFIELDS`, `NOFREQS`."},
  };
}

std::vector<OptionSpec> index_options() {
  return {
      {.name = "indexes.<index>.aliases",
       .type = kList,
       .group = "Indexes",
       .doc = "Further names to query the index by, moved in the same moment as its own. One that is taken "
              "out of the file stays until the index is next built anew."},
      {.name = "indexes.<index>.adopt",
       .type = kBoolean,
       .group = "Indexes",
       .doc = "An index of this name that the sink has not made, and that differs, is replaced: the new one "
              "is built beside it, then in one transaction that one is dropped and its name becomes the "
              "alias. Where the name is an alias already, it moves, and the index behind it stays. Without "
              "it such an index is left alone, and `check` and `status` say how it differs."},
      {.name = "redis.index.drop.removed",
       .type = kBoolean,
       .default_value = "false",
       .group = "Indexes",
       .doc = "Drops indexes that this sink has made and that the file no longer has, at the next start; the "
              "documents stay. Without it `check` and `status` name them."},
      {.name = "redis.index.poll.ms",
       .type = kInteger,
       .default_value = "5000",
       .importance = kLow,
       .group = "Indexes",
       .doc = "How often FT.INFO is asked whether documents were left out of an index (a value that its "
              "field cannot be). They are counted in `millrace_redis_index_failures`, and `status` and the "
              "log warn of them.",
       .minimum = 100,
       .maximum = 3'600'000},
  };
}

std::vector<OptionSpec> tuning_options() {
  return {
      {.name = "redis.batch.size",
       .type = kInteger,
       .default_value = "256",
       .importance = kLow,
       .group = "Tuning",
       .doc = "Commands in one MULTI/EXEC.",
       .minimum = 1,
       .maximum = 10'000},
      {.name = "redis.in.flight.bytes",
       .type = kInteger,
       .default_value = "2097152",
       .importance = kLow,
       .group = "Tuning",
       .doc = "Bytes of commands sent whose replies have not come yet; above it the sink waits.",
       .minimum = 65'536,
       .maximum = 268'435'456},
  };
}

std::vector<OptionSpec> make_options() {
  std::vector<OptionSpec> out;
  for (std::vector<OptionSpec> group :
       {topic_options(), connection_options(), tls_options(), replica_options(), key_options(),
        document_options(), life_options(), form_options(), output_options(), index_content_options(),
        index_options(), tuning_options()}) {
    std::move(group.begin(), group.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace

std::span<const OptionSpec> redis_options() {
  static const std::vector<OptionSpec> options = make_options();
  return options;
}

}  // namespace millrace::redis
