"""A thread of its own for a connection that blocks: work goes in, its result comes back to the event loop.

What an executor does, at half its cost: two hops between threads are a good part of a small commit.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """Does one piece of work after another. Its thread does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Done, or failed with what the work raised, in the loop's thread. Cancelled, the work is done all the same."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((work, done))
        return done

    def stop(self, seconds: float | None = None) -> bool:
        """After the work that is there; whether that has ended within so many seconds."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                result = work()
            except BaseException as error:
                self._tell(_fail, done, error)
            else:
                self._tell(_succeed, done, result)
            del job, work, done  # not to be kept alive until the next one comes

    def _tell(self, how: Callable[["asyncio.Future[Any]", Any], None], done: "asyncio.Future[Any]", what: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(how, done, what)


def _succeed(done: "asyncio.Future[Any]", result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
