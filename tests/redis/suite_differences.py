"""redis-py's own test-suite: what is run of it, and each difference that a pool makes to it, with the reason."""

NOT_RUN = {
    "test_auth": "gives the default user a password: a node learns its users when it is configured",
    "test_sync": "SYNC is refused through a pool; direct it takes 5 s to be answered",
    "test_psync": "PSYNC is refused through a pool; direct it takes 5 s to be answered",
    "test_network_connection_failure": "about the client alone, and slow",
    "test_unix_socket_connection_failure": "about the client alone, and slow",
    "test_on_connect_error": "about the client alone, and slow",
    "TestPubSubRedisDown": "about the client alone, and slow",
    "test_ignore_all_subscribe_messages": "waits 3 s for nothing",
    "test_ignore_individual_subscribe_messages": "waits 3 s for nothing",
    "message_handler": "waits 2 s for nothing",
}
"""By a part of the name."""

FAILS_DIRECT = {
    "test_acl_getuser_setuser": "expects the answers of a later server",
    "test_acl_log": "expects the answers of a later server",
    "test_xgroup_create_entriesread": "expects the answers of a later server",
    "test_retry_connect_on_timeout_error": "connects to port 6379, whatever the suite is told",
    "test_connect_with_retries": "connects to port 6379, whatever the suite is told",
    "test_create_single_connection_client_from_url": "connects to port 6379, whatever the suite is told",
}
"""By name: what this server does not pass, with nothing in between."""

_TRACKING = "CLIENT TRACKING is refused: an invalidation belongs to a connection, and those are shared"
_PAUSE = "CLIENT PAUSE and UNPAUSE are refused: they would stop the clients of everybody"

DIFFERENT = {
    "test_client_trackinginfo": _TRACKING,
    "test_client_tracking": _TRACKING,
    "test_client_getredir": _TRACKING,
    "test_client_pause": _PAUSE,
    "test_client_pause_all": _PAUSE,
    "test_client_unpause": _PAUSE,
    "test_client_kill_filter_by_laddr": "CLIENT KILL LADDR: the server's addresses are not the clients'",
    "test_client_kill_filter_by_user": "a client ends clients of its own user only",
    "test_connection_error_raised_when_connection_dies": "CLIENT LIST does not tell each client's last command (cmd=)",
    "test_response_values": "waits for MONITOR to show a PING, which the node answers itself",
}
"""By name: what passes direct, and not through."""

SYNC = [
    *("test_commands", "test_pipeline", "test_pubsub", "test_lock", "test_monitor", "test_scripting", "test_encoding"),
    *("test_function", "test_connection", "test_connection_pool", "test_client"),
]
ASYNC = [
    f"test_asyncio/{name}"
    for name in (
        *("test_commands", "test_pipeline", "test_pubsub", "test_lock", "test_monitor", "test_scripting"),
        *("test_encoding", "test_connection"),
    )
]
SHORT = ["test_commands", "test_pipeline", "test_scripting", "test_monitor", "test_encoding", "test_function"]
"""What `make test` runs of it."""
SLOW = (
    *("blpop", "brpop", "bzpop", "bzmpop", "blmpop", "client_reply"),  # each waits for a second
    *("test_z", "test_x", "test_geo", "test_bit", "test_hash", "test_sort", "test_acl", "test_memory", "test_latency"),
)
"""Left out in `make test`: test_same.py has what they ask, or they are like many others to a pool."""
