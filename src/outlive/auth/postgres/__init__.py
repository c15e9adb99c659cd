"""Logins of PostgreSQL's protocol: of clients at Outlive, and of Outlive at servers."""

from outlive.auth.postgres.certificate import common_name, tls_server_end_point
from outlive.auth.postgres.client_login import ClientLogin, authentication_failed
from outlive.auth.postgres.credential import Credential
from outlive.auth.postgres.methods import ALL_METHODS, CERT, CLEAR, MD5, NONE, SCRAM
from outlive.auth.postgres.mock import MockSecrets
from outlive.auth.postgres.scram import ScramKeys, ScramSecret
from outlive.auth.postgres.server_login import ServerLogin
from outlive.auth.postgres.verdict import Accepted, LoginOver, Passthrough, Refused, Step, Verdict

__all__ = [
    "ALL_METHODS",
    "CERT",
    "CLEAR",
    "MD5",
    "NONE",
    "SCRAM",
    "Accepted",
    "ClientLogin",
    "Credential",
    "LoginOver",
    "MockSecrets",
    "Passthrough",
    "Refused",
    "ScramKeys",
    "ScramSecret",
    "ServerLogin",
    "Step",
    "Verdict",
    "authentication_failed",
    "common_name",
    "tls_server_end_point",
]
