"""Calls that share a limit are spread before it has to refuse them."""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable
from typing import NamedTuple

from ._failure import NANOSECONDS
from ._share import SAME_END, Refusal, Share
from ._standing import Standing

_CROWDED = 10
"""How much faster than evenly those go who waited for a window."""
_MOST_LANES = 1024
"""Bounds what is kept: callers with more credentials than that go unpaced."""
_NEARLY = 1e-6
"""How much of a unit nobody waits for: it is the error of reckoning."""


class Turn(NamedTuple):
    """When a call may be sent."""

    wait: int
    """0 counts it as sent."""
    fits: bool = True
    """False: the wait is longer than the call may wait, and nothing is reserved."""
    ticket: int = 0
    """The call's place in the line for a share; 0: it has an instant of its own."""


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
        # The least that was told to be left of the window that ends about then.
        self._lowest = 0.0
        self._ends: int | None = None
        # Calls that were sent and not answered, and those that wait.
        self._under = 0
        self._parked = 0
        # The ticket that was given last, and how many of those that wait have one.
        self._tickets = 0
        self._queued = 0
        # The instants that were given, from base on.
        self._base = -math.inf
        self._given = 0
        # Until when the server refuses, by its own word.
        self._held = -math.inf
        # This process's part of the limit, where others use it as well.
        self._share = Share()

    @property
    def idle(self) -> bool:
        """Whether nobody is in it."""
        return not self._under and not self._parked

    def enter(self, now: int, most: float) -> Turn:
        """Ask for a place. Who has to wait comes back then, with leave."""
        with self._lock:
            if not self._known:
                self._under += 1
                return Turn(0)
            left = self._left_at(now)
            if self._shared():
                return self._line_up(now, most)
            earliest = self._earliest(now, left)
            if self._slot() < earliest:
                self._base, self._given = earliest, 0
            wait = math.ceil(self._slot() - now)
            if wait > most:
                return Turn(wait, fits=False)
            if wait > 0 or left < 1:  # the units that are left are no queue
                self._given += 1
            if wait <= 0:
                self._sent()
                return Turn(0)
            self._parked += 1
            return Turn(wait)

    def _line_up(self, now: int, most: float) -> Turn:
        wait, fits = self._bounded(now, self._queued, most)
        if not fits:
            return Turn(wait, fits=False)
        if not wait:
            self._sent()
            return Turn(0)
        self._parked += 1
        self._queued += 1
        self._tickets += 1
        return Turn(min(wait, self._share.glance), ticket=self._tickets)

    def _bounded(self, now: int, before: int, most: float) -> tuple[int, bool]:
        """Return the turn of a call that waits no longer than most.

        How much others take is a guess, which refuses nobody.
        """
        wait = self._turn(now, before)
        if wait > most and now >= self._held:
            return 0, most >= 0
        return wait, wait <= most

    def _turn(self, now: int, before: int) -> int:
        """Return how long a call waits that has so many before it in this process."""
        left, held = self._left_at(now), int(max(self._held - now, 0))
        if left >= before + 1 - _NEARLY:
            return held
        following = int(max(1 - left, 0) * self._told.every)
        # Those behind go faster once there is more than was thought, at best as fast
        # as the limit has units. They look again by then.
        each = max(following, self._share.alone // 2)
        return max(held, following + before * each, NANOSECONDS // 1000)

    def leave(self, now: int, ticket: int, most: float) -> int | None:
        """End a wait: 0 sends the call, and otherwise it waits on for so long.

        None: enter again. The server has said meanwhile that it refuses, or the wait
        would be longer than most.
        """
        with self._lock:
            fits = not ticket or self._shared()
            if fits and ticket:
                before = max(ticket - self._tickets + self._queued - 1, 0)
                wait, fits = self._bounded(now, before, most)
                if fits and wait:
                    return min(wait, self._share.glance)
            self._unpark(ticket)
            if not fits or now < self._held:
                return None
            self._sent()
            return 0

    def forgo(self, ticket: int) -> None:
        """Give back the instant of a call that waits no longer."""
        with self._lock:
            self._unpark(ticket)
            if not ticket:
                self._given = max(self._given - 1, 0)

    def _unpark(self, ticket: int) -> None:
        self._parked -= 1
        if ticket:
            self._queued -= 1

    def join(self) -> None:
        """Count a call that the server itself told when to come."""
        with self._lock:
            self._sent()

    def saw(
        self,
        now: int,
        standing: Standing | None,
        *,
        admitted: bool,
        before: Refusal | None,
    ) -> None:
        """Take in what a response tells, if it does.

        admitted is the limit's word on the call, before whether it had refused it
        at first.
        """
        with self._lock:
            self._under -= 1
            if standing is None:
                return
            if standing.limit <= 0:
                standing.limit = max(self._told.limit, int(standing.left) + 1)
            if not standing.window and not standing.every:
                until = (standing.fresh or now) - now
                standing.window = max(self._told.window, until)
            if admitted:
                self._share.served += 1
                self._share.learn(now, standing, before, self._parked + self._under)
            self._share.ours(now, standing)
            self._reckon(standing)
            self._told, self._known, self._seen = standing, True, now

    def _reckon(self, s: Standing) -> None:
        """Take calls under way off what is left.

        The limit may have counted some of them already: answers come in another order
        than they were given. Of a window that has been told of before it is known how
        many went, and nothing comes back before its end, so that what one reckons
        oneself holds as long as no answer contradicts it.
        """
        if self._known and not self._shared() and not s.every and self._same_window(s):
            self._lowest = min(s.left, self._lowest)
            reckoned = max(self._told.left, self._lowest - self._under)
            s.left = min(reckoned, self._lowest)
            return
        self._lowest, self._ends = s.left, s.fresh
        s.left -= self._under

    def _same_window(self, s: Standing) -> bool:
        if s.fresh is None or self._ends is None:
            return False
        return abs(s.fresh - self._ends) <= min(SAME_END, s.window // 4)

    def refused(self, now: int, wait: int) -> Refusal:
        """Take in that the limit refused a call and named its next instant.

        Whoever asks from now on comes after that.
        """
        with self._lock:
            if not self._known:
                return Refusal(now, 0)  # nothing tells when there is room again
            self._told.left = min(self._told.left, 0)
            self._held = max(self._held, now + wait)
            # The first instant is that of the call that was refused.
            if self._slot() <= self._held:
                self._base, self._given = self._held, 1
            return Refusal(now, self._share.served)

    def expect(self, calls: int) -> None:
        """Count calls that the server told when to come, and that have not yet."""
        with self._lock:
            self._share.awaited += calls

    def lost(self) -> None:
        """End a call that got no response."""
        with self._lock:
            self._under -= 1

    def _sent(self) -> None:
        self._under += 1
        self._told.left -= 1

    def _shared(self) -> bool:
        """Whether calls keep the distance of a share."""
        return self._share.every > 0 and self._told.every == self._share.every

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
        self._lowest, self._ends = told.limit, told.fresh

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
        limit = int(told.limit)
        windows, place = divmod(self._given, limit)
        step = told.window // limit // _CROWDED
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
