"""The end of a server connection, in the same turn of the loop as a client's statement."""

from tests.fuzz.house import CLIENT, House

from outlive.wire.mysql.packets import packet

STATEMENT = b"\x03SELECT 'after the end'"


def test_a_statement_is_not_lent_a_connection_whose_end_was_read() -> None:
    with House(max_connections=3) as house:
        client = house.client()
        client.log_in(CLIENT)
        client.command(b"\x03SELECT 1")
        assert client.answers()
        client.transport.received.clear()
        ended = house.servers.open
        for server in ended:
            server.transport.hang_up()  # the end is read; that the socket is closed comes with the next turn
        client.transport.say(packet(0, STATEMENT))
        house.pass_time(1)
        assert client.is_in
        assert client.answers()[4] == 1, "one column: the result"
        assert not [server for server in ended if any(STATEMENT[1:] in found for found in server.commands)]
        assert sum(STATEMENT[1:] in found for found in house.servers.commands) == 1
        house.check()
        house.check_serves()
