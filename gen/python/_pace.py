"""Calls that share a limit are spread before it has to refuse them."""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable

from ._standing import Standing

_CROWDED = 10
"""How much faster than evenly those go who waited for a window."""
_MOST_LANES = 1024
"""Bounds what is kept: callers with more credentials than that go unpaced."""


class Lane:
    """The calls that share one limit. Nanoseconds throughout.

    Whoever would exceed it is given an instant at which there is room, each
    another one, so that nobody has to be refused to find out.

    Limits whose units come back one by one are used as they do. The units of a
    window are used as they are asked for: to spread them would delay calls that
    are admitted. Those who wait for the next window go through its first tenth,
    as many as it has units, then the next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The latest standing, with what is left being less those under way.
        self._told = Standing()
        self._known = False
        self._seen = 0
        # Calls that were sent and not answered, and those that wait.
        self._under = 0
        self._parked = 0
        # The instants that were given, from base on.
        self._base = -math.inf
        self._given = 0
        # Until when the server refuses, by its own word.
        self._held = -math.inf

    @property
    def idle(self) -> bool:
        """Whether nobody is in it."""
        return not self._under and not self._parked

    def enter(self, now: int, most: float) -> tuple[int, bool]:
        """Ask for a place; return the wait for it, and whether it is reserved.

        A wait of 0 counts the call as sent. Otherwise the caller comes back then,
        with leave. Nothing is reserved when that is longer than most.
        """
        with self._lock:
            if not self._known:
                self._under += 1
                return 0, True
            left = self._left_at(now)
            earliest = self._earliest(now, left)
            if self._slot() < earliest:
                self._base, self._given = earliest, 0
            wait = math.ceil(self._slot() - now)
            if wait > most:
                return wait, False
            if wait > 0 or left < 1:  # the units that are left are no queue
                self._given += 1
            if wait <= 0:
                self._sent()
                return 0, True
            self._parked += 1
            return wait, True

    def leave(self, now: int) -> bool:
        """End a wait; False when the server refuses meanwhile: then enter again."""
        with self._lock:
            self._parked -= 1
            if now < self._held:
                return False
            self._sent()
            return True

    def forgo(self) -> None:
        """Give back the instant of a call that waits no longer."""
        with self._lock:
            self._parked -= 1
            self._given = max(self._given - 1, 0)

    def join(self) -> None:
        """Count a call that the server itself told when to come."""
        with self._lock:
            self._sent()

    def saw(self, now: int, standing: Standing | None) -> None:
        """Take in what a response tells, if it does."""
        with self._lock:
            self._under -= 1
            if standing is None:
                return
            if standing.limit <= 0:
                standing.limit = max(self._told.limit, int(standing.left) + 1)
            if not standing.window and not standing.every:
                until = (standing.fresh or now) - now
                standing.window = max(self._told.window, until)
            standing.left -= self._under
            self._told, self._known, self._seen = standing, True, now

    def refused(self, now: int, wait: int) -> None:
        """Take in that the limit refused a call and named its next instant.

        Whoever asks from now on comes after that.
        """
        with self._lock:
            if not self._known:
                return  # nothing tells when there is room again
            self._told.left = min(self._told.left, 0)
            self._held = max(self._held, now + wait)
            # The first instant is that of the call that was refused.
            if self._slot() <= self._held:
                self._base, self._given = self._held, 1

    def lost(self) -> None:
        """End a call that got no response."""
        with self._lock:
            self._under -= 1

    def _sent(self) -> None:
        self._under += 1
        self._told.left -= 1

    def _left_at(self, now: int) -> float:
        """Return how many calls the limit admits now, for all that is known."""
        told = self._told
        if told.every:
            left = told.left + (now - self._seen) / told.every
            return min(left, told.limit - self._under)
        if told.fresh is not None and now >= told.fresh:
            self._renew(now, told.fresh)
        return told.left

    def _renew(self, now: int, fresh: int) -> None:
        """Begin a window of which no response has told yet."""
        told = self._told
        if told.window <= 0 or told.limit <= 0:
            self._known = False
            told.left = 1
            return
        told.fresh = now + told.window - (now - fresh) % told.window
        told.left = told.limit - self._under

    def _earliest(self, now: int, left: float) -> float:
        """Return when there is room, were nobody in the queue."""
        at = max(now, self._held)
        if left >= 1:
            return at
        if self._told.every:
            return max(at, now + int((1 - left) * self._told.every))
        return at if self._told.fresh is None else max(at, self._told.fresh)

    def _slot(self) -> float:
        """Return the first instant that nobody was given."""
        told, base = self._told, self._base
        if math.isinf(base):
            return base
        if told.every or told.limit < 1:
            return base + self._given * told.every
        windows, place = divmod(self._given, told.limit)
        step = told.window // told.limit // _CROWDED
        return base + windows * told.window + place * step


class Pacer:
    """The lanes of a client, by what their limits are told apart by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[int, Lane] = {}  # the least recently used first

    def find(self, name: Hashable) -> Lane | None:
        """Return where a call queues; None when there are too many queues."""
        key = hash(name)  # credentials are not kept
        with self._lock:
            lane = self._lanes.pop(key, None) or self._make()
            if lane is not None:
                self._lanes[key] = lane
            return lane

    def _make(self) -> Lane | None:
        if len(self._lanes) < _MOST_LANES:
            return Lane()
        for _, key in zip(range(16), self._lanes):
            if self._lanes[key].idle:
                del self._lanes[key]
                return Lane()
        return None
