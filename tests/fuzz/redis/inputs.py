"""Replies of every shape, commands of every shape, and both with something wrong in them."""

from hypothesis import strategies as st

LINES = st.sampled_from([b"+OK", b"-ERR wrong", b":0", b":-12", b"_", b"#t", b",1.5", b",inf", b"(1234567890123456789"])
SIMPLE = LINES.map(lambda line: line + b"\r\n")
TEXTS = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"", b"\r\n", b"$5\r\n", b"*1\r\n$4\r\nPING\r\n", b"x" * 300])
)


def string(kind: bytes) -> st.SearchStrategy[bytes]:
    """Of RESP2 and RESP3: `$`, `=`, `!`."""
    return TEXTS.map(lambda text: kind + b"%d\r\n%b\r\n" % (len(text), text))


NULLS = st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"_\r\n"])
STREAMED_STRING = st.lists(st.binary(min_size=1, max_size=20), max_size=4).map(
    lambda parts: b"$?\r\n" + b"".join(b";%d\r\n%b\r\n" % (len(part), part) for part in parts) + b";0\r\n"
)


def _aggregates(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    several = st.lists(children, max_size=4)
    even = several.map(lambda items: items * 2)
    return st.one_of(
        several.map(lambda items: b"*%d\r\n" % len(items) + b"".join(items)),
        several.map(lambda items: b"~%d\r\n" % len(items) + b"".join(items)),
        even.map(lambda items: b"%%%d\r\n" % (len(items) // 2) + b"".join(items)),
        several.map(lambda items: b"*?\r\n" + b"".join(items) + b".\r\n"),
        st.tuples(children, children).map(lambda pair: b"|1\r\n$1\r\nk\r\n" + pair[0] + pair[1]),
    )


REPLIES = st.recursive(
    st.one_of(SIMPLE, string(b"$"), string(b"="), string(b"!"), NULLS, STREAMED_STRING), _aggregates, max_leaves=12
)
PUSHES = st.lists(REPLIES, min_size=1, max_size=3).map(lambda items: b">%d\r\n" % len(items) + b"".join(items))

WORDS = st.lists(TEXTS, min_size=1, max_size=5)
COMMANDS = WORDS.map(
    lambda words: b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
)
INLINE = st.sampled_from([b"PING\r\n", b"\r\n", b"\n", b'SET a "x \\x41"\r\n', b"GET a\n", b"*0\r\n", b"*-1\r\n"])

NAMES = st.sampled_from(
    b"GET SET PING ECHO MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUBLISH BLPOP SELECT RESET "
    b"HELLO AUTH CLIENT QUIT INCR EVAL MONITOR WAIT XREAD XREADGROUP SCRIPT NOSUCH SYNC CONFIG BLMPOP BZMPOP "
    b"FUNCTION".split()
)
HINTS = st.sampled_from(
    b"0 1 2 3 -1 0.01 a b c none SETNAME NAME REPLY ON OFF SKIP KILL ID LIST BLOCK STREAMS GROUP LEFT MIN AUTH default "
    b"UNBLOCK NO-EVICT 99999999999999999999 nan".split()
)
NEARLY = st.tuples(NAMES, st.lists(HINTS, max_size=4)).map(
    lambda pair: b"*%d\r\n" % (1 + len(pair[1]))
    + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in (pair[0], *pair[1]))
)
"""Commands that mean something, with words that may be in the wrong place."""


@st.composite
def spoiled(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """With a byte changed, left out or added, or cut off."""
    data = bytearray(draw(whole))
    at = draw(st.integers(0, max(0, len(data) - 1)))
    match draw(st.integers(0, 3)):
        case 0:
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        case 1:
            del data[at : at + 1]
        case 2:
            data[at:at] = draw(st.binary(min_size=1, max_size=3))
        case _:
            del data[at:]
    return bytes(data)


@st.composite
def pieces(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The same in pieces."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if end > start]
