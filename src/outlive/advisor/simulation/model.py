"""What a simulation is made of: the database, what things take, instances, requests."""

from collections import deque
from dataclasses import dataclass, field

from outlive.storm.load import HANDSHAKE_ROUND_TRIPS, TRANSACTION_ROUND_TRIPS, Invocation, Load


@dataclass(frozen=True, slots=True)
class Database:
    """What a database allows. `places`: connections for everybody, those reserved for superusers and those of others
    taken off. `idle_timeout_s`: after which it ends a connection whose other end is dead, by itself; None: not within
    the run. `sees_hosts`: whether it tells which host a connection comes from, so that a reaper can spare the living;
    else that one goes by age alone.
    """

    places: int
    idle_timeout_s: float | None = None
    sees_hosts: bool = True

    def __post_init__(self) -> None:
        if self.places < 1 or (self.idle_timeout_s is not None and self.idle_timeout_s <= 0):
            raise ValueError("A database has at least one place, and a timeout above 0.")


@dataclass(frozen=True, slots=True)
class Timing:
    """What things take beside a request's own times, in seconds of the run."""

    handshake_s: float
    """Until a new connection to the database, or to what stands before it, can take a request."""
    arrives_s: float
    """Of that, until the database counts it: the third message of TCP's handshake has come there."""
    refusal_s: float
    """Until a function knows that the database refuses it."""
    transaction_s: float
    """The round trips of a transaction."""
    lease_s: float
    """Of these, how long a proxy's server connection is taken: from the first statement's coming to the last answer."""
    request_s: float = 0.0
    """What each request takes above all that: drivers, processes and machines are not free. Measured, or 0."""
    login_s: float = 0.0
    """What a login takes of the database, beside its round trips. Logins wait for each other. Measured, or 0."""
    between_s: float = 0.0
    """Between a generation's end and the next one's begin."""

    @classmethod
    def of(cls, load: Load, scheme: str) -> "Timing":
        """By counting round trips, without TLS. `scheme`: the protocol, as a URL names it; else PostgreSQL's."""
        trips = HANDSHAKE_ROUND_TRIPS.get(scheme, HANDSHAKE_ROUND_TRIPS["postgresql"])
        return cls(
            handshake_s=trips * load.rtt_s,
            arrives_s=1.5 * load.rtt_s,
            # TCP's, and the one whose answer says that all is full.
            refusal_s=2 * load.rtt_s,
            transaction_s=TRANSACTION_ROUND_TRIPS * load.rtt_s,
            lease_s=(TRANSACTION_ROUND_TRIPS - 1) * load.rtt_s,
        )


class Instance:
    """A function instance: it serves one request at a time; others wait in `waiting`."""

    __slots__ = ("busy", "connected", "ended", "number", "used_s", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = False
        self.waiting: deque[Request] = deque()
        self.connected: float | None = None
        """When its connection was opened; None without one."""
        self.ended = False
        """Whether the database has ended its connection, which it does not know yet."""
        self.used_s = 0.0
        """When its connection was last used."""


class Request:
    """A request for `instance` that came at `came_s`, and is given up at `gives_up_s`."""

    __slots__ = ("came_s", "gives_up_s", "instance", "invocation")

    def __init__(self, instance: Instance, invocation: Invocation, came_s: float, gives_up_s: float) -> None:
        self.instance = instance
        self.invocation = invocation
        self.came_s = came_s
        self.gives_up_s = gives_up_s


@dataclass(slots=True)
class Places:
    """The database's places: how many are taken, and how many were at most."""

    limit: int
    taken: int = 0
    peak: int = 0
    handshakes: int = 0
    logged_in_s: float = 0.0
    """When the last login of those begun is through."""
    dead: deque[float] = field(default_factory=deque)
    """When each connection whose other end is dead was last used, the oldest first. They are among `taken`."""

    def take(self) -> bool:
        """One more connection; False: the database refuses it."""
        if self.taken >= self.limit:
            return False
        self.taken += 1
        self.handshakes += 1
        self.peak = max(self.peak, self.taken)
        return True

    def login(self, now_s: float, takes_s: float) -> float:
        """How long a login that begins now takes beside its round trips: it waits for those before it."""
        self.logged_in_s = max(self.logged_in_s, now_s) + takes_s
        return self.logged_in_s - now_s

    def give_back(self) -> None:
        """One is closed."""
        self.taken -= 1

    def abandon(self, used_s: float) -> None:
        """One of those taken belongs to nobody from now on."""
        self.dead.append(used_s)

    def end_dead(self, used_before_s: float) -> None:
        """Those of the dead that were last used before are ended at the database."""
        while self.dead and self.dead[0] <= used_before_s:
            self.dead.popleft()
            self.taken -= 1
