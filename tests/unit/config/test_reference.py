from pathlib import Path

from outlive.config.database import database_of_table
from outlive.config.model import SERVER_OPTIONS, Config, Database, Listen
from outlive.config.options import CONFIG_OPTIONS, DATABASE_OPTIONS, LISTEN_OPTIONS
from outlive.config.reference import reference

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_model_says() -> None:
    """After a change of the model: `python -m outlive.config.reference > docs/configuration.md`."""
    assert (ROOT / "docs/configuration.md").read_text() == reference()


def test_every_option_is_described() -> None:
    tables = {"listen", "databases", "http", "principals", "statements", "jwt", "locks", "operations", "origin"}
    assert set(CONFIG_OPTIONS) == set(Config.__struct_fields__) - tables
    assert set(LISTEN_OPTIONS) == set(Listen.__struct_fields__)
    assert set(DATABASE_OPTIONS) == set(Database.__struct_fields__)
    assert set(SERVER_OPTIONS) < set(DATABASE_OPTIONS)
    for option in (*CONFIG_OPTIONS.values(), *LISTEN_OPTIONS.values(), *DATABASE_OPTIONS.values()):
        assert option.why.endswith((".", "?")), option.name
        assert f"| `{option.name}` |" in reference()


def test_a_number_without_a_unit_is_a_count() -> None:
    for option in (*CONFIG_OPTIONS.values(), *DATABASE_OPTIONS.values()):
        if option.words.startswith("a number"):
            assert option.name.endswith("_s"), option.name


def test_defaults_are_within_their_own_ranges() -> None:
    for option in (*CONFIG_OPTIONS.values(), *DATABASE_OPTIONS.values()):
        if isinstance(option.default, int | float | str | tuple):
            assert option.convert(option.default, text=False) == option.default


def test_the_example_of_the_page_is_right() -> None:
    table = {"url": "mysql://app@db.example.com/shop", "max_connections": 40, "tls": "verify-identity"}
    database, _ = database_of_table("shop", table, lambda *problem: (_ for _ in ()).throw(AssertionError(problem)))
    assert database is not None
