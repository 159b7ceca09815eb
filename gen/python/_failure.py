"""What a failed call is made of. Plain values, never changed once made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Retry = Literal["never", "after_wait", "backoff", "same_key", "new_key", "after_action"]
"""Advice about sending the same call again."""

Stop = Literal[
    "",
    "cancelled",
    "deadline",
    "partial",
    "advice",
    "unsafe",
    "body",
    "attempts",
    "max_wait",
    "budget",
]
"""Why a call was not repeated, in the order in which the reasons are looked at.

``""``: there was a further attempt, or nobody could have made one.
"""

Origin = Literal["server", "client"]
"""Who established the failure: a response, or this side, which got none."""

STOPS: Mapping[Stop, str] = {
    "cancelled": "cancelled by the caller",
    "deadline": "the caller's deadline is too near",
    "partial": "part of the call was done",
    "unsafe": "not repeated, since it may have had an effect and carries no "
    "idempotency key",
    "body": "not repeated, since its body cannot be sent again",
    "max_wait": "the wait is longer than the client waits",
    "budget": "the retry budget is used up",
}

NANOSECONDS = 1_000_000_000


class Headers(Mapping[str, str]):
    """Response headers, in any case. Of repeated ones the first is given."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        wanted = name.lower()
        for key, value in self._pairs:
            if key.lower() == wanted:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.lower() for key, _ in self._pairs))

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._pairs})

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"

    def items_all(self) -> tuple[tuple[str, str], ...]:
        """Every pair as it came."""
        return self._pairs


@dataclass(frozen=True, slots=True)
class FieldError:
    """A fault of one part of a request."""

    path: tuple[str, ...] = ()
    """Leads to the part; positions in lists are decimal numbers."""
    message: str = ""
    code: str = ""
    where: str = ""
    """``body``, ``query``, ``path``, ``header`` or ``""``."""

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call."""

    status: int = 0
    """0 when no response came."""
    code: str = ""
    """The code as sent, else the condition; ``""`` for a success."""
    condition: str = ""
    request_id: str = ""
    reason: str = ""
    """What went wrong in a few words, without credentials."""
    duration: float = 0.0
    """Seconds until the headers, and for a failure its body, were there."""
    wait: float = 0.0
    """Seconds that were then waited before the next attempt."""
    stopped: Stop = ""


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """The failure of one item of a call on many."""

    index: int
    id: str
    name: str
    """The code as sent, else the condition."""
    failure: Failure


@dataclass(frozen=True, slots=True)
class Failure:
    """What a response says of its failure."""

    name: str = ""
    """The entry of the catalogue; ``""`` for a code that is not in it."""
    wire_code: str = ""
    """The code as received."""
    condition: str = ""
    status: int = 0
    message: str = ""
    type: str = ""
    request_id: str = ""
    quoted_id: str = ""
    """The request id as the body has it, where that is more."""
    time: datetime | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[FieldError, ...] = ()
    wait: int | None = None
    """How long the server asks to wait, in nanoseconds."""
    retry: Retry = "never"
    envelope: str = ""
    certain: bool = False
    """Whether the contract settled code and condition; else it is a guess."""
    why: tuple[str, ...] = ()
    items: tuple[ItemFailure, ...] = ()
