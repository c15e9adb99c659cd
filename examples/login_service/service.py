"""What the service does, whatever keeps its data."""

from typing import Protocol, TypedDict


class Device(TypedDict):
    """Which user and household a device belongs to, and how often it has logged in."""

    device_id: str
    user_id: str
    household_id: str
    logins: int


class NotFound(Exception):
    """There is no such device."""


class Conflict(Exception):
    """The device is provisioned already."""


class Store(Protocol):
    """Ids are UUIDs in text."""

    def provision(self, device_id: str, user_id: str, household_id: str) -> Device:
        """A new device. Raises Conflict."""

    def log_in(self, device_id: str) -> Device:
        """The device has started: who is it? Raises NotFound."""

    def move(self, device_id: str, household_id: str) -> Device:
        """To another household; its user stays. Raises NotFound."""

    def device(self, device_id: str) -> Device:
        """Raises NotFound."""

    def of_user(self, user_id: str) -> list[Device]:
        """All devices of a user, by id."""

    def of_household(self, household_id: str) -> list[Device]:
        """All devices in a household, by id."""
