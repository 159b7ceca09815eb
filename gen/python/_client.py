"""The client that blocks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._base import PIECE, Base, CallOptions, Response
from ._budget import Budget
from ._call import OnAttempt, Runtime, Settings
from ._errors import CallError
from ._http import Answer, HTTPTransport, Transport, TransportError
from ._rules import RULES
from ._steps import Begun, Cancelled, Close, Opened, Read, Send, Step, Steps
from ._stream import Documents, Event, Events

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


class Stream:
    """A success whose body is read as it arrives. Use it in a ``with`` block."""

    def __init__(self, opened: Opened[Answer]) -> None:
        self.status = opened.answer.status
        self.headers = opened.answer.headers
        self.url = opened.url
        self._call, self._answer = opened.call, opened.answer
        self._begun = opened.begun

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the body in pieces; one that breaks off is an error."""
        begun, self._begun = self._begun, Begun()
        if begun.data:
            yield begun.data
        if begun.error is not None:
            raise self._call.broken(self.headers, begun.error) from begun.error
        while True:
            try:
                data = self._answer.read(PIECE)
            except TransportError as error:
                raise self._call.broken(self.headers, error) from error
            if not data:
                return
            yield data

    def read(self) -> bytes:
        """Read the rest of the body."""
        return b"".join(self.iter_bytes())

    def events(self) -> Iterator[Event]:
        """Give server-sent events; one that tells of a failure is raised."""
        reader = Events(self._call, self.headers)
        for data in self.iter_bytes():
            yield from reader.feed(data)

    def documents(self) -> Iterator[Any]:
        """Give lines of JSON, parsed; one that tells of a failure is raised."""
        reader = Documents(self._call, self.headers)
        try:
            for data in self.iter_bytes():
                yield from reader.feed(data)
        except CallError:
            reader.end()
            raise
        yield from reader.feed(b"", final=True)


class ThreadOptions(CallOptions, total=False):
    """What a single call of a Client can be told."""

    cancel: threading.Event | None
    """Once it is set, the call waits no more and makes no further attempt."""


class Client(Base):
    """Calls the API, and copes with its failures as the contract says.

    A call is repeated if and only if its failure may pass and repeating it is
    safe: the method is idempotent, or the contract declares the operation safe,
    or an idempotency key goes along, or nothing was ever sent. Where the
    contract honours keys one is made, the same for all attempts. Waits are as
    long as the server asks; when they outlast the timeout or max_wait, the call
    fails at once with what the server said.

    A client may be used by several threads at once. Times are in seconds.
    """

    def __init__(
        self,
        base_url: str = RULES.base_url,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        max_attempts: int | None = None,
        max_wait: float | None = None,
        budget: Budget | None = None,
        auto_keys: bool = True,
        pacing: bool = True,
        count_header: str = "",
        transport: Transport | None = None,
        on_attempt: OnAttempt | None = None,
        logger: logging.Logger | None = None,
        runtime: Runtime | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        """Make a client. None is the contract's own value, or the default.

        Args:
            base_url: Goes before paths that are given to calls.
            headers: Go with each call to the host of base_url; credentials belong
                here.
            timeout: Of a whole call, its waits included. None: no bound.
            attempt_timeout: Until the headers of a response. 0 or less: no bound.
            max_attempts: All tries of a call, the first included.
            max_wait: The longest single wait. 0 or less: no bound.
            budget: Bounds the repetitions of all calls together.
            auto_keys: Make an idempotency key where the contract honours one.
            pacing: Let calls wait that a limit would refuse, by what earlier
                responses told of it. One that cannot wait so long is not sent.
            count_header: Carries the number of the repetition, 1 on the first.
            transport: Sends single attempts; HTTPTransport by default.
            on_attempt: Told of each attempt before any wait.
            logger: Gets a line for each failed attempt, without credentials.
            runtime: Time and chance, for tests.
            sleep: Waits, for tests.
        """
        super().__init__(
            base_url,
            headers,
            Settings(
                max_attempts=max_attempts,
                max_wait=max_wait,
                attempt_timeout=attempt_timeout,
                timeout=timeout,
                budget=budget or Budget(),
                auto_keys=auto_keys,
                pacing=pacing,
                count_header=count_header,
                on_attempt=on_attempt,
                logger=logger,
                runtime=runtime or Runtime(),
            ),
        )
        self._transport = transport or HTTPTransport()
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def request(
        self,
        method: str,
        url: str,
        **options: Unpack[ThreadOptions],
    ) -> Response:
        """Make a call and read its answer; a failure is raised as a CallError."""
        with self.stream(method, url, **options) as stream:
            content = stream.read()
            return Response(stream.status, stream.headers, content, stream.url)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        **options: Unpack[ThreadOptions],
    ) -> Iterator[Stream]:
        """Make a call whose answer is read as it arrives."""
        cancel = options.pop("cancel", None)
        opened = self._take(self.course(method, url, options), cancel)
        try:
            yield Stream(opened)
        finally:
            opened.answer.close()

    def get(self, url: str, **options: Unpack[ThreadOptions]) -> Response:
        """GET; for the options see ThreadOptions."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Unpack[ThreadOptions]) -> Response:
        """POST; for the options see ThreadOptions."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[ThreadOptions]) -> Response:
        """PUT; for the options see ThreadOptions."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[ThreadOptions]) -> Response:
        """PATCH; for the options see ThreadOptions."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[ThreadOptions]) -> Response:
        """DELETE; for the options see ThreadOptions."""
        return self.request("DELETE", url, **options)

    def _take(
        self, steps: Steps[Answer], cancel: threading.Event | None
    ) -> Opened[Answer]:
        """Take the steps of a call, and tell it how each of them went."""
        try:
            step = next(steps)
            while True:
                try:
                    done = self._do(step, cancel)
                except BaseException as error:  # noqa: BLE001 - the call sees to it
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            opened: Opened[Answer] = end.value
            return opened

    def _do(self, step: Step[Answer], cancel: threading.Event | None) -> Any:
        if isinstance(step, Send):
            return self._transport.send(step.request, step.deadline)
        if isinstance(step, Read):
            return step.answer.read(step.most)
        if isinstance(step, Close):
            return step.answer.close()
        if self._sleep is not None:
            self._sleep(step.seconds)
        elif cancel is not None:
            cancel.wait(step.seconds)
        else:
            time.sleep(step.seconds)
        if cancel is not None and cancel.is_set():
            raise Cancelled
        return None
