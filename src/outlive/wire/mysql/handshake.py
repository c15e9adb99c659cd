"""Messages of the connection phase: greeting, response, TLS request, authentication switch, change of user.

Source: "Connection Phase" of the MySQL protocol documentation and MariaDB's "Connecting". Only protocol 4.1 is spoken:
what is older was last needed by MySQL 4.0 and has no salted passwords of worth.
"""

from collections.abc import Mapping

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    AUTH_MORE_DATA_HEADER,
    AUTH_SWITCH_HEADER,
    CLIENT_CONNECT_ATTRS,
    CLIENT_CONNECT_WITH_DB,
    CLIENT_LONG_PASSWORD,
    CLIENT_PLUGIN_AUTH,
    CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
    CLIENT_PROTOCOL_41,
    CLIENT_SECURE_CONNECTION,
    CLIENT_SSL,
    CLIENT_ZSTD_COMPRESSION_ALGORITHM,
    COM_CHANGE_USER,
)
from outlive.wire.mysql.packets import (
    lenenc_bytes,
    read_fixed,
    read_fixed_int,
    read_lenenc_bytes,
    read_lenenc_number,
    read_nul,
)

PROTOCOL_VERSION = 10
SCRAMBLE_BYTES = 20
_SSL_REQUEST_BYTES = 32


class Greeting:
    """Protocol::HandshakeV10, the server's first message.

    `server_version` is verbatim, MariaDB's "5.5.5-" included. `extended_capabilities` are MariaDB's; they travel only
    when CLIENT_LONG_PASSWORD, which MariaDB calls CLIENT_MYSQL, is clear.
    """

    __slots__ = (
        "capabilities",
        "charset",
        "connection_id",
        "extended_capabilities",
        "plugin",
        "scramble",
        "server_version",
        "status",
    )

    def __init__(
        self,
        server_version: bytes,
        connection_id: int,
        scramble: bytes,
        capabilities: int,
        charset: int,
        status: int,
        plugin: bytes,
        extended_capabilities: int = 0,
    ) -> None:
        self.server_version = server_version
        self.connection_id = connection_id
        self.scramble = scramble
        self.capabilities = capabilities
        self.charset = charset
        self.status = status
        self.plugin = plugin
        self.extended_capabilities = extended_capabilities

    @property
    def is_mariadb(self) -> bool:
        """Whether the version names MariaDB."""
        return b"mariadb" in self.server_version.lower()

    @classmethod
    def parse(cls, payload: bytes) -> "Greeting":
        """Raises ProtocolError; so does an ERR, which a full server sends in place of a greeting."""
        version, position = read_fixed_int(payload, 0, 1)
        if version != PROTOCOL_VERSION:
            raise ProtocolError(f"a greeting of protocol version {version}")
        server_version, position = read_nul(payload, position)
        connection_id, position = read_fixed_int(payload, position, 4)
        scramble, position = read_fixed(payload, position, 8)
        lower, position = read_fixed_int(payload, position + 1, 2)
        charset, position = read_fixed_int(payload, position, 1)
        status, position = read_fixed_int(payload, position, 2)
        upper, position = read_fixed_int(payload, position, 2)
        capabilities = lower | upper << 16
        if not capabilities & CLIENT_PROTOCOL_41 or not capabilities & CLIENT_SECURE_CONNECTION:
            raise ProtocolError("a server older than protocol 4.1")
        scramble_length, position = read_fixed_int(payload, position, 1)
        reserved, position = read_fixed(payload, position, 10)
        extended = 0 if capabilities & CLIENT_LONG_PASSWORD else int.from_bytes(reserved[6:], "little")
        second, position = read_fixed(payload, position, max(12, scramble_length - 9))
        scramble += second[: SCRAMBLE_BYTES - 8]
        plugin = b""
        if capabilities & CLIENT_PLUGIN_AUTH:
            # The NUL that ends the scramble may be counted in its length or not; some old servers end the name without.
            plugin = payload[position:].lstrip(b"\0").split(b"\0", 1)[0]
        return cls(server_version, connection_id, scramble, capabilities, charset, status, plugin, extended)

    def encode(self) -> bytes:
        """The payload."""
        with_plugin = bool(self.capabilities & CLIENT_PLUGIN_AUTH)
        extended = 0 if self.capabilities & CLIENT_LONG_PASSWORD else self.extended_capabilities
        return b"".join(
            (
                bytes((PROTOCOL_VERSION,)),
                self.server_version + b"\0",
                self.connection_id.to_bytes(4, "little"),
                self.scramble[:8] + b"\0",
                (self.capabilities & 0xFFFF).to_bytes(2, "little"),
                bytes((self.charset & 0xFF,)),
                self.status.to_bytes(2, "little"),
                (self.capabilities >> 16).to_bytes(2, "little"),
                bytes((SCRAMBLE_BYTES + 1 if with_plugin else 0,)),
                bytes(6) + extended.to_bytes(4, "little"),
                self.scramble[8:] + b"\0",
                self.plugin + b"\0" if with_plugin else b"",
            )
        )


class HandshakeResponse:
    """Protocol::HandshakeResponse41, the client's login. Its repr never shows `auth_response`."""

    __slots__ = (
        "attributes",
        "auth_response",
        "capabilities",
        "charset",
        "database",
        "extended_capabilities",
        "max_packet_bytes",
        "plugin",
        "user",
    )

    def __init__(
        self,
        capabilities: int,
        max_packet_bytes: int,
        charset: int,
        user: bytes,
        auth_response: bytes,
        database: bytes = b"",
        plugin: bytes = b"",
        attributes: Mapping[bytes, bytes] | None = None,
        extended_capabilities: int = 0,
    ) -> None:
        self.capabilities = capabilities
        self.max_packet_bytes = max_packet_bytes
        self.charset = charset
        self.user = user
        self.auth_response = auth_response
        self.database = database
        self.plugin = plugin
        self.attributes: dict[bytes, bytes] = dict(attributes or {})
        self.extended_capabilities = extended_capabilities

    @classmethod
    def parse(cls, payload: bytes) -> "HandshakeResponse":
        """Raises ProtocolError, also for a client older than protocol 4.1."""
        capabilities, position = read_fixed_int(payload, 0, 4)
        if not capabilities & CLIENT_PROTOCOL_41:
            raise ProtocolError("a client older than protocol 4.1")
        max_packet_bytes, position = read_fixed_int(payload, position, 4)
        charset, position = read_fixed_int(payload, position, 1)
        filler, position = read_fixed(payload, position, 23)
        extended = 0 if capabilities & CLIENT_LONG_PASSWORD else int.from_bytes(filler[19:], "little")
        user, position = read_nul(payload, position)
        auth_response, position = _read_auth_response(payload, position, capabilities)
        database = plugin = b""
        if capabilities & CLIENT_CONNECT_WITH_DB:
            database, position = _read_nul_or_rest(payload, position)
        if capabilities & CLIENT_PLUGIN_AUTH:
            plugin, position = _read_nul_or_rest(payload, position)
        attributes: dict[bytes, bytes] = {}
        if capabilities & CLIENT_CONNECT_ATTRS and position < len(payload):
            attributes, position = _read_attributes(payload, position)
        return cls(capabilities, max_packet_bytes, charset, user, auth_response, database, plugin, attributes, extended)

    def encode(self) -> bytes:
        """The payload; the capabilities decide which fields are in it."""
        capabilities = self.capabilities
        pieces = [_response_head(capabilities, self.max_packet_bytes, self.charset, self.extended_capabilities)]
        pieces.append(self.user + b"\0")
        if capabilities & CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA:
            pieces.append(lenenc_bytes(self.auth_response))
        elif capabilities & CLIENT_SECURE_CONNECTION:
            pieces.append(_short_bytes(self.auth_response))
        else:
            pieces.append(self.auth_response + b"\0")
        if capabilities & CLIENT_CONNECT_WITH_DB:
            pieces.append(self.database + b"\0")
        if capabilities & CLIENT_PLUGIN_AUTH:
            pieces.append(self.plugin + b"\0")
        if capabilities & CLIENT_CONNECT_ATTRS:
            pieces.append(_encode_attributes(self.attributes))
        if capabilities & CLIENT_ZSTD_COMPRESSION_ALGORITHM:
            pieces.append(b"\x03")  # The protocol's default level.
        return b"".join(pieces)

    def __repr__(self) -> str:
        return f"<HandshakeResponse user={self.user!r} plugin={self.plugin!r} capabilities={self.capabilities:#x}>"


def is_ssl_request(payload: bytes) -> bool:
    """Whether the client's first packet is Protocol::SSLRequest: the head of a response and nothing more."""
    if len(payload) != _SSL_REQUEST_BYTES:
        return False
    return int.from_bytes(payload[:4], "little") & (CLIENT_SSL | CLIENT_PROTOCOL_41) == CLIENT_SSL | CLIENT_PROTOCOL_41


def ssl_request(capabilities: int, max_packet_bytes: int, charset: int, extended_capabilities: int = 0) -> bytes:
    """Protocol::SSLRequest; what follows it goes through TLS."""
    return _response_head(capabilities | CLIENT_SSL, max_packet_bytes, charset, extended_capabilities)


def auth_switch_request(plugin: bytes, data: bytes) -> bytes:
    """Protocol::AuthSwitchRequest. A scramble of 20 bytes travels with a NUL behind it, as servers send it."""
    return bytes((AUTH_SWITCH_HEADER,)) + plugin + b"\0" + data + (b"\0" if len(data) == SCRAMBLE_BYTES else b"")


def parse_auth_switch_request(payload: bytes) -> tuple[bytes, bytes]:
    """Plugin and data. Only a scramble of 20 bytes has a NUL to lose: ed25519's 32 random bytes may end with one."""
    if not payload or payload[0] != AUTH_SWITCH_HEADER:
        raise ProtocolError("this is no request to switch authentication")
    if len(payload) == 1:
        raise ProtocolError("the server asks for the passwords of MySQL 4.0 (mysql_old_password)")
    plugin, position = read_nul(payload, 1)
    data = payload[position:]
    if len(data) == SCRAMBLE_BYTES + 1 and not data[-1]:
        data = data[:-1]
    return plugin, data


def auth_more_data(data: bytes) -> bytes:
    """Protocol::AuthMoreData."""
    return bytes((AUTH_MORE_DATA_HEADER,)) + data


class ChangeUser:
    """COM_CHANGE_USER. `charset` is 0 when the client left it out. Its repr never shows `auth_response`."""

    __slots__ = ("attributes", "auth_response", "charset", "database", "plugin", "user")

    def __init__(
        self,
        user: bytes,
        auth_response: bytes,
        database: bytes = b"",
        charset: int = 0,
        plugin: bytes = b"",
        attributes: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.user = user
        self.auth_response = auth_response
        self.database = database
        self.charset = charset
        self.plugin = plugin
        self.attributes: dict[bytes, bytes] = dict(attributes or {})

    @classmethod
    def parse(cls, payload: bytes, capabilities: int) -> "ChangeUser":
        """`capabilities` are those of the login. Raises ProtocolError."""
        if not payload or payload[0] != COM_CHANGE_USER:
            raise ProtocolError("this is no COM_CHANGE_USER")
        user, position = read_nul(payload, 1)
        # One byte counts the response here whatever PLUGIN_AUTH_LENENC_CLIENT_DATA says.
        auth_response, position = _read_auth_response(
            payload, position, capabilities & ~CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        )
        database, position = _read_nul_or_rest(payload, position)
        charset, plugin = 0, b""
        attributes: dict[bytes, bytes] = {}
        if position < len(payload):
            charset, position = read_fixed_int(payload, position, 2)
        if capabilities & CLIENT_PLUGIN_AUTH and position < len(payload):
            plugin, position = _read_nul_or_rest(payload, position)
        if capabilities & CLIENT_CONNECT_ATTRS and position < len(payload):
            attributes, position = _read_attributes(payload, position)
        return cls(user, auth_response, database, charset, plugin, attributes)

    def encode(self, capabilities: int) -> bytes:
        """The payload on a connection of these capabilities."""
        pieces = [bytes((COM_CHANGE_USER,)), self.user, b"\0"]
        if capabilities & CLIENT_SECURE_CONNECTION:
            pieces.append(_short_bytes(self.auth_response))
        else:
            pieces.append(self.auth_response + b"\0")
        pieces += (self.database, b"\0", self.charset.to_bytes(2, "little"))
        if capabilities & CLIENT_PLUGIN_AUTH:
            pieces.append(self.plugin + b"\0")
        if capabilities & CLIENT_CONNECT_ATTRS:
            pieces.append(_encode_attributes(self.attributes))
        return b"".join(pieces)

    def __repr__(self) -> str:
        return f"<ChangeUser user={self.user!r} plugin={self.plugin!r}>"


def _response_head(capabilities: int, max_packet_bytes: int, charset: int, extended_capabilities: int) -> bytes:
    extended = 0 if capabilities & CLIENT_LONG_PASSWORD else extended_capabilities
    return b"".join(
        (
            capabilities.to_bytes(4, "little"),
            max_packet_bytes.to_bytes(4, "little"),
            bytes((charset & 0xFF,)),
            bytes(19),
            extended.to_bytes(4, "little"),
        )
    )


def _short_bytes(value: bytes) -> bytes:
    if len(value) > 0xFF:
        raise ProtocolError("an authentication response above 255 bytes needs PLUGIN_AUTH_LENENC_CLIENT_DATA")
    return bytes((len(value),)) + value


def _read_auth_response(payload: bytes, position: int, capabilities: int) -> tuple[bytes, int]:
    if capabilities & CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA:
        value, position = read_lenenc_bytes(payload, position)
        return value or b"", position
    if capabilities & CLIENT_SECURE_CONNECTION:
        length, position = read_fixed_int(payload, position, 1)
        return read_fixed(payload, position, length)
    return read_nul(payload, position)


def _read_nul_or_rest(payload: bytes, position: int) -> tuple[bytes, int]:
    # Servers accept a last field without its NUL, and some clients leave it out.
    end = payload.find(b"\0", position)
    return (payload[position:], len(payload)) if end < 0 else (payload[position:end], end + 1)


def _read_attributes(payload: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    length, position = read_lenenc_number(payload, position)
    field, end = read_fixed(payload, position, length)
    attributes: dict[bytes, bytes] = {}
    position = 0
    while position < length:
        name, position = read_lenenc_bytes(field, position)
        value, position = read_lenenc_bytes(field, position)
        attributes[name or b""] = value or b""
    return attributes, end


def _encode_attributes(attributes: Mapping[bytes, bytes]) -> bytes:
    return lenenc_bytes(b"".join(lenenc_bytes(name) + lenenc_bytes(value) for name, value in attributes.items()))
