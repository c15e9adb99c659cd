"""Which of Redis' commands only read, and which keys a command touches. What cannot be told is refused by who asks.

Source: COMMAND of Redis 7.0 and Valkey 9.1 (first, last and step of the keys; flags readonly, write and movablekeys),
and of each command with movable keys its page in the documentation. Options are read as strictly as the server reads
them: an option that is not known here makes the keys unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Words = Sequence[bytes]
Keys = Sequence[bytes] | None
"""None: they cannot be told."""

_FIRST_READ: Final = """
bitcount bitfield_ro bitpos dump expiretime geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get
getbit getrange hexists hexpiretime hget hgetall hkeys hlen hmget hpexpiretime hpttl hrandfield hscan hstrlen httl hvals
lindex llen lpos lrange pexpiretime pttl scard sismember smembers smismember srandmember sscan strlen substr ttl type
xlen xpending xrange xrevrange zcard zcount zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank
zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore
"""
_FIRST_WRITE: Final = """
append bitfield decr decrby delifeq expire expireat geoadd getdel getex getset hdel hexpire hexpireat hgetdel hgetex
hincrby hincrbyfloat hmset hpersist hpexpire hpexpireat hset hsetex hsetnx incr incrby incrbyfloat linsert lpop lpush
lpushx lrem lset ltrim persist pexpire pexpireat pfadd psetex restore rpop rpush rpushx sadd set setbit setex setnx
setrange spop srem xack xadd xautoclaim xclaim xdel xsetid xtrim zadd zincrby zpopmax zpopmin zrem zremrangebylex
zremrangebyrank zremrangebyscore
"""


def _span(first: int, last: int, step: int = 1) -> Callable[[Words], Keys]:
    """Keys at fixed places; a `last` below zero counts from the end."""

    def keys(words: Words) -> Keys:
        end = last if last > 0 else len(words) + last
        return words[first : end + 1 : step] if end < len(words) else None

    return keys


def _numbered(at: int, *more: int, step: int = 1) -> Callable[[Words], Keys]:
    """The number of keys at `at`, the keys behind it; `more` are places of further ones."""

    def keys(words: Words) -> Keys:
        if len(words) <= at or not words[at].isdigit():
            return None
        count = int(words[at]) * step
        if not 0 < count < len(words) - at:
            return None
        return [*(words[place] for place in more), *words[at + 1 : at + 1 + count : step]]

    return keys


def _second_of(*subcommands: bytes) -> Callable[[Words], Keys]:
    """The key of a subcommand."""

    def keys(words: Words) -> Keys:
        return [words[2]] if len(words) > 2 and words[1].upper() in subcommands else None

    return keys


def _none(_: Words) -> Keys:
    return ()


def _copy(words: Words) -> Keys:
    """COPY source destination [REPLACE]: with DB it is a key of another database."""
    rest = [word.upper() for word in words[3:]]
    return words[1:3] if len(words) > 2 and all(word == b"REPLACE" for word in rest) else None


def _options(words: Words, at: int, plain: Sequence[bytes], valued: dict[bytes, int], storing: Words) -> Keys:
    """The keys that options name (`storing`); `valued` have so many values."""
    found: list[bytes] = []
    while at < len(words):
        word = words[at].upper()
        if word in storing and at + 1 < len(words):
            found.append(words[at + 1])
            at += 2
        elif word in valued and at + valued[word] < len(words):
            at += 1 + valued[word]
        elif word in plain:
            at += 1
        else:
            return None
    return found


def _sort(words: Words) -> Keys:
    """SORT key ...: BY and GET name keys by patterns, of which none can be told (nosort and # name none)."""
    at = 2
    while at + 1 < len(words):
        word, value = words[at].upper(), words[at + 1]
        if (word == b"BY" and value.lower() != b"nosort") or (word == b"GET" and value != b"#"):
            return None
        at += {b"BY": 2, b"GET": 2, b"LIMIT": 3, b"STORE": 2}.get(word, 1)
    stored = _options(words, 2, (b"ASC", b"DESC", b"ALPHA"), {b"BY": 1, b"GET": 1, b"LIMIT": 2}, (b"STORE",))
    return None if stored is None or len(words) < 2 else [words[1], *stored]


def _georadius(at: int) -> Callable[[Words], Keys]:
    """GEORADIUS and GEORADIUSBYMEMBER, whose options begin at `at`."""
    plain = (b"WITHCOORD", b"WITHDIST", b"WITHHASH", b"ASC", b"DESC", b"ANY")

    def keys(words: Words) -> Keys:
        stored = _options(words, at, plain, {b"COUNT": 1}, (b"STORE", b"STOREDIST"))
        return None if stored is None or len(words) < at else [words[1], *stored]

    return keys


def _streams(at: int, plain: Words) -> Callable[[Words], Keys]:
    """XREAD and XREADGROUP: options from `at`, then STREAMS, keys, and as many ids."""

    def keys(words: Words) -> Keys:
        place = at
        while place < len(words) and words[place].upper() != b"STREAMS":
            word = words[place].upper()
            if word not in (*plain, b"BLOCK", b"COUNT"):
                return None
            place += 1 if word in plain else 2
        rest = words[place + 1 :]
        return rest[: len(rest) // 2] if rest and len(rest) % 2 == 0 else None

    return keys


def _xreadgroup(words: Words) -> Keys:
    if len(words) < 4 or words[1].upper() != b"GROUP":
        return None
    return _streams(4, (b"NOACK",))(words)


_ONE: Final = _span(1, 1)
_TWO: Final = _span(1, 2)
_ALL: Final = _span(1, -1)

READS: Final[dict[bytes, Callable[[Words], Keys]]] = {
    **{name.upper().encode(): _ONE for name in _FIRST_READ.split()},
    **dict.fromkeys((b"EXISTS", b"MGET", b"PFCOUNT", b"SDIFF", b"SINTER", b"SUNION", b"TOUCH"), _ALL),
    **dict.fromkeys((b"SINTERCARD", b"ZDIFF", b"ZINTER", b"ZINTERCARD", b"ZUNION"), _numbered(1)),
    **dict.fromkeys((b"PING", b"ECHO", b"TIME", b"LOLWUT"), _none),
    b"LCS": _TWO,
    b"OBJECT": _second_of(b"ENCODING", b"FREQ", b"IDLETIME", b"REFCOUNT"),
    b"MEMORY": _second_of(b"USAGE"),
    b"SORT_RO": _sort,
    b"XINFO": _second_of(b"STREAM", b"GROUPS", b"CONSUMERS"),
    b"XREAD": _streams(1, ()),
}
"""What reads only, by upper-case name."""

WRITES: Final[dict[bytes, Callable[[Words], Keys]]] = {
    **{name.upper().encode(): _ONE for name in _FIRST_WRITE.split()},
    **dict.fromkeys((b"DEL", b"PFMERGE", b"SDIFFSTORE", b"SINTERSTORE", b"SUNIONSTORE", b"UNLINK"), _ALL),
    **dict.fromkeys((b"MSET", b"MSETNX"), _span(1, -1, 2)),
    **dict.fromkeys((b"BLPOP", b"BRPOP", b"BZPOPMAX", b"BZPOPMIN"), _span(1, -2)),
    **dict.fromkeys((b"BLMOVE", b"BRPOPLPUSH", b"GEOSEARCHSTORE", b"LMOVE", b"RENAME", b"RENAMENX"), _TWO),
    **dict.fromkeys((b"RPOPLPUSH", b"SMOVE", b"ZRANGESTORE"), _TWO),
    **dict.fromkeys((b"LMPOP", b"ZMPOP"), _numbered(1)),
    **dict.fromkeys((b"BLMPOP", b"BZMPOP"), _numbered(2)),
    **dict.fromkeys((b"ZDIFFSTORE", b"ZINTERSTORE", b"ZUNIONSTORE"), _numbered(2, 1)),
    b"BITOP": _span(2, -1),
    b"COPY": _copy,
    b"GEORADIUS": _georadius(6),
    b"GEORADIUSBYMEMBER": _georadius(5),
    b"MSETEX": _numbered(1, step=2),
    b"SORT": _sort,
    b"XGROUP": _second_of(b"CREATE", b"CREATECONSUMER", b"DELCONSUMER", b"DESTROY", b"SETID"),
    b"XREADGROUP": _xreadgroup,
}
"""What may write, by upper-case name."""


def keys_of(words: Words) -> Keys:
    """The keys that a command names, and it touches no others; None where that cannot be told."""
    name = words[0].upper()
    found = READS.get(name) or WRITES.get(name)
    return None if found is None else found(words)


def reads(words: Words) -> bool:
    """Whether a command writes nothing, whatever its arguments. Of MEMORY only USAGE: PURGE and others do something."""
    name = words[0].upper()
    return name in READS and (name != b"MEMORY" or keys_of(words) is not None)
