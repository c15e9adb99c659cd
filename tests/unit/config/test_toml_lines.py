import tomllib

from outlive.config.toml_lines import line_of, lines_of

TEXT = '''node = 1
text = """
[not.a.table]
key = 1
"""
other = "# no comment" # max = 1

[databases.shop]
url = "mysql://h"   # [x]
[ databases . "a.b".users ]
'x y' = 1
"""oops" = 3
listen.mysql = 'a'
'''.replace('"""oops" = 3\n', "")


def test_lines() -> None:
    tomllib.loads(TEXT)
    lines = lines_of(TEXT)
    assert lines[("node",)] == 1
    assert lines[("text",)] == 2
    assert ("not", "a", "table") not in lines
    assert lines[("other",)] == 6
    assert lines[("databases", "shop")] == 8
    assert lines[("databases", "shop", "url")] == 9
    assert lines[("databases", "a.b", "users", "x y")] == 11
    assert lines[("databases", "a.b", "users", "listen", "mysql")] == 12


def test_the_nearest_around() -> None:
    lines = lines_of(TEXT)
    assert line_of(lines, ("databases", "shop", "tls")) == 8
    assert line_of(lines, ("nothing", "here")) is None
    assert line_of({}, ()) is None
