"""SCRAM's computations, against RFC 7677's example and libpq; and secrets as servers store them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.auth.postgres import Credential, MockSecrets, ScramSecret
from outlive.auth.postgres.md5 import md5_hash, md5_response
from outlive.auth.postgres.saslprep import saslprep
from outlive.auth.postgres.scram import MOST_ITERATIONS, client_proof, derive, new_nonce, proven_client_key, sha256, xor
from outlive.auth.postgres.scram_server import ScramServer

# RFC 7677, 3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = derive(b"pencil", SALT, 4096)
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
WITHOUT_PROOF = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_example_of_rfc_7677() -> None:
    auth_message = b",".join((CLIENT_FIRST[3:], SERVER_FIRST, WITHOUT_PROOF))
    assert base64.b64encode(client_proof(KEYS.client_key, auth_message)) == PROOF
    server = ScramServer(KEYS.secret(), genuine=True, plus=False, certificate_hash=None, nonce=SERVER_NONCE)
    assert server.first(CLIENT_FIRST) == SERVER_FIRST
    proven = server.final(WITHOUT_PROOF + b",p=" + PROOF)
    assert proven is not None
    assert proven[0] == b"v=" + SIGNATURE
    assert proven[1].client_key == KEYS.client_key


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_a_proof_gives_its_key_to_who_has_the_stored_key(client_key: bytes, auth_message: bytes) -> None:
    proof = client_proof(client_key, auth_message)
    assert proven_client_key(proof, sha256(client_key), auth_message) == client_key


@given(
    st.binary(max_size=40).flatmap(
        lambda left: st.tuples(st.just(left), st.binary(min_size=len(left), max_size=len(left)))
    )
)
def test_xor_is_its_own_inverse_and_keeps_the_length(pair: tuple[bytes, bytes]) -> None:
    left, right = pair
    assert xor(xor(left, right), right) == left
    assert len(xor(left, right)) == len(left)


def test_a_stored_secret_is_read_and_written() -> None:
    text = KEYS.secret().encode()
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    secret = ScramSecret.parse(text)
    assert secret.encode() == text
    assert (secret.salt, secret.iterations, secret.stored_key) == (SALT, 4096, sha256(KEYS.client_key))


GOOD = KEYS.secret().encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        GOOD[:-1],
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("4096", "0"),
        GOOD.replace("4096", "-1"),
        GOOD.replace("4096", "٤٠٩٦"),
        GOOD.replace("4096", "9" * 30),
        GOOD.replace("4096", str(MOST_ITERATIONS + 1)),
        GOOD.replace("SCRAM-SHA-256", "SCRAM-SHA-512"),
        GOOD.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        GOOD.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "x==="),
        GOOD.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22Za"),
        "md5" + "0" * 31,
        "md5" + "0" * 32 + "\n",
        "MD5" + "0" * 32,
        "md5" + "A" * 32,
    ],
)
def test_what_is_no_stored_secret_is_an_error_that_does_not_quote_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Credential.of_stored(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


@given(
    st.text(max_size=80) | st.from_regex(r"SCRAM-SHA-256\$[0-9]{1,12}:[A-Za-z0-9+/=]{0,30}\$[A-Za-z0-9+/=]{44}:.{44}")
)
def test_any_text_is_a_credential_or_a_value_error(text: str) -> None:
    try:
        Credential.of_stored(text)
    except ValueError:
        pass


def test_credentials() -> None:
    mock = MockSecrets()
    known = Credential.of_password(b"app", b"secret", mock)
    assert known is not None
    assert known.scram is not None
    assert known.scram.salt == mock.salt(b"app")
    assert known.md5 == md5_hash(b"secret", b"app")
    assert Credential.of_password(b"app", b"", mock) is None
    assert Credential.of_stored("md5" + "0" * 32).md5 == b"0" * 32
    with pytest.raises(ValueError):
        Credential(password=b"secret")


def test_no_secret_shows() -> None:
    known = Credential.of_password(b"app", b"secret", MockSecrets())
    assert known is not None
    for thing in (known, known.scram, KEYS, MockSecrets(b"k" * 32)):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert "secret" not in text.replace("MockSecrets", "")
            assert "4096" not in text
            assert "kkk" not in text


def test_mock_secrets_are_a_users_own_and_stay() -> None:
    mock, other = MockSecrets(b"1" * 32), MockSecrets(b"2" * 32)
    assert mock.salt(b"a") == mock.scram(b"a").salt == MockSecrets(b"1" * 32).salt(b"a")
    assert (
        len({mock.salt(b"a"), mock.salt(b"b"), other.salt(b"a"), MockSecrets().salt(b"a"), MockSecrets().salt(b"a")})
        == 5
    )
    assert len(mock.salt(b"a")) == 16
    assert mock.md5(b"a") != mock.md5(b"b")
    assert len(mock.md5(b"a")) == 32


def test_md5_as_the_server_stores_it() -> None:
    # Read from pg_authid of a PostgreSQL 15.
    stored = b"7b81bcceae28bfcc2eb842dfa40d9d9f"
    assert md5_hash(b"app-secret", b"md5user") == stored
    assert md5_response(stored, b"\0\1\2\3") == b"md5" + md5_hash(stored, b"\0\1\2\3")


def test_nonces_are_printable_and_new() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(nonce) == 24 and nonce.isascii() and b"," not in nonce for nonce in nonces)


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        (b"plain", b"plain"),
        (b"\x07\x7f tab\t", b"\x07\x7f tab\t"),  # ASCII is never looked at
        ("I\u00adX".encode(), b"IX"),  # soft hyphen: mapped to nothing
        ("\u00aa".encode(), b"a"),
        ("\u2168".encode(), b"IX"),
        ("a\u00a0b".encode(), b"a b"),
        ("a\u200bb".encode(), b"a b"),  # a space and nothing at once: a space
        ("u\u0308".encode(), "\u00fc".encode()),
        ("\u00ad".encode(), "\u00ad".encode()),  # nothing would be left
        ("\u00dfx\x07".encode(), "\u00dfx\x07".encode()),  # prohibited: as it was
        ("\u2168\u0221".encode(), "\u2168\u0221".encode()),  # unassigned in Unicode 3.2
        ("\u0627\u0031".encode(), "\u0627\u0031".encode()),  # mixes directions
        ("\u0627\u0031\u0628".encode(), "\u0627\u0031\u0628".encode()),
        (b"\xff\xe2\x85\xa8", b"\xff\xe2\x85\xa8"),  # no UTF-8
        (b"\xed\xa0\x80", b"\xed\xa0\x80"),
        (b"", b""),
    ],
)
def test_saslprep_as_postgresql_does_it(password: bytes, prepared: bytes) -> None:
    assert saslprep(password) == prepared


@given(st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")))
def test_saslprep_takes_any_bytes(password: bytes) -> None:
    assert isinstance(saslprep(password), bytes)
