"""What a client of Redis says, step by step, for the comparison of what it hears direct and through.

A tuple is a command whose reply is awaited; a list is a pipeline in one write; bytes are sent as they stand (`Raw`
where they bring more replies than one). `Other` is said by a second client, `Messages` waits for what was not asked
for, `Muted` for nothing.
"""

from dataclasses import dataclass
from typing import Any

Words = tuple[Any, ...]


@dataclass(frozen=True)
class Other:
    """A command of another client, and its reply."""

    words: Words


@dataclass(frozen=True)
class Messages:
    """So many messages: replies in RESP2, pushes in RESP3. `words` are said first."""

    count: int
    words: Words = ()


@dataclass(frozen=True)
class Muted:
    """Commands without a reply."""

    commands: tuple[Words, ...]


@dataclass(frozen=True)
class Raw:
    """Bytes, and how many replies they bring."""

    data: bytes
    count: int = 1


Step = Words | list[Words] | bytes | Other | Messages | Muted | Raw

TYPES_IN_LUA = """redis.setresp(3); local kind = ARGV[1]
if kind == 'map' then return {map={a=1}} elseif kind == 'set' then return {set={x=true}}
elseif kind == 'double' then return {double=1.5} elseif kind == 'big' then return {big_number='123456789012345678901'}
elseif kind == 'verbatim' then return {verbatim_string={string='text',format='txt'}} elseif kind == 'bool' then return true
elseif kind == 'nested' then return {{},{{}},{map={a={set={b=true}}}},false} else return redis.error_reply('MY own error') end"""
KINDS = ("map", "set", "double", "big", "verbatim", "bool", "nested", "error")
DEBUG_KINDS = (
    *("string", "integer", "double", "null", "array", "set", "map", "attrib", "bignum", "true", "false", "verbatim"),
)

SCRIPTS: dict[str, list[Step]] = {
    # -- data, by family
    "strings": [
        *[("SET", "a", 1), ("GET", "a"), ("get", "nothing"), ("INCR", "a"), ("GETSET", "a", "x"), ("STRLEN", "a")],
        *[("APPEND", "a", "yz"), ("GETRANGE", "a", 0, 1), ("SETRANGE", "a", 1, "--"), ("GETDEL", "a"), ("GETEX", "a")],
        *[("MSET", "b", 1, "c", 2), ("MGET", "b", "c", "d"), ("MSETNX", "d", 1, "b", 2), ("SETNX", "d", "\r\n"), ("GET", "d")],
        *[("INCRBYFLOAT", "b", "0.5"), ("DECRBY", "c", 5), ("SET", "b", "x", "NX"), ("SET", "b", "y", "XX", "GET")],
        *[("PSETEX", "p", 100000, "v"), ("LCS", "b", "d", "IDX"), ("SET", "empty", ""), ("GET", "empty"), ("SET", "", "k"), ("GET", "")],
        *[("SET", "binary", bytes(range(256))), ("GET", "binary"), ("gEt", "binary"), ("SUBSTR", "binary", 0, 3)],
    ],
    "hashes": [
        *[("HSET", "h", "f", "v", "g", 2), ("HGETALL", "h"), ("HGET", "h", "f"), ("HGET", "h", "no"), ("HGETALL", "none")],
        *[("HINCRBY", "h", "g", 3), ("HINCRBYFLOAT", "h", "g", "0.5"), ("HMGET", "h", "f", "x"), ("HKEYS", "h"), ("HVALS", "h")],
        *[("HRANDFIELD", "none"), ("HSETNX", "h", "f", 1), ("HSTRLEN", "h", "f"), ("HEXISTS", "h", "f"), ("HDEL", "h", "f"), ("HLEN", "h")],
    ],
    "lists": [
        *[("RPUSH", "l", "a", "b", "c"), ("LPUSH", "l", "z"), ("LRANGE", "l", 0, -1), ("LINDEX", "l", 1), ("LINDEX", "l", 99)],
        *[("LPOS", "l", "c"), ("LPOS", "l", "x"), ("LINSERT", "l", "BEFORE", "b", "y"), ("LSET", "l", 99, "x"), ("LREM", "l", 1, "y")],
        *[("LMOVE", "l", "m", "LEFT", "RIGHT"), ("RPOPLPUSH", "l", "m"), ("LPOP", "l", 5), ("LPOP", "l", 5), ("LPOP", "l"), ("LMPOP", 2, "l", "m", "LEFT")],
        *[("LMPOP", 1, "none", "LEFT"), ("LTRIM", "m", 0, 0), ("LPUSHX", "none", 1), ("LLEN", "m")],
    ],
    "sets": [
        *[("SADD", "s", "m", "n"), ("SADD", "t", "n"), ("SISMEMBER", "s", "m"), ("SMISMEMBER", "s", "m", "x"), ("SCARD", "s")],
        *[("SINTER", "s", "t"), ("SUNION", "t", "none"), ("SDIFF", "s", "t"), ("SDIFFSTORE", "u", "s", "t"), ("SINTERCARD", 2, "s", "t")],
        *[("SMEMBERS", "u"), ("SMEMBERS", "none"), ("SPOP", "u"), ("SPOP", "u"), ("SRANDMEMBER", "t"), ("SRANDMEMBER", "none", 3), ("SMOVE", "s", "t", "m"), ("SREM", "s", "n")],
    ],
    "sorted sets": [
        *[("ZADD", "z", "1.5", "m", 2, "n", "inf", "o"), ("ZSCORE", "z", "m"), ("ZSCORE", "z", "x"), ("ZRANGE", "z", 0, -1, "WITHSCORES")],
        *[("ZADD", "z", "INCR", 1, "m"), ("ZINCRBY", "z", 1, "n"), ("ZRANK", "z", "n"), ("ZRANK", "z", "x"), ("ZMSCORE", "z", "m", "x")],
        *[("ZRANGEBYSCORE", "z", "-inf", "(3"), ("ZPOPMIN", "z"), ("ZPOPMAX", "z", 5), ("ZPOPMIN", "z"), ("ZADD", "y", 0, "a", 0, "b")],
        *[("ZRANGEBYLEX", "y", "-", "+"), ("ZLEXCOUNT", "y", "-", "[a"), ("ZUNION", 1, "y", "WITHSCORES"), ("ZINTERSTORE", "i", 1, "y"), ("ZRANDMEMBER", "none")],
        *[("ZMPOP", 1, "y", "MIN"), ("ZMPOP", 1, "none", "MIN"), ("ZREMRANGEBYRANK", "y", 0, -1), ("ZCARD", "y")],
    ],
    "bits, geography, cardinality": [
        *[("SETBIT", "b", 7, 1), ("GETBIT", "b", 7), ("BITCOUNT", "b"), ("BITPOS", "b", 1), ("BITOP", "NOT", "c", "b"), ("GET", "c")],
        *[("BITFIELD", "b", "INCRBY", "u8", 0, 1, "OVERFLOW", "FAIL", "INCRBY", "u2", 0, 9), ("PFADD", "p", "a", "b"), ("PFCOUNT", "p")],
        *[("GEOADD", "g", "13.361389", "38.115556", "P", "15.087269", "37.502669", "C"), ("GEODIST", "g", "P", "C"), ("GEOPOS", "g", "P", "x")],
        *[("GEOSEARCH", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC", "WITHCOORD", "WITHDIST"), ("GEOHASH", "g", "P", "x")],
    ],
    "keys": [
        *[("SET", "a", 1), ("TTL", "a"), ("EXPIRE", "a", 1000), ("TTL", "a"), ("PERSIST", "a"), ("TYPE", "a"), ("TYPE", "x"), ("EXISTS", "a", "a", "x")],
        *[("RENAME", "a", "b"), ("RENAME", "a", "b"), ("COPY", "b", "c"), ("TOUCH", "b", "x"), ("OBJECT", "ENCODING", "b"), ("OBJECT", "HELP")],
        *[("DUMP", "x"), ("KEYS", "c*"), ("UNLINK", "c"), ("DBSIZE",), ("SORT", "none"), ("DEL", "b"), ("RANDOMKEY",)],
    ],
    "scan": [
        ("MSET", *(word for number in range(40) for word in (f"k{number:02}", number))),
        *[("SCAN", 0, "COUNT", 1000, "MATCH", "k0*"), ("SCAN", 0, "TYPE", "hash"), ("SCAN", "x"), ("SCAN", 0, "COUNT", 0), ("SCAN",)],
        *[("HSET", "h", "f", "v"), ("HSCAN", "h", 0), ("SADD", "s", "m"), ("SSCAN", "s", 0), ("ZADD", "z", 1, "m"), ("ZSCAN", "z", 0)],
    ],
    "streams": [
        *[("XADD", "x", "1-1", "f", "v"), ("XADD", "x", "1-1", "f", "v"), ("XADD", "x", "NOMKSTREAM", "2-1", "f", "w"), ("XLEN", "x"), ("XRANGE", "x", "-", "+")],
        *[("XGROUP", "CREATE", "x", "g", "0"), ("XGROUP", "CREATE", "x", "g", "0"), ("XREAD", "COUNT", 1, "STREAMS", "x", "0"), ("XREAD", "STREAMS", "x", "9")],
        *[("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "x", ">"), ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 10, "STREAMS", "x", ">")],
        *[("XREADGROUP", "GROUP", "g", "c", "BLOCK", 10, "STREAMS", "x", ">"), ("XREADGROUP", "GROUP", "no", "c", "BLOCK", 10, "STREAMS", "x", ">")],
        *[("XACK", "x", "g", "1-1"), ("XPENDING", "x", "g"), ("XCLAIM", "x", "g", "d", 0, "2-1", "JUSTID"), ("XAUTOCLAIM", "x", "g", "d", 0, "0", "JUSTID")],
        *[("XINFO", "STREAM", "none"), ("XTRIM", "x", "MAXLEN", 1), ("XDEL", "x", "2-1"), ("XREAD", "BLOCK", 10, "STREAMS", "x", "$"), ("XREAD", "BLOCK", "x", "STREAMS", "x", "$")],
        *[("XREAD", "BLOCK", -1, "STREAMS", "x", "$"), ("XREAD", "BLOCK", 5), ("XREAD", "STREAMS", "BLOCK", "0")],
    ],
    "errors": [
        *[("GET",), ("NOSUCH", "x"), ("nosuch",), ("SET", "a", "b"), ("LPUSH", "a", "x"), ("INCR", "a"), ("EVAL", "return", 0), ("EVAL", "return 1", 5)],
        *[("SET", "a", "b", "BAD"), ("EXPIRE", "a", "x"), ("OBJECT", "NOSUCH"), ("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"), ("XADD", "a", "*", "f", "v"), ("SETRANGE", "a", -1, "")],
        *[("NO\r\nSUCH", "a\r\nb"), ("NOSUCH" * 40, "x" * 400), ("GET", "a", "b"), ("SPUBLISH",), ("MEMORY", "NOSUCH"), ("PUBSUB", "NOSUCH"), ("COMMAND", "COUNT", "x")],
        *[("BLPOP", "a", 0), ("BLPOP", "a", "0.01"), ("BLPOP", "none", -1), ("WATCH",), ("MULTI", 1), ("EXEC", 1), ("UNWATCH", 1), ("WAIT", 1), ("WAIT", "x", 1), ("WAIT", 0, -1)],
    ],
    "about the server": [
        *[("COMMAND", "INFO", "get", "nosuch"), ("COMMAND", "GETKEYS", "MSET", "a", 1, "b", 2), ("PUBSUB", "CHANNELS", "no*"), ("PUBSUB", "NUMSUB", "none")],
        *[("ROLE",), ("LOLWUT", "VERSION", 0), ("MEMORY", "USAGE", "none"), ("LASTSAVE", 1), ("SCRIPT", "HELP"), ("FUNCTION", "LIST"), ("XGROUP", "HELP")],
    ],
    # -- scripts
    "lua": [
        *[("EVAL", "return {1,{2,'x'},redis.status_reply('S')}", 0), ("EVAL", "return redis.call('SET',KEYS[1],'v')", 1, "k")],
        *[("SCRIPT", "LOAD", "return 7"), ("EVALSHA", "a" * 40, 0), ("SCRIPT", "EXISTS", "a" * 40), ("EVALSHA", "6a2c0a7f2ac4c8f0a64f3d2a4a9d6fd1b6fa6ee5", 0)],
        *[("EVAL", TYPES_IN_LUA, 0, kind) for kind in KINDS],
        *[("EVAL", "return redis.call('NOSUCH')", 0), ("EVAL", "return redis.call('BLPOP','none',0)", 0), ("EVAL_RO", "return redis.call('SET','a','b')", 0)],
        *[("EVAL", "local t={} for i=1,150 do t={t} end return t", 0), ("EVAL", "return {1,nil,3}", 0), ("SCRIPT", "FLUSH"), ("SCRIPT", "KILL")],
        *[("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function(k,a) return {k,a} end)"), ("FCALL", "f", 1, "k", "a"), ("FCALL_RO", "f", 0), ("FUNCTION", "DELETE", "lib"), ("FCALL", "f", 0)],
    ],
    "every type of reply": [("DEBUG", "PROTOCOL", kind) for kind in DEBUG_KINDS],
    # -- transactions
    "transaction in one piece": [[("MULTI",), ("SET", "a", 1), ("INCR", "a"), ("EXEC",)], ("GET", "a"), [("MULTI",), ("EXEC",)]],
    "transactions back to back": [[("SET", "n", 0), *[("MULTI",), ("INCR", "n"), ("GET", "n"), ("EXEC",)] * 5, ("GET", "n")]],
    "transaction step by step": [("MULTI",), ("SET", "a", 1), ("PING",), ("ECHO", "e"), ("BLPOP", "none", 0), ("WAIT", 1, 5), ("EXEC",), ("GET", "a"), ("PING",)],
    "transaction in two pieces": [[("MULTI",), ("SET", "a", 1)], [("INCR", "a"), ("EXEC",), ("GET", "a")]],
    "discard": [("MULTI",), ("SET", "a", 1), ("DISCARD",), ("GET", "a"), [("MULTI",), ("SET", "a", 1), ("DISCARD",)], ("GET", "a")],
    "errors of transactions": [
        *[("EXEC",), ("DISCARD",), ("MULTI",), ("MULTI",), ("WATCH", "a"), ("NOSUCH",), ("EXEC",), ("GET", "a")],
        *[[("MULTI",), ("NOSUCH",), ("SET", "a", 2), ("EXEC",)], ("GET", "a"), [("EXEC",), ("GET", "a"), ("DISCARD",)]],
        *[("SET", "a", "x"), [("MULTI",), ("INCR", "a"), ("GET", "a"), ("EXEC",)], ("MULTI",), ("EXEC", 1), ("EXEC",), ("GET", "a")],
        *[[("MULTI",), ("MULTI",), ("GET", "a"), ("EXEC",)], [("MULTI",), ("WATCH", "b"), ("GET", "a"), ("EXEC",)], ("GET", "a")],
    ],
    "watch": [("WATCH", "a"), ("GET", "a"), ("MULTI",), ("SET", "a", 2), ("EXEC",), ("UNWATCH",), ("GET", "a")],
    "watch that fails": [("WATCH", "a"), ("SET", "a", 1), ("MULTI",), ("SET", "a", 2), ("EXEC",), ("GET", "a")],
    "watch that another fails": [
        *[("WATCH", "a", "b"), ("MULTI",), ("SET", "c", 1), Other(("SET", "a", 9)), ("EXEC",), ("GET", "c"), ("GET", "a")],
        *[("WATCH", "a"), Other(("SET", "a", 8)), ("UNWATCH",), ("MULTI",), ("GET", "a"), ("EXEC",), ("WATCH", "a"), Other(("INCR", "a"))],
        *[[("MULTI",), ("GET", "a"), ("EXEC",)], ("GET", "a"), ("WATCH", "a"), Other(("INCR", "a")), ("MULTI",), ("DISCARD",), [("MULTI",), ("GET", "a"), ("EXEC",)]],
    ],
    "script in a transaction": [[("MULTI",), ("EVAL", "return redis.call('INCR','n')", 0), ("EVAL", "return {1,{2}}", 0), ("EXEC",)], ("GET", "n")],
    # -- sessions
    "select": [
        *[("SET", "a", 1), ("SELECT", 3), ("GET", "a"), ("SET", "a", 3), ("SELECT", 0), ("GET", "a"), ("SELECT", 99)],
        *[("SELECT", "x"), ("SELECT",), ("SELECT", -1), ("GET", "a"), [("SELECT", 3), ("GET", "a"), ("SELECT", 0), ("GET", "a")]],
        *[("SELECT", 3), ("RPUSH", "l", 1), ("BLPOP", "l", 1), ("BLPOP", "l", "0.01"), [("MULTI",), ("GET", "a"), ("EXEC",)], ("MULTI",), ("GET", "a"), ("EXEC",), ("RESET",), ("GET", "a")],
        *[("SELECT", 1, 2), ("SELECT", "1000000000000000000000"), ("SELECT", " 1"), ("SELECT", "01"), ("SELECT", 15), ("SELECT", 16)],
    ],
    "swap and move": [("SET", "a", 1), ("MOVE", "a", 2), ("GET", "a"), ("SELECT", 2), ("GET", "a"), ("SWAPDB", 0, 2), ("GET", "a"), ("SELECT", 0), ("GET", "a"), ("SWAPDB", 0, 99)],
    "local": [
        *[("PING",), ("PING", "hello"), ("PING", 1, 2), ("ECHO", "x"), ("ECHO",), ("CLIENT", "SETNAME", "n")],
        *[("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "a b"), ("CLIENT", "SETNAME", ""), ("CLIENT", "GETNAME")],
        *[("CLIENT", "NO-EVICT", "on"), ("AUTH",), ("AUTH", "x"), ("AUTH", "nobody", "x"), ("AUTH", "a", "b", "c")],
        *[("RESET",), ("QUIT",)],
    ],
    "client": [
        *[("CLIENT",), ("CLIENT", "ID", 1), ("CLIENT", "GETNAME", 1), ("CLIENT", "SETNAME"), ("CLIENT", "SETNAME", "a\nb"), ("CLIENT", "SETNAME", "é")],
        *[("CLIENT", "NO-EVICT"), ("CLIENT", "NO-EVICT", "x"), ("CLIENT", "NO-EVICT", "off"), ("CLIENT", "REPLY"), ("CLIENT", "REPLY", "x"), ("CLIENT", "KILL"), ("CLIENT", "KILL", "1.1.1.1:1")],
        *[("CLIENT", "KILL", "ID", 99999999), ("CLIENT", "KILL", "ID", "x"), ("CLIENT", "KILL", "NOSUCH", 1), ("CLIENT", "UNBLOCK", 99999999), ("CLIENT", "UNBLOCK", "x"), ("CLIENT", "UNBLOCK")],
        *[("CLIENT", "LIST", "TYPE", "x"), ("CLIENT", "LIST", "NOSUCH"), ("CLIENT", "NOSUCH"), ("client", "getname"), ("CLIENT", "UNBLOCK", 99999999, "NOSUCH")],
    ],
    "hello": [
        *[("HELLO", 9), ("HELLO", "x"), ("HELLO", 2, "NOSUCH"), ("HELLO", 2, "AUTH", "default"), ("HELLO", 3, "SETNAME", "a b"), ("HELLO", 3, "SETNAME"), ("HELLO", 3, "AUTH", "app", "wrong")],
        *[("HELLO", 3, "AUTH", "nobody", "x"), ("CLIENT", "GETNAME"), ("GET", "a"), ("HELLO", 1), ("HELLO", 4), ("HELLO", -2), ("HELLO", "3 ")],
    ],
    "reply off": [
        *[("SET", "a", 1), Muted((("CLIENT", "REPLY", "OFF"), ("SET", "a", 2), ("GET", "a"), ("PING",), ("NOSUCH",))), ("CLIENT", "REPLY", "ON"), ("GET", "a")],
        *[Muted((("CLIENT", "REPLY", "SKIP"), ("SET", "a", 3))), ("GET", "a"), Muted((("CLIENT", "REPLY", "SKIP"), ("PING",))), ("PING",)],
        *[Muted((("CLIENT", "REPLY", "OFF"), ("MULTI",), ("INCR", "a"), ("EXEC",), ("RPUSH", "l", 1), ("BLPOP", "l", 1))), ("CLIENT", "REPLY", "ON"), ("GET", "a"), ("LLEN", "l")],
        *[Muted((("CLIENT", "REPLY", "SKIP"), ("BLPOP", "none", "0.01"))), ("GET", "a"), Muted((("CLIENT", "REPLY", "OFF"), ("CLIENT", "REPLY", "SKIP"), ("GET", "a"))), ("CLIENT", "REPLY", "ON"), ("PING",)],
    ],
    "other user": [
        *[("AUTH", "app", "wrong"), ("AUTH", "reader", "r"), ("SET", "a", 1), ("GET", "a"), ("EVAL", "return redis.call('SET','a',1)", 0), ("MULTI",), ("SET", "a", 1), ("EXEC",)],
        *[("BLPOP", "l", "0.01"), ("ACL", "WHOAMI"), ("RESET",), ("SET", "a", 1), ("ACL", "WHOAMI"), ("AUTH", "default", "x")],
    ],
    "reset": [
        *[("CLIENT", "SETNAME", "n"), ("SELECT", 4), ("WATCH", "a"), ("RESET",), ("CLIENT", "GETNAME"), ("MULTI",), ("SET", "a", 1), ("RESET",), ("GET", "a"), ("EXEC",)],
        *[Muted((("CLIENT", "REPLY", "OFF"), ("PING",))), ("RESET",), ("PING",), ("RESET", 1), [("GET", "a"), ("RESET",), ("PING",)], [("MULTI",), ("RESET",), ("PING",)]],
    ],
    # -- waiting
    "blocking": [
        *[("BLPOP", "l", "0.02"), ("RPUSH", "l", "a", "b", "c"), ("BLPOP", "l", 1), ("BRPOP", "l", "m", 1)],
        *[("BLMOVE", "l", "m", "LEFT", "RIGHT", "0.02"), ("BLMOVE", "l", "m", "LEFT", "RIGHT", "0.02"), ("BRPOPLPUSH", "l", "m", "0.02"), ("BRPOPLPUSH", "m", "l", 1)],
        *[("BZPOPMIN", "z", "0.02"), ("BZPOPMAX", "z", "0.02"), ("BLMPOP", "0.02", 1, "l", "LEFT"), ("BLMPOP", "0.02", 1, "l", "LEFT"), ("BLPOP", "l", "x"), ("BLPOP",), ("BLPOP", "l")],
        *[("BZMPOP", "0.02", 1, "z", "MIN"), ("ZADD", "z", "1.5", "m"), ("BZPOPMIN", "z", 1), ("ZADD", "z", 2, "m"), ("BZMPOP", 1, 1, "z", "MIN"), ("blpop", "l", "0.01")],
        *[("XREAD", "BLOCK", 20, "STREAMS", "x", "$"), ("XREAD", "STREAMS", "x", "0"), ("WAIT", 0, 10), ("WAIT", 1, 10), ("BLPOP", "l", "1e-2"), ("BLPOP", "l", "inf"), ("BLPOP", "l", "nan")],
    ],
    "pipeline": [
        [("SET", "a", 1), ("PING",), ("GET", "a"), ("ECHO", "e"), ("BLPOP", "q", "0.02"), ("GET", "a"), ("NOSUCH",)],
        [("RPUSH", "q", 1, 2, 3), ("BLPOP", "q", 1), ("BLPOP", "q", 1), ("GET", "a"), ("BLPOP", "q", 1), ("BLPOP", "q", "0.01"), ("LLEN", "q")],
        [("CLIENT", "SETNAME", "n"), ("GET", "a"), ("CLIENT", "GETNAME"), ("SELECT", 2), ("GET", "a"), ("SELECT", 0), ("WATCH", "a"), ("MULTI",), ("GET", "a"), ("EXEC",), ("GET", "a")],
        [("GET", "a")] * 300,
        [("MULTI",), ("GET", "a"), ("EXEC",), ("BLPOP", "q", "0.01"), ("MULTI",), ("PING",), ("EXEC",), ("EXEC",)],
    ],
    "large": [("SET", "big", "x" * 300_000), ("STRLEN", "big"), ("GET", "big"), [("GET", "big"), ("PING",), ("GET", "big"), ("APPEND", "big", "y" * 100_000), ("STRLEN", "big")]],
    "larger than the client's buffer": [
        *[("SET", "big", b"\r\n$5\r\n" * 500_000), ("STRLEN", "big"), [("SET", "big", "z" * 3_000_000), ("GETRANGE", "big", 0, 5), ("PING",)]],
        *[("MSET", "a", "x" * 1_500_000, "b", "y" * 1_500_000, "c", "z"), ("MGET", "c"), ("STRLEN", "b"), ("ECHO", "e" * 2_500_000), ("NOSUCH", "x" * 2_500_000), ("GET", "c")],
    ],
    # -- subscriptions
    "subscription": [
        *[Messages(1, ("SUBSCRIBE", "c")), Other(("PUBLISH", "c", "hello")), Messages(1), Messages(2, ("SUBSCRIBE", "d", "c")), Messages(1, ("PSUBSCRIBE", "e*"))],
        *[Other(("PUBLISH", "ef", "\r\n+OK\r\n")), Messages(1), Other(("PUBLISH", "nobody", "x")), ("PING",), ("PING", "x"), Messages(1, ("UNSUBSCRIBE", "c")), Other(("PUBLISH", "c", "gone"))],
        *[Messages(1, ("UNSUBSCRIBE",)), Messages(1, ("PUNSUBSCRIBE",)), ("PING",), ("SET", "a", 1), ("GET", "a"), ("PUBLISH", "c", "x")],
    ],
    "sharded subscription": [Messages(2, ("SSUBSCRIBE", "c", "d")), Other(("SPUBLISH", "c", "hello")), Messages(1), Messages(1, ("SUNSUBSCRIBE", "d")), Messages(1, ("SUNSUBSCRIBE",)), ("GET", "a")],
    "unsubscribed from nothing": [Messages(1, ("UNSUBSCRIBE",)), Messages(1, ("PUNSUBSCRIBE", "x")), Messages(1, ("SUNSUBSCRIBE",)), ("GET", "a")],
    "commands while subscribed": [Messages(1, ("SUBSCRIBE", "c")), ("GET", "a"), ("NOSUCH",), ("SUBSCRIBE",), ("ECHO", "x"), ("PING",)],
    "quit while subscribed": [Messages(1, ("SUBSCRIBE", "c")), ("QUIT",)],
    "reset while subscribed": [Messages(1, ("SUBSCRIBE", "c")), ("RESET",), ("PING",), ("GET", "a"), Other(("PUBLISH", "c", "x"))],
    "a large message": [Messages(1, ("SUBSCRIBE", "c")), Other(("PUBLISH", "c", "x" * 400_000)), Messages(1)],
    # -- bytes
    "inline": [
        *[b"PING\r\n", b"SET a 1\r\n", b"get a\n", b"  GET   a  \r\n", b'SET b "x y\\x41\\n"\r\n', b"GET b\r\n", b"SET c 'it\\'s'\r\n", b"GET c\r\n"],
        *[b"NOSUCH\r\n", b"GET\r\n", Raw(b"\r\n\r\nPING\r\n"), Raw(b"PING\r\n*1\r\n$4\r\nPING\r\nGET a\r\n", 3), Raw(b"MULTI\r\nGET a\r\nEXEC\r\n", 3), b"BLPOP none 0.01\r\n", b"SELECT 1\r\n", b"GET a\r\n"],
    ],
    "empty commands": [Raw(b"*0\r\nPING\r\n"), Raw(b"*-1\r\nPING\r\n"), Raw(b"*0\r\n*1\r\n$4\r\nPING\r\n"), Raw(b"*1\r\n$0\r\n\r\nPING\r\n", 2)],
    "unbalanced quotes": [b'SET a "x\r\n'],
    "quotes with more behind": [b'SET a "x"y\r\n'],
    "no number of arguments": [b"*x\r\n"],
    "too many arguments": [b"*99999999999\r\n"],
    "no bulk": [b"*1\r\n+PING\r\n"],
    "no length": [b"*1\r\n$x\r\n"],
    "a negative length": [b"*1\r\n$-5\r\n"],
    "too long": [b"*1\r\n$999999999999\r\n"],
    "answers before nonsense": [Raw(b"PING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n!\r\n", 4)],
}  # fmt: skip
"""What is the same."""
