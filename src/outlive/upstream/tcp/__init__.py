"""The server side of protocols that Outlive does not speak: one server connection a client, dialled for it."""
