"""Finds operations by method and path."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Operation:
    """What is special about an operation."""

    name: str
    """Its method and pattern."""
    safe: bool
    unkeyed: bool
    limited: bool
    """It has a rate of its own."""


@dataclass(slots=True)
class Routes:
    """Operations by path: the more literal pattern wins, as in Go's ServeMux."""

    literal: dict[str, Routes] = field(default_factory=dict)
    one: Routes | None = None
    rest: dict[str, Operation] = field(default_factory=dict)
    end: dict[str, Operation] = field(default_factory=dict)

    def add(self, method: str, path: str, operation: Operation) -> None:
        """Add an operation; its path is a pattern."""
        at = self
        for segment in path.removeprefix("/").split("/"):
            if segment == "" or segment.endswith("...}"):
                _put(at.rest, method, operation)
                return
            if segment == "{$}":
                at = at.literal.setdefault("", Routes())
            elif segment.startswith("{"):
                at.one = at.one or Routes()
                at = at.one
            else:
                at = at.literal.setdefault(segment, Routes())
        _put(at.end, method, operation)

    def find(self, segments: list[str]) -> dict[str, Operation]:
        """Return the operations at a path, by method."""
        if not segments:
            return self.end
        first, *rest = segments
        if first in self.literal and (found := self.literal[first].find(rest)):
            return found
        if self.one and first and (found := self.one.find(rest)):
            return found
        return self.rest


def _put(leaf: dict[str, Operation], method: str, operation: Operation) -> None:
    leaf[method] = operation
    if method == "GET":
        leaf.setdefault("HEAD", operation)  # RFC 9110 section 9.3.2
