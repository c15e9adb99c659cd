"""`python -m bench [mysql|postgres|tcp|redis] [WHAT ...]`: measure, show, and write bench/RESULTS.md.

`python -m bench http`: SQL over HTTP beside the wire port, a connection for each request and a bare endpoint (http.py).
`python -m bench locks`: thousands of waiters and steady releases, beside BLPOP (locks.py).
`python -m bench login`: the login service, 1,000 functions bursting after idle (login.py).
`python -m bench storm [WHAT ...]`: a thousand functions that vanish, under every remedy (storm.py).
"""

import argparse
import sys

from . import http, locks, login, mysql, postgres, redis, report, storm, tcp
from .rounds import Options

PROTOCOLS = {"mysql": mysql, "postgres": postgres, "tcp": tcp, "redis": redis}
PARTS = [protocol.PART for protocol in PROTOCOLS.values()]
WHAT = list(dict.fromkeys(name for part in PARTS for name in part.headings))
ALL_PARTS = [*PARTS, http.PART, login.PART, locks.PART]
ALONE = {"http": http.section, "locks": locks.section, "login": login.section}


def main() -> None:
    """Measure what the command line asks for; each section is shown and written as soon as it is done."""
    if sys.argv[1:2] == ["storm"]:
        storm.main(sys.argv[2:])
        return
    command = " ".join(["python -m bench", *sys.argv[1:]])
    alone = ALONE.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if alone is not None:
        section, is_kept = alone(sys.argv[2:])
        show(section)
        if is_kept:
            report.write(ALL_PARTS, section, command=command)
        return
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join([*PROTOCOLS, *WHAT])}; default all")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--seconds", type=int, default=5, help="length of a run")
    parser.add_argument("--idle-clients", type=int, default=10_000)
    parser.add_argument("--dry", action="store_true", help="print the tables, do not write RESULTS.md")
    given = parser.parse_intermixed_args()
    if unknown := set(given.what) - {*PROTOCOLS, *WHAT}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    options = Options(given.rounds, given.seconds, given.idle_clients)
    protocols = [name for name in PROTOCOLS if name in given.what] or list(PROTOCOLS)
    names = [name for name in WHAT if name in given.what] or WHAT
    for protocol in protocols:
        for section in PROTOCOLS[protocol].sections(names, options):
            show(section)
            if not given.dry:
                report.write(ALL_PARTS, section, command=command)


def show(section: report.Section) -> None:
    """On standard output."""
    print(f"## {section.part}: {section.heading}\n\n{section.table}\n", flush=True)


if __name__ == "__main__":
    main()
