"""Issuers of JSON Web Tokens in the configuration. Part of the model, see `model.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Jwt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An issuer whose tokens say which principal sends a request."""

    issuer: Annotated[str, Meta(min_length=1, max_length=1000, description="What `iss` of its tokens must be.")]
    audience: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=100, description="`aud` of a token must have one of them."),
    ]
    jwks_file: Annotated[
        str,
        Meta(max_length=4096, description="The file with its public keys (a JSON Web Key Set)."),
    ] = ""
    jwks_url: Annotated[
        str,
        Meta(
            max_length=2000,
            description="Or where to fetch it: `https://`, or `http://` on loopback. Redirects are not followed.",
        ),
    ] = ""
    refresh_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description=(
                "After how long the keys are read anew, in the background; where that fails the last ones stay. A token"
                " with an unknown key makes it happen earlier."
            ),
        ),
    ] = 300.0
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Meta(min_length=1, max_length=10, description="Of signatures. None is without a key, or with a shared secret."),
    ] = ("RS256", "ES256", "EdDSA")
    claim: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="The claim whose value (text, or one of a list of texts) is in `jwt` of a principal.",
        ),
    ] = "sub"
    leeway_s: Annotated[
        float,
        Meta(ge=0, le=600, description="How far the clocks of issuer and node may be apart."),
    ] = 30.0
