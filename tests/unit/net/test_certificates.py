"""Certificate files: read again when they change, and named when they cannot be used."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.servers.certificates import Certificates

from outlive.net.certificates import CertificateError, listener_certificates, server_certificates


@pytest.fixture
def files(issued: Certificates, tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(issued.server_cert, certificate)
    shutil.copy(issued.server_key, key)
    return certificate, key


def test_the_context_is_shared_until_a_file_changes(issued: Certificates, files: tuple[Path, Path]) -> None:
    certificate, key = files
    listener = listener_certificates(str(certificate), str(key))
    first = listener.context()
    assert listener.context() is first
    renewed, renewed_key = issued.issue("renewed", hosts=("localhost",))
    shutil.copy(renewed, certificate)
    # The new certificate is there and its key is not: the old context serves on.
    assert listener.context() is first
    assert listener.error is not None
    assert str(certificate) in str(listener.error)
    shutil.copy(renewed_key, key)
    second = listener.context()
    assert second is not first
    assert listener.error is None
    assert listener.context() is second


def test_a_symbolic_link_that_is_turned_is_a_change(
    issued: Certificates, files: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, key = files
    renewed, renewed_key = issued.issue("turned", hosts=("localhost",))
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    shutil.copy(certificate, tmp_path / "old/cert.pem")
    shutil.copy(key, tmp_path / "old/key.pem")
    shutil.copy(renewed, tmp_path / "new/cert.pem")
    shutil.copy(renewed_key, tmp_path / "new/key.pem")
    current = tmp_path / "current"
    current.symlink_to("old")
    listener = listener_certificates(str(current / "cert.pem"), str(current / "key.pem"))
    first = listener.context()
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(current)
    assert listener.context() is not first
    assert listener.error is None


def test_files_that_vanish_leave_the_old_context(files: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = files
    listener = listener_certificates(str(certificate), str(key))
    first = listener.context()
    key.unlink()
    assert listener.context() is listener.context() is first
    assert str(key) in str(listener.error)
    # An operator has no other sign of it until the old one expires: a line, and one a change only.
    (line,) = caplog.records
    assert line.getMessage() == "certificates not read again"


def test_files_that_cannot_be_used_are_named(files: tuple[Path, Path], issued: Certificates, tmp_path: Path) -> None:
    certificate, key = map(str, files)
    nothing, nonsense = str(tmp_path / "nothing.pem"), str(tmp_path / "nonsense.pem")
    Path(nonsense).write_text("nonsense")
    cases = [
        ((nothing, key), nothing),
        ((certificate, nothing), nothing),
        ((nonsense, key), nonsense),
        ((certificate, nonsense), nonsense),
        ((certificate, str(issued.client_key)), str(issued.client_key)),
        ((certificate, key, nothing), nothing),
        ((certificate, key, nonsense), nonsense),
    ]
    for arguments, named in cases:
        with pytest.raises(CertificateError) as raised:
            listener_certificates(*arguments)
        assert named in str(raised.value)
    for options, named in [
        ({"ca": nothing}, nothing),
        ({"certificate": nothing}, nothing),
        ({"ca": nonsense}, nonsense),
    ]:
        with pytest.raises(CertificateError) as raised:
            server_certificates("verify-ca", **options)
        assert named in str(raised.value)


def test_an_encrypted_key_is_an_error_and_no_question_on_the_terminal(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = files
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkcs8", "-topk8", "-in", str(key), "-out", str(locked), "-passout", "pass:word"]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(CertificateError, match="unencrypted"):
        listener_certificates(str(certificate), str(locked))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(files: tuple[Path, Path]) -> None:
    certificate, key = files
    key.chmod(0)
    with pytest.raises(CertificateError, match="cannot be read"):
        listener_certificates(str(certificate), str(key))


def test_the_certificate_that_is_shown_is_known(issued: Certificates, files: tuple[Path, Path]) -> None:
    """Channel binding needs it, and that of a renewed one at once."""
    certificate, key = files
    listener = listener_certificates(str(certificate), str(key))
    assert listener.shown == ssl.PEM_cert_to_DER_cert(certificate.read_text())
    renewed, renewed_key = issued.issue("shown", hosts=("localhost",))
    shutil.copy(renewed_key, key)
    shutil.copy(renewed, certificate)
    listener.context()
    assert listener.shown == ssl.PEM_cert_to_DER_cert(renewed.read_text())
    servers = server_certificates(ca=str(issued.ca))
    assert servers is not None
    assert servers.shown is None
