"""Who sends a request, by a JSON Web Token: a way to be known (see `principals.py`).

PyJWT verifies; which algorithms count is the configuration's say, never the token's. A token means a principal where
the claim of its issuer has exactly one of the values that principals have.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import jwt
from starlette.requests import Request

from outlive.config.http import Principal
from outlive.config.jwt import Jwt
from outlive.config.model import Config
from outlive.gateway.failure import Failure
from outlive.gateway.key_sets import KeySet

_TOKEN_MAX: Final = 16_384


class Tokens:
    """Of one node. The keys of an issuer are kept for as long as the configuration has it as it is."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._config: Config | None = None
        self._sets: dict[Jwt, KeySet] = {}
        self._meant: dict[str, str] = {}

    async def way(self, config: Config, request: Request) -> tuple[str, Principal] | None:
        """See `principals.Way`: for `Authorization: Bearer` with a token in three parts."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or token.count(".") != 2 or not config.jwt:
            return None
        if config is not self._config:
            self._config = config
            self._sets = {
                issuer: self._sets.get(issuer) or KeySet(issuer, self._clock) for issuer in config.jwt.values()
            }
            self._meant = {subject: name for name, found in config.principals.items() for subject in found.jwt}
        if len(token) > _TOKEN_MAX:
            raise _refused("It is too long.")
        name = await self._name(config, token)
        return name, config.principals[name]

    async def _name(self, config: Config, token: str) -> str:
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            issued = unverified["payload"].get("iss")
            for name, issuer in config.jwt.items():
                if issued == issuer.issuer and _is_for(issuer, unverified["payload"]):
                    claims = await self._verified(issuer, token, unverified["header"])
                    return self._principal(name, issuer, claims)
        except jwt.ExpiredSignatureError:
            raise _refused("It has expired.") from None
        except jwt.ImmatureSignatureError:
            raise _refused("It is not valid yet.") from None
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError):
            raise _refused("It is not valid.") from None
        raise _refused("Its issuer and audience are not known.")

    async def _verified(self, issuer: Jwt, token: str, header: dict[str, Any]) -> dict[str, Any]:
        algorithm = header.get("alg")
        if algorithm not in issuer.algorithms:
            raise jwt.InvalidAlgorithmError
        key = await self._sets[issuer].key(header.get("kid"), algorithm)
        if key is None:
            raise jwt.InvalidKeyError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer.issuer,
            audience=issuer.audience,
            leeway=issuer.leeway_s,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _principal(self, name: str, issuer: Jwt, claims: dict[str, Any]) -> str:
        value = claims.get(issuer.claim)
        values = value if isinstance(value, list) else [value]
        meant = {self._meant.get(f"{name}/{one}", "") for one in values if isinstance(one, str)} - {""}
        if len(meant) != 1:
            raise _refused("It means no principal, or several.")
        return meant.pop()


def _is_for(issuer: Jwt, payload: dict[str, Any]) -> bool:
    audience = payload.get("aud")
    return any(one in issuer.audience for one in (audience if isinstance(audience, list) else [audience]))


def _refused(why: str) -> Failure:
    return Failure(401, "unauthorized", f"The token is refused. {why}")
