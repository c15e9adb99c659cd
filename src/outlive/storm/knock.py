"""Does the database let a function in from here: `python -m outlive.storm.knock SCHEME`.

It says `ready`, reads one line, where to connect, and says `in` when it has a connection, or why it has none.
"""

import asyncio
import json
import sys
from dataclasses import asdict

from outlive.storm.plan import Target
from outlive.storm.protocol import Driver, driver_of


def line_of(target: Target) -> str:
    """For its standard input. It holds the password: it goes through a pipe and nowhere else."""
    return json.dumps(asdict(target))


def target_of(line: str) -> Target:
    """What `line_of` made."""
    return Target(**json.loads(line))


async def _knock(driver: Driver, target: Target) -> str:
    try:
        async with asyncio.timeout(10):
            connection = await driver.connect(target)
            await connection.close()
    except Exception as error:
        return driver.code(error)
    return "in"


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    """Returns when it knows."""
    driver = driver_of(sys.argv[1])
    _say("ready")
    _say(asyncio.run(_knock(driver, target_of(sys.stdin.readline()))))


if __name__ == "__main__":
    main()
