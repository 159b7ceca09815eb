"""A bound on repetitions, shared by all calls of a client."""

from __future__ import annotations

import threading
from dataclasses import dataclass

_SAVINGS = 10
"""Bounds, in reserves, what a long healthy time can set aside."""
_CALM = 60 * 1_000_000_000
"""How long nothing may be asked for until the reserve is there again."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds how much a client repeats, so that a server in trouble is not buried.

    Of n calls to a dead server at most the larger of ``reserve`` and
    ``ratio * n`` are repetitions. Repetitions at a moment that a rate limit
    itself named are free, since that server governs its own load.
    """

    ratio: float = 0.1
    """Of repetitions to calls; 0 or less earns none."""
    reserve: int = 10
    """What may be repeated before there were calls enough to earn it, and again
    after a minute in which nothing was asked for."""


class Purse:
    """A token bucket. The reserve is an advance: calls pay it back first."""

    def __init__(self, budget: Budget) -> None:
        self._lock = threading.Lock()
        self._ratio = max(budget.ratio, 0.0)
        self._reserve = float(max(budget.reserve, 0))
        self._tokens = self._debt = self._reserve
        self._asked: int | None = None

    def earn(self) -> None:
        """Count a call."""
        with self._lock:
            if self._debt > 0:
                self._debt -= self._ratio
            else:
                earned = self._tokens + self._ratio
                self._tokens = min(earned, _SAVINGS * self._reserve)

    def spend(self, now: int) -> bool:
        """Take a token for a repetition, if there is one."""
        with self._lock:
            calm = self._asked is not None and now - self._asked >= _CALM
            if calm and self._tokens < self._reserve:
                advance = self._reserve - self._tokens
                self._debt = min(self._debt + advance, self._reserve)
                self._tokens = self._reserve
            self._asked = now
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True
