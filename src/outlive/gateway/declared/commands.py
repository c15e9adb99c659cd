"""Operations that are Redis commands: one by itself, several as MULTI and EXEC. To the node they are a client as any.

Redis rolls nothing back: where one command of several is refused at its turn, the others have taken effect, and the
failure says so.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from outlive.config.http import Http, Principal
from outlive.config.inputs import Input
from outlive.config.operations import Operation
from outlive.gateway import work
from outlive.gateway.databases import Databases
from outlive.gateway.declared.arguments import argument_of
from outlive.gateway.declared.command_info import asked
from outlive.gateway.declared.replies import shaped
from outlive.gateway.declared.reply_schemas import schema_of
from outlive.gateway.declared.work import Said, Work
from outlive.gateway.failure import Failure, Outcome
from outlive.gateway.redis_rights import Refused, check
from outlive.gateway.redis_work import failure_of, within
from outlive.proxy.redis.in_process import InProcessRedis
from outlive.wire.redis.values import RedisError

_SCRIPTS: Final = frozenset((b"EVAL", b"EVALSHA", b"FCALL"))
_Words = list[bytes]


class Commands(Work):
    """See the module."""

    def __init__(self, operation: Operation, inputs: Sequence[Input], protocol: str) -> None:
        Work.__init__(self, operation)
        parameters = {found.name: found.parameter for found in inputs}
        self._commands = [[argument_of(word, parameters) for word in words] for words in operation.commands]

    async def run(
        self, job: work.Job, databases: Databases, principal: Principal, http: Http, values: Mapping[str, Any]
    ) -> bytes:
        """See `Work`."""
        commands = [[argument.of(values) for argument in words] for words in self._commands]
        acting = self.limited(principal)
        for words in commands:
            try:
                check(principal.name, acting, words)
            except Refused as refused:
                raise Failure(403, "forbidden", refused.text) from None

        def open() -> InProcessRedis:
            return databases.open_redis(self.operation.database, http.response_max_bytes)

        async def run(redis: InProcessRedis) -> Sequence[Any]:
            return await _replies(redis, commands)

        return shaped(self.operation, await within(acting.max_time_s, open, run), acting.max_rows)

    def difference(self, principal: Principal) -> Hashable:
        """See `Work`: also its rights."""
        return principal.max_rows, principal.redis_commands, principal.redis_keys, principal.redis_channels

    def schema(self) -> dict[str, Any] | None:
        """See `Work`."""
        return schema_of(self.operation)

    async def describe(self, databases: Databases) -> Said:
        """See `Work`: the server says what each command is."""
        return await asked(databases, self.operation)


async def _replies(redis: InProcessRedis, commands: Sequence[_Words]) -> Sequence[Any]:
    """Raises Failure, and RedisError where no transaction has run."""
    if len(commands) == 1:
        try:
            return [await redis.run(*commands[0])]
        except RedisError as error:
            raise _refused(error, commands[0]) from None
    replies = await redis.transaction(commands)
    assert replies is not None  # nothing is watched
    wrong = [index for index, reply in enumerate(replies) if isinstance(reply, RedisError)]
    if not wrong:
        return replies
    failures = [_refused(replies[index], commands[index]) for index in wrong]
    failure = failures[0]
    failure.details["command"] = wrong[0]
    failure.message = f"Command {wrong[0] + 1} of {len(commands)} was refused: {failure.message}"
    if len(wrong) < len(commands):
        failure.outcome = "done"
        failure.message += " (those that were not refused have taken effect: Redis does not roll back)"
    else:
        failure.outcome = _outcome(failures)
    raise failure


def _refused(error: RedisError, words: _Words) -> Failure:
    """Where a script ends with an error, what it did before stays."""
    failure = failure_of(error)
    if failure.outcome == "failed" and words[0].upper() in _SCRIPTS and error.code != b"NOSCRIPT":
        failure.outcome = "unknown"
    return failure


def _outcome(failures: Sequence[Failure]) -> Outcome:
    return "unknown" if any(failure.outcome == "unknown" for failure in failures) else "failed"
