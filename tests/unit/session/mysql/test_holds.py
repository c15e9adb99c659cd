"""Pins: counted by name, provably gone or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from outlive.session.mysql.holds import Holds


def test_a_lock_taken_twice_takes_two_releases() -> None:
    holds = Holds()
    assert holds.add("get_lock", b"a")
    assert not holds.add("get_lock", b"a")
    holds.drop("get_lock", b"a")
    assert holds
    holds.drop("get_lock", b"a")
    assert not holds


def test_what_has_no_name_is_released_by_none() -> None:
    holds = Holds()
    holds.add("get_lock")
    holds.drop("get_lock", b"a")
    holds.drop("get_lock", None)
    assert holds.reasons() == ["get_lock"]
    holds.drop_all("get_lock")
    assert not holds


def test_names_that_cannot_be_trusted_any_more_hold_to_the_end() -> None:
    holds = Holds()
    holds.add("temporary_table", b"t")
    holds.lose_names("temporary_table")
    holds.drop("temporary_table", b"t")
    assert holds
    holds.lose_names("handler")
    assert holds.reasons() == ["temporary_table"]


def test_one_name_can_go_whole() -> None:
    holds = Holds()
    for _ in range(3):
        holds.add("text_prepare", b"p")
    holds.drop_name("text_prepare", b"p")
    assert not holds
    holds.drop_name("text_prepare", b"p")


def test_many_names_are_bounded_and_hold() -> None:
    holds = Holds()
    for number in range(5000):
        holds.add("get_lock", b"%d" % number)
    for number in range(5000):
        holds.drop("get_lock", b"%d" % number)
    assert holds  # what came beyond the bound is held without a name


STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from([b"a", b"b", None])), max_size=30)


@given(STEPS)
def test_it_never_holds_for_too_short(steps: list[tuple[bool, bytes | None]]) -> None:
    """Against a model that grants every lock and knows what is held."""
    holds, held, unnamed = Holds(), {b"a": 0, b"b": 0}, 0
    for take, name in steps:
        if take:
            holds.add("get_lock", name)
            if name is None:
                unnamed += 1
            else:
                held[name] += 1
        else:
            holds.drop("get_lock", name)
            if name is not None:
                held[name] = max(0, held[name] - 1)
    assert bool(holds) == bool(unnamed or any(held.values()))
