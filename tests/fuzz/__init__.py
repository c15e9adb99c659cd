"""Bad input, from clients and from servers."""
