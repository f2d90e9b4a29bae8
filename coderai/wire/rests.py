"""Streams that rest: many of little events, left unread for a while behind each read of a loop that is too busy.

Of a stream that has rested several events are read at once, for little more than one costs. Network cards spare a busy
processor in the same way. They are woken a few at a time, first who has rested longest: so no turn of the loop is long,
and what begins or ends meanwhile, which takes several turns, is soon through.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Protocol

# Less than anybody sees of a stream of words.
LONGEST_SECONDS = 0.01
# So many are woken every millisecond, whose reads take a third of it, or two; and besides whoever is late by so much,
# as many are where the machine stood still for a moment.
WOKEN_AT_ONCE = 32
WAKING_SECONDS = 0.001
LATE_SECONDS = 0.01
# Whether a loop is still too busy shows only where streams do not rest: it tries that so often.
NEEDED_SECONDS = 0.2


class Stream(Protocol):
    def rest(self) -> None:
        """Is not read until `wake`."""

    def wake(self) -> None:
        """Is read again, if nothing else stands in the way; it may have ended meanwhile."""


class Rests:
    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._resting: deque[tuple[Stream, float]] = deque()  # as they are woken next, and when at the earliest
        self._seconds = 0.0
        self._needed_until = 0.0

    @property
    def needed(self) -> bool:
        """Whether streams are to rest."""
        return self._clock() < self._needed_until

    def need(self, seconds: float) -> None:
        """From now on they are, each for so long at least, or LONGEST_SECONDS."""
        self._seconds = min(seconds, LONGEST_SECONDS)
        self._needed_until = self._clock() + NEEDED_SECONDS

    def let(self, streams: Iterable[Stream]) -> None:
        """These rest."""
        begin = not self._resting
        until = self._clock() + self._seconds
        for stream in streams:
            stream.rest()
            self._resting.append((stream, until))
        if begin and self._resting:
            self._loop.call_later(WAKING_SECONDS, self._wake)

    def _wake(self) -> None:
        resting, now, woken = self._resting, self._clock(), 0
        try:
            while resting and resting[0][1] <= (now if woken < WOKEN_AT_ONCE else now - LATE_SECONDS):
                resting.popleft()[0].wake()
                woken += 1
        finally:  # whatever becomes of one, the others are woken
            if resting:
                self._loop.call_later(WAKING_SECONDS, self._wake)
