"""Logins of MySQL's and MariaDB's protocol: of clients at Outlive, and of Outlive at servers."""

from outlive.auth.mysql.client_login import ClientLogin, access_denied
from outlive.auth.mysql.credential import Credential
from outlive.auth.mysql.rsa import LoginKey
from outlive.auth.mysql.scramble import CACHING_SHA2, CLEAR, ED25519, NATIVE, SHA256, new_scramble
from outlive.auth.mysql.server_login import ServerLogin
from outlive.auth.mysql.verdict import Accepted, LoginOver, Passthrough, Refused, Step, Verdict

__all__ = [
    "CACHING_SHA2",
    "CLEAR",
    "ED25519",
    "NATIVE",
    "SHA256",
    "Accepted",
    "ClientLogin",
    "Credential",
    "LoginKey",
    "LoginOver",
    "Passthrough",
    "Refused",
    "ServerLogin",
    "Step",
    "Verdict",
    "access_denied",
    "new_scramble",
]
