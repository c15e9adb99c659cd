import io
import logging
import re

import pytest

from outlive.observe import log
from outlive.observe.log import fields


@pytest.fixture
def stream():
    logger = logging.getLogger("outlive")
    before = logger.handlers[:], logger.propagate, logger.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", stream)
    yield stream
    logger.handlers[:], logger.propagate, level, logging.raiseExceptions = before
    logger.setLevel(level)


def test_a_line(stream: io.StringIO) -> None:
    logger = logging.getLogger("outlive.proxy")
    logger.debug("unseen")
    logger.warning(
        "client %s",
        "evicted",
        extra=fields(client=7, idle_s=1 / 3, user="a b", who=b"x\xff", none=None, yes=True, empty=""),
    )
    line = stream.getvalue()
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warning "
        r'event="client evicted" client=7 idle_s=0.333333 user="a b" who="x\\\\xff" none=null yes=true empty=""\n',
        line,
    )


def test_nobody_can_forge_a_line(stream: io.StringIO) -> None:
    logging.getLogger("outlive").error("x", extra=fields(message_of_server="a\nlevel=info \x1b[2J\u2028\x7f"))
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "\u2028" not in stream.getvalue()
    assert "\x7f" not in stream.getvalue()


def test_secrets_stay_out(stream: io.StringIO) -> None:
    logging.getLogger("outlive").error(
        "cannot dial mysql://app:hunter2@x@db/shop",
        extra=fields(password="hunter2", auth_response=b"hunter2", url="mysql://app:hunter2@db/shop"),
    )
    assert "hunter2" not in stream.getvalue()
    assert "mysql://app:***@db/shop" in stream.getvalue()


def test_long_values_are_cut(stream: io.StringIO) -> None:
    logging.getLogger("outlive").error("x", extra=fields(text="y" * 100_000))
    assert len(stream.getvalue()) < 3000


def test_a_traceback_is_one_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("outlive").exception("bug")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: odd" in stream.getvalue()


def test_configuring_again_replaces(stream: io.StringIO) -> None:
    log.configure("error", stream)
    logger = logging.getLogger("outlive")
    logger.warning("unseen")
    logger.error("seen")
    assert stream.getvalue().count("\n") == 1


def test_a_closed_stream_ends_nothing(stream: io.StringIO) -> None:
    stream.close()
    logging.getLogger("outlive").error("into the void")
