"""Numbers of the PostgreSQL protocol under the names its documentation gives them.

Source: "Frontend/Backend Protocol" of the PostgreSQL documentation ("Message Formats", "Error and Notice Message
Fields") and its appendix "PostgreSQL Error Codes".
"""

from typing import Final

# Protocol versions and the codes that stand in their place in a first packet: major << 16 | minor.
PROTOCOL_3_0: Final = 3 << 16
PROTOCOL_3_2: Final = 3 << 16 | 2
CANCEL_REQUEST: Final = 1234 << 16 | 5678
SSL_REQUEST: Final = 1234 << 16 | 5679
GSSENC_REQUEST: Final = 1234 << 16 | 5680

# Types of messages that only a client sends.
BIND: Final = ord("B")
CLOSE: Final = ord("C")
DESCRIBE: Final = ord("D")
EXECUTE: Final = ord("E")
FUNCTION_CALL: Final = ord("F")
FLUSH: Final = ord("H")
PARSE: Final = ord("P")
QUERY: Final = ord("Q")
SYNC: Final = ord("S")
TERMINATE: Final = ord("X")
COPY_FAIL: Final = ord("f")
PASSWORD_MESSAGE: Final = ord("p")  # GSSResponse, SASLInitialResponse and SASLResponse too

# That both send.
COPY_DONE: Final = ord("c")
COPY_DATA: Final = ord("d")

# That only a server sends.
PARSE_COMPLETE: Final = ord("1")
BIND_COMPLETE: Final = ord("2")
CLOSE_COMPLETE: Final = ord("3")
NOTIFICATION_RESPONSE: Final = ord("A")
COMMAND_COMPLETE: Final = ord("C")
DATA_ROW: Final = ord("D")
ERROR_RESPONSE: Final = ord("E")
COPY_IN_RESPONSE: Final = ord("G")
COPY_OUT_RESPONSE: Final = ord("H")
EMPTY_QUERY_RESPONSE: Final = ord("I")
BACKEND_KEY_DATA: Final = ord("K")
NOTICE_RESPONSE: Final = ord("N")
AUTHENTICATION: Final = ord("R")
PARAMETER_STATUS: Final = ord("S")
ROW_DESCRIPTION: Final = ord("T")
FUNCTION_CALL_RESPONSE: Final = ord("V")
COPY_BOTH_RESPONSE: Final = ord("W")
READY_FOR_QUERY: Final = ord("Z")
NO_DATA: Final = ord("n")
PORTAL_SUSPENDED: Final = ord("s")
PARAMETER_DESCRIPTION: Final = ord("t")
NEGOTIATE_PROTOCOL_VERSION: Final = ord("v")

# What Describe and Close are about.
STATEMENT: Final = ord("S")
PORTAL: Final = ord("P")

# ReadyForQuery's transaction status.
IDLE: Final = ord("I")
IN_TRANSACTION: Final = ord("T")
FAILED_TRANSACTION: Final = ord("E")

# Requests of an Authentication message.
AUTH_OK: Final = 0
AUTH_KERBEROS_V5: Final = 2
AUTH_CLEARTEXT_PASSWORD: Final = 3
AUTH_MD5_PASSWORD: Final = 5
AUTH_GSS: Final = 7
AUTH_GSS_CONTINUE: Final = 8
AUTH_SSPI: Final = 9
AUTH_SASL: Final = 10
AUTH_SASL_CONTINUE: Final = 11
AUTH_SASL_FINAL: Final = 12

# Answers, one byte each, to SSLRequest and GSSENCRequest.
ENCRYPTION_ACCEPTED: Final = b"S"  # of an SSLRequest; b"G" of a GSSENCRequest
ENCRYPTION_REFUSED: Final = b"N"
TLS_HANDSHAKE: Final = 0x16  # the first byte of a ClientHello
ALPN_POSTGRESQL: Final = "postgresql"

# Types of columns that Outlive itself describes (pg_type.oid).
TYPE_INT8: Final = 20
TYPE_INT4: Final = 23
TYPE_TEXT: Final = 25
TYPE_FLOAT8: Final = 701

NAME_BYTES: Final = 63
"""NAMEDATALEN - 1: the server knows names of statements and portals by so many bytes and ignores the rest."""

# SQLSTATEs.
SUCCESSFUL_COMPLETION: Final = b"00000"
WARNING: Final = b"01000"
CONNECTION_DOES_NOT_EXIST: Final = b"08003"
SERVER_REJECTED_CONNECTION: Final = b"08004"
CONNECTION_FAILURE: Final = b"08006"
PROTOCOL_VIOLATION: Final = b"08P01"
FEATURE_NOT_SUPPORTED: Final = b"0A000"
INVALID_PARAMETER_VALUE: Final = b"22023"
ACTIVE_SQL_TRANSACTION: Final = b"25001"
READ_ONLY_SQL_TRANSACTION: Final = b"25006"
NO_ACTIVE_SQL_TRANSACTION: Final = b"25P01"
IN_FAILED_SQL_TRANSACTION: Final = b"25P02"
IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Final = b"25P03"
INVALID_SQL_STATEMENT_NAME: Final = b"26000"
INVALID_AUTHORIZATION: Final = b"28000"
INVALID_PASSWORD: Final = b"28P01"
INVALID_CURSOR_NAME: Final = b"34000"
INVALID_CATALOG_NAME: Final = b"3D000"
INVALID_TRANSACTION_STATE: Final = b"25000"
INSUFFICIENT_PRIVILEGE: Final = b"42501"
SYNTAX_ERROR: Final = b"42601"
CONFIG_FILE_ERROR: Final = b"F0000"
UNDEFINED_OBJECT: Final = b"42704"
DUPLICATE_PREPARED_STATEMENT: Final = b"42P05"
TOO_MANY_CONNECTIONS: Final = b"53300"
CONFIGURATION_LIMIT_EXCEEDED: Final = b"53400"
PROGRAM_LIMIT_EXCEEDED: Final = b"54000"
OBJECT_NOT_IN_PREREQUISITE_STATE: Final = b"55000"
CANT_CHANGE_RUNTIME_PARAM: Final = b"55P02"
QUERY_CANCELED: Final = b"57014"
ADMIN_SHUTDOWN: Final = b"57P01"
CRASH_SHUTDOWN: Final = b"57P02"
CANNOT_CONNECT_NOW: Final = b"57P03"
DATABASE_DROPPED: Final = b"57P04"
IDLE_SESSION_TIMEOUT: Final = b"57P05"
INTERNAL_ERROR: Final = b"XX000"
