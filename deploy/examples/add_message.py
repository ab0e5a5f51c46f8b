#!/usr/bin/python3
"""Adds one message to Volley's queue (docs/stream.md) and prints the entry's id.

apt install python3-redis
REDIS_URL=redis://127.0.0.1:6379/0 ./add_message.py ada@example.net order-4711

REDIS_URL is the queue's: that of `[queue] url` in volley.toml. The socket of an embedded one is
unix://PATH, PATH being the first line of <data>/redis.sock-path.
"""
import json
import os
import sys

import redis

to, key = sys.argv[1:]
queue = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True)
message = {
    "from": "Shop <shop@example.com>",
    "to": to,
    "subject": "Your order",
    "text": "It is on its way.\n",
}
# The same key with the same body is sent once: after an error, add it again.
print(queue.xadd("volley:intake", {"message": json.dumps(message), "key": key}))
