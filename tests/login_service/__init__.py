"""The login service: its three versions, by one suite."""
