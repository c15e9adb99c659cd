"""The plugins' arithmetic, against values of the servers and of other implementations."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pymysql import _auth

from outlive.auth.mysql import ed25519
from outlive.auth.mysql.credential import Credential
from outlive.auth.mysql.rsa import LoginKey, encrypt_password
from outlive.auth.mysql.scramble import (
    mask,
    native_matches,
    native_response,
    native_verifier,
    new_scramble,
    sha2_matches,
    sha2_response,
    sha2_verifier,
)
from outlive.wire import ProtocolError

SCRAMBLE = bytes(range(1, 21))
passwords = st.binary(max_size=80)
scrambles = st.binary(min_size=20, max_size=20)


def test_native_verifier_is_what_the_password_function_of_the_servers_gives() -> None:
    # SELECT PASSWORD('secret') is *14E65567ABDB5135D0CFD9A70B3032C179A49EE7
    assert native_verifier(b"secret").hex().upper() == "14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


@given(passwords, scrambles)
def test_responses_are_those_of_a_common_driver(password: bytes, scramble: bytes) -> None:
    assert native_response(password, scramble) == _auth.scramble_native_password(password, scramble)
    assert sha2_response(password, scramble) == _auth.scramble_caching_sha2(password, scramble)


@given(passwords, passwords, scrambles)
def test_only_the_password_of_a_verifier_matches_it(password: bytes, other: bytes, scramble: bytes) -> None:
    assert native_matches(native_response(other, scramble), scramble, native_verifier(password)) == (password == other)
    assert sha2_matches(sha2_response(other, scramble), scramble, sha2_verifier(password)) == (password == other)


@given(st.binary(max_size=64).filter(bool))
def test_no_response_matches_an_empty_password_but_the_empty_one(response: bytes) -> None:
    assert not native_matches(response, SCRAMBLE, b"")
    assert not sha2_matches(response, SCRAMBLE, b"")


@given(passwords, scrambles)
def test_the_mask_is_its_own_inverse(password: bytes, scramble: bytes) -> None:
    assert mask(mask(password, scramble), scramble) == password


def test_scrambles_differ_and_hold_no_byte_that_clients_stumble_over() -> None:
    made = {new_scramble() for _ in range(200)}
    assert len(made) == 200
    assert all(len(scramble) == 20 and not set(scramble) & {0, ord("$"), *range(128, 256)} for scramble in made)


def test_ed25519_is_rfc_8032_but_for_the_length_of_its_secret() -> None:
    # RFC 8032, 7.1, test 2: where the password is 32 bytes, it is a seed, and any library agrees.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert ed25519.sign(seed, b"\x72") == Ed25519PrivateKey.from_private_bytes(seed).sign(b"\x72")


@pytest.mark.parametrize("password", [b"", b"secret", "pässwörd".encode(), b"x" * 200])
def test_ed25519_signatures_verify(password: bytes) -> None:
    message = bytes(range(32))
    expanded = hashlib.sha512(password).digest()
    secret = int.from_bytes(expanded[:32], "little") & ((1 << 254) - 8) | 1 << 254
    public = ed25519._encoded_multiple_of_base(secret)
    Ed25519PublicKey.from_public_bytes(public).verify(ed25519.sign(password, message), message)


def test_rsa_carries_a_password_to_its_key_and_scramble_only() -> None:
    key, other = LoginKey(), LoginKey()
    ciphertext = encrypt_password(key.public_pem, b"secret", SCRAMBLE)
    assert b"secret" not in ciphertext
    assert key.decrypt(ciphertext, SCRAMBLE) == b"secret\0"
    assert key.decrypt(ciphertext, SCRAMBLE[::-1]) != b"secret\0"
    assert other.decrypt(ciphertext, SCRAMBLE) is None
    assert key.decrypt(b"", SCRAMBLE) is None
    assert key.decrypt(bytes(256), SCRAMBLE) is None


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_key_that_is_none_is_a_protocol_error(pem: bytes) -> None:
    with pytest.raises(ProtocolError):
        encrypt_password(pem, b"secret", SCRAMBLE)


def test_a_password_longer_than_the_key_can_take_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        encrypt_password(LoginKey().public_pem, b"x" * 1000, SCRAMBLE)


def test_a_credential_never_shows_its_password() -> None:
    assert "secret" not in repr(Credential(b"secret"))
    assert Credential(None, native=b"n", sha2=b"s").password is None
    with pytest.raises(ValueError):
        Credential(None, native=b"n")
