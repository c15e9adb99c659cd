"""Logins and their verifiers, both sides, as pure state machines with one final verdict."""
