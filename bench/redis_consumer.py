"""A consumer as Python users write it: records from a file of JSON lines, redis-py, pipelines of 500. What a broker
would cost it is spared.

    redis_consumer.py PORT json|hash RECORDS    prints rate, CPU seconds per million and peak MB as JSON
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time

import redis


def main(port: int, kind: str, path: str) -> None:
    client = redis.Redis(port=port)
    count, begin = 0, time.monotonic()
    with open(path, encoding="utf-8") as lines:
        while part := list(itertools.islice(lines, 500)):
            pipeline = client.pipeline(transaction=False)
            for line in part:
                record = json.loads(line)
                if record["op"] == "d":
                    pipeline.delete(f"customer:{record['before']['id']}")
                    continue
                row = record["after"]
                if kind == "json":
                    pipeline.json().set(f"customer:{row['id']}", "$", row)
                else:
                    pipeline.hset(f"customer:{row['id']}", mapping=row)
            pipeline.execute()
            count += len(part)
    took, used = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"rate": count / took, "cpu": (used.ru_utime + used.ru_stime) / count * 1e6,
                      "peak_mb": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
