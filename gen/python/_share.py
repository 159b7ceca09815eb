"""The part of a limit that comes to this process, where others use it as well.

Several processes may call under one key. None sees the others, and all are told of
the same limit: each would take what is left for its own, come at once and be
refused, and each call that gets in would take two attempts. So a share is learned:
how long a unit takes to come to this process.

A refusal tells it first. Callers wait at a server in a line, and how long it took to
get through is how long it takes until all others had their turn. From then on calls
keep that distance, longer or shorter by what is left over in the limit, which all
processes see: each unit above what should be left brings everybody sooner by what
one unit takes to come back. What is left over slowly changes the share, too.

A window's share is learned from what came here of one that was used up, and kept in
the same way, as if the window's units came back one by one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ._failure import NANOSECONDS
from ._standing import Standing

_SPARE, _DROOP = 0.05, 0.01
"""The part of a limit that is left over where a share is one unit in the time of the
whole limit, and by how much more for each factor e that a share is larger."""
_LACK = 0.02
"""The same of a window, whose units are lost at its end."""
_QUICKER, _SLOWER = 0.5, 0.3
"""How much of what is left over above that, or lacks, a share takes into account."""
_MILLISECOND = 1_000_000
SAME_END = 2 * NANOSECONDS
"""How far apart the ends of a window may be told: in whole seconds, and late."""


class Refusal(NamedTuple):
    """When a call was refused first, and how many had been admitted by then."""

    at: int
    served: int


class Share:
    """What is known of this process's part of a limit. Nanoseconds throughout."""

    def __init__(self) -> None:
        self.every = 0
        """How long a unit takes to come to this process; 0 is not known."""
        self.alone = 0
        """How long it would if there were no others."""
        self.served = 0
        """Calls that were admitted."""
        self.awaited = 0
        """Calls that the server has told when to come, and that have not yet."""
        # How long all units of the limit take, and whether they come all at once.
        self._whole = 0
        self._windowed = False
        # Those that came here in the window that ends at fresh, at the earliest, and in
        # the one before; seen says that the window was there from its beginning.
        self._mine = self._last = 0
        self._fresh = -math.inf
        self._seen = False
        # When the share was last made smaller, which is a longer distance.
        self._grew = -math.inf

    @property
    def glance(self) -> int:
        """After how long a call looks whether its turn has come sooner."""
        return max(self._whole // 16, _MILLISECOND)

    def learn(self, now: int, s: Standing, before: Refusal | None, others: int) -> None:
        """Measure the share anew when a call got in; others of this process wait."""
        waiting = max(self.awaited + others, 0)
        self._windowed = not s.every
        if s.limit <= 0:
            return
        if s.every:
            self.alone, self._whole = s.every, int(s.every * s.limit)
        elif s.window <= 0 or s.fresh is None:
            return
        else:
            self.alone, self._whole = int(s.window / s.limit), s.window
            self._count(s, s.fresh, waiting)
        if before is not None:
            self._waited(now, before, waiting)
        elif self.every:
            self._adjust(self._over(now, s))

    def ours(self, now: int, s: Standing) -> None:
        """Make the standing of the limit that of this process's share.

        Of the surplus, each takes its part, and what lacks it waits for.
        """
        if self._windowed == bool(s.every) or not self.every:
            return
        part = self.alone / self.every
        left = (self._over(now, s) - self._aim()) * s.limit * part
        if not self._windowed:
            # A reserve is put by gradually: that of an hour's limit takes minutes.
            left = max(left, -0.5)
        s.left, s.limit, s.every = left, max(s.limit * part, 1), self.every

    def _count(self, s: Standing, fresh: int, waiting: int) -> None:
        """Count the units that came here in a window.

        Who has seen all of it, and most went elsewhere, has a share.
        """
        past = fresh - self._fresh
        if past > self._whole / 2:
            self._seen = past < 3 * self._whole / 2
            self._fresh, self._mine, self._last = fresh, 0, self._mine
        elif 0 < -past <= self._same_end():
            self._fresh = fresh
        self._mine += 1
        came = self._mine + waiting
        if not self.every and self._seen and s.left < 1 and 3 * came < 2 * int(s.limit):
            self.every = self._whole // came

    def _over(self, now: int, s: Standing) -> float:
        """Return the part of a limit that is left over.

        Of a window that is what would be left at its end, were it used evenly.
        """
        over = s.left / s.limit
        if self._windowed:
            over -= max(self._end(now, s) - now, 0) / self._whole
        return over

    def _end(self, now: int, s: Standing) -> float:
        """Return when the window of an answer ends.

        It is the earliest instant that was told of it, since whole seconds are
        rounded up as a rule.
        """
        fresh = now if s.fresh is None else s.fresh
        same = 0 < fresh - self._fresh <= self._same_end()
        return self._fresh if same else fresh

    def _same_end(self) -> int:
        return min(SAME_END, self._whole // 4)

    def _waited(self, now: int, before: Refusal, waiting: int) -> None:
        """Measure by the time that a call was in line.

        What came in meanwhile had its units in this time, and who waits here, or
        comes yet, would have had one.
        """
        took, again = now - before.at, before.at > self._grew
        every = self.every
        if not self._windowed:
            took //= max(self.served - before.served, 1) + waiting
            every = max(every, took)
            if self.every and again:
                # Others were in line because they are early, too: half is theirs.
                every = max(took, self.every + took // 2)
        elif not every:
            every = self._whole // (max(self._last, 1) + waiting)
        elif again:
            # A window's line begins anew in the next one, wherever one stood.
            every = max(took - self._whole, every + every // 5)
        if every > max(self.every, self.alone):
            self.every, self._grew = every, now

    def _adjust(self, left: float) -> None:
        """Make the share larger when much is left over, smaller when little is."""
        size = self.every / self._whole
        e = left - self._aim()
        # Large shares hear often of what is left, and change no faster for it than
        # others; small ones hear rarely. A limit that is half free has been left.
        change = max(_QUICKER * e * min(size * size, 1 / size), left - 0.5)
        if self._windowed:  # what is lost counts at once, and so does what will lack
            change = min(max(e * min(size, 1 / size), -0.5), 0.5)
        elif e < 0:
            change = _SLOWER * e / _SPARE * min(size, 1 / size)
        self.every -= int(change * self.every)
        if self.every <= self.alone:
            self.every = 0  # alone again

    def _aim(self) -> float:
        """Return the part of the limit that should be left over.

        Of a window it is less than nothing: a unit too many is lost for everybody,
        and one too few refuses one.
        """
        more = _DROOP * math.log(self._whole / self.every)
        if self._windowed:
            return min(max(more - _LACK, -2 * _LACK), 0)
        return min(max(_SPARE + more, _SPARE / 2), 3 * _SPARE)
