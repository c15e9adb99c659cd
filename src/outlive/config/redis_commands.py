"""What each of Redis' commands is to a multiplexer, and to a declared operation. A command that is not in the table,
nor a module's, gets a connection for itself: whatever it does, it does to nobody else's replies.

Source: COMMAND of Redis 7.0 and Valkey 9.1; a test compares the table with what the servers say.
"""

from __future__ import annotations

from typing import Final

ORDINARY: Final = 0  # its effect is on the data alone: multiplexed
ALONE: Final = 1  # a connection for this one command, as what runs on a shared one would be in its way
TRANSACTION: Final = 2  # MULTI, EXEC, DISCARD, WATCH, UNWATCH
BLOCKING: Final = 3  # may wait for somebody else
SUBSCRIBING: Final = 4  # the server speaks unasked from here on
LOCAL: Final = 5  # answered here, or about the session itself
GATED: Final = 6  # an operator's: refused unless the configuration allows it
FORBIDDEN: Final = 7  # never possible through a pooler
CONTAINER: Final = 8  # its second word decides

_ORDINARY: Final = """
append bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos cluster clusterscan command copy dbsize decr
decrby del delex delifeq digest dump eval eval_ro evalsha evalsha_ro exists expire expireat expiretime fcall fcall_ro
flushdb geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch
geosearchstore get getbit getdel getex getrange getset hdel hexists hexpire hexpireat hexpiretime hget hgetall hgetdel
hgetex hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan
hset hsetex hsetnx hstrlen httl hvals incr incrby incrbyfloat info keys lastsave lcs lindex linsert llen lmove lmpop
lolwut lpop lpos lpush lpushx lrange lrem lset ltrim memory mget move mset msetex msetnx object persist pexpire
pexpireat pexpiretime pfadd pfcount pfmerge psetex pttl publish pubsub randomkey rename renamenx restore role rpop
rpoplpush rpush rpushx sadd save scan scard sdiff sdiffstore set setbit setex setnx setrange sinter sintercard
sinterstore sismember smembers smismember smove sort sort_ro spop spublish srandmember srem sscan strlen substr sunion
sunionstore time touch ttl type unlink vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem
vsetattr vsim xack xackdel xadd xautoclaim xclaim xdel xdelex xgroup xinfo xlen xpending xrange xrevrange xsetid xtrim
zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin
zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore
zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore
"""

_OTHERS: Final = {
    ALONE: "pfdebug pfselftest",
    TRANSACTION: "multi exec discard watch unwatch",
    BLOCKING: "blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop wait waitaof",
    SUBSCRIBING: "subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe monitor",
    LOCAL: "hello auth select ping echo reset quit",
    GATED: (
        "acl config debug failover flushall latency module replicaof shutdown slaveof slowlog commandlog swapdb"
    ),
    FORBIDDEN: "sync psync replconf migrate restore-asking asking readonly readwrite",
    # xread and xreadgroup block only with the word BLOCK.
    CONTAINER: "client script function xread xreadgroup",
}

MODULES: Final = (b"JSON.", b"FT.", b"BF.", b"CF.", b"CMS.", b"TOPK.", b"TDIGEST.", b"TS.")
"""Prefixes of the commands of well-known modules, none of which blocks or changes a session."""

TABLE: Final[dict[bytes, int]] = {name.encode(): ORDINARY for name in _ORDINARY.split()} | {
    name.encode(): kind for kind, names in _OTHERS.items() for name in names.split()
}
"""By lower-case name."""

BY_NAME: Final[dict[bytes, int]] = TABLE | {name.upper(): kind for name, kind in TABLE.items()}
"""By name as clients write it: all in one case, as a rule."""

_SUBCOMMANDS: Final = {
    (b"client", None): LOCAL,
    (b"client", b"pause"): GATED,
    (b"client", b"unpause"): GATED,
    (b"script", None): ORDINARY,
    (b"script", b"kill"): ALONE,  # the script runs on a shared connection, maybe this one
    (b"script", b"debug"): FORBIDDEN,
    (b"function", None): ORDINARY,
    (b"function", b"kill"): ALONE,
}


def kind_of_name(name: bytes) -> int:
    """What a command of this name is; a CONTAINER's kind needs its arguments."""
    kind = BY_NAME.get(name)
    if kind is None:
        kind = TABLE.get(name.lower())
        if kind is None:
            kind = ORDINARY if name.upper().startswith(MODULES) else ALONE
    return kind


def kind_of(arguments: list[bytes]) -> int:
    """What a command is."""
    kind = kind_of_name(arguments[0])
    if kind != CONTAINER:
        return kind
    name = arguments[0].lower()
    if name in (b"xread", b"xreadgroup"):
        return BLOCKING if block_option(arguments) else ORDINARY
    word = arguments[1].lower() if len(arguments) > 1 else None
    return _SUBCOMMANDS.get((name, word), _SUBCOMMANDS[name, None])


_VALUES: Final = {b"GROUP": 2, b"COUNT": 1, b"BLOCK": 1, b"CLAIM": 1}
"""How many values follow an option of XREAD and XREADGROUP: a group may be called STREAMS, and a consumer BLOCK."""


def block_option(arguments: list[bytes]) -> int:
    """Where BLOCK's milliseconds stand in an XREAD or XREADGROUP, the last of them as at the server; 0 where it does
    not block.
    """
    found = 0
    at = 1
    while at < len(arguments) - 1:
        word = arguments[at].upper()
        if word == b"STREAMS":
            break  # what follows are names of keys
        if word == b"BLOCK":
            found = at + 1
        at += 1 + _VALUES.get(word, 0)
    return found
