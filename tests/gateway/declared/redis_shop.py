"""Operations that are Redis commands, and who may call them."""

from tests.gateway.caller import KEY, hashed
from tests.servers.redis import RedisServer

OPERATIONS = """
[operations.get]
method = "GET"
path = "/api/r/text/{key}"
commands = [["GET", "t:{key}"]]
answer = "value"
principals = ["*"]

[operations.put]
method = "PUT"
path = "/api/r/text/{key}"
commands = [["SET", "t:{key}", "{text}"]]
answer = "nothing"
parameters.text = { max_length = 2000000 }
principals = ["*"]

[operations.delete]
method = "DELETE"
path = "/api/r/text/{key}"
commands = [["DEL", "t:{key}"]]
answer = "affected"
require = true

[operations.cached]
method = "GET"
path = "/api/r/cached/{key}"
commands = [["GET", "t:{key}"]]
answer = "value"
cache_s = 60
principals = ["*"]

[operations.get_bytes]
method = "GET"
path = "/api/r/bytes/{key}"
commands = [["GET", "t:{key}"]]
answer = "value"
base64 = true

[operations.put_bytes]
method = "PUT"
path = "/api/r/bytes/{key}"
commands = [["SET", "t:{key}", "{data}"]]
answer = "value"
parameters.data = "bytes"

[operations.count]
method = "POST"
path = "/api/r/count/{key}"
commands = [["INCR", "n:{key}"]]
answer = "value"

[operations.claim]
method = "POST"
path = "/api/r/claims/{id:uuid}"
commands = [["SET", "c:{id}", "{who}", "NX", "EX", 60]]
answer = "affected"
require = true
parameters.who = "string"

[operations.list]
method = "GET"
path = "/api/r/lists/{key}"
commands = [["LRANGE", "l:{key}", 0, -1]]
max_rows = 4
require = true

[operations.push]
method = "POST"
path = "/api/r/lists/{key}"
commands = [
  ["RPUSH", "l:{key}", "{a}", "{b}"],
  ["LTRIM", "l:{key}", -4, -1],
  ["LRANGE", "l:{key}", 0, -1],
]
parameters = { a = "json", b = "boolean" }

[operations.cart]
method = "GET"
path = "/api/r/carts/{id:integer}"
commands = [["HGETALL", "{{cart}}:{id}"]]
answer = "row"

[operations.add]
method = "POST"
path = "/api/r/carts/{id:integer}"
commands = [["HINCRBY", "{{cart}}:{id}", "{item}", "{n}"], ["EXPIRE", "{{cart}}:{id}", 3600]]
answer = "replies"
parameters.item = "string"
parameters.n = { type = "int32", minimum = 1, default = 1 }

[operations.all]
method = "GET"
path = "/api/r/all/{key}"
commands = [["GET", "t:{key}"], ["LRANGE", "l:{key}", 0, -1]]
answer = "replies"

[operations.wrong]
method = "POST"
path = "/api/r/wrong/{key}"
commands = [["SET", "t:{key}", 1], ["LPUSH", "t:{key}", 2]]

[operations.many_words]
method = "POST"
path = "/api/r/many-words/{key}"
commands = [["SET", "t:{key}", 1], ["INCR", "n:{key}", "t:{key}"]]

[operations.half]
method = "POST"
path = "/api/r/half/{key}"
commands = [["EVAL", "redis.call('SET', KEYS[1], 1) return redis.call('LPUSH', KEYS[1], 1)", 1, "t:{key}"]]

[operations.hasty]
method = "POST"
path = "/api/r/hasty/{key}"
commands = [["INCR", "n:{key}"]]
max_time_s = 0.1

[operations.stream]
method = "POST"
path = "/api/r/streams/{key}"
commands = [["XADD", "s:{key}", "*", "a", 1], ["XREAD", "STREAMS", "s:{key}", 0]]
""".replace("path =", 'database = "cache"\npath =')
PRINCIPALS = "".join(
    f"""
[principals.{name}]
api_key_sha256 = ["{hashed(key)}"]
{more}
"""
    for name, key, more in (
        ("tests", KEY, ""),
        ("other", "other", ""),
        ("reader", "reader", "read_only = true"),
        ("few", "few", 'databases = ["cache"]\nredis_commands = ["get"]'),
        ("mine", "mine", 'databases = ["cache"]\nredis_keys = ["t:mine*"]'),
    )
)


def text(server: RedisServer, operations: str = OPERATIONS, url: str = "max_connections=6", http: str = "") -> str:
    """The configuration of a node; who is not named may be called by `tests`."""
    parts = [part if "principals =" in part else f'{part}principals = ["tests"]\n\n' for part in _parts(operations)]
    return f"""
[http]
{http}
[databases.cache]
url = "redis://default@{server.host}:{server.port}/3?{url}"
{PRINCIPALS}
{"".join(parts)}
"""


def _parts(operations: str) -> list[str]:
    first, *more = operations.split("\n[operations.")
    assert not first.strip()
    return [f"[operations.{part.strip()}\n" for part in more]
