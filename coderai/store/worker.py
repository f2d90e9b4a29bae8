"""A thread of its own for a connection that blocks: work goes in, its result comes back to the event loop.

What an executor does, at half its cost: two hops between threads are a good part of a small commit.
"""

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[Callable[[], Any], "Result[Any]"]


class Result(asyncio.Future[T]):
    """Wakes who awaits it in the very turn of the loop in which it comes, where a future does in the next one: amid
    hundreds of streams that takes 10 ms, and many wait for what one commit stores.

    A task that awaits a future of a class that is not asyncio's own asks it by its methods.
    """

    _waiter: tuple[Callable[["Result[T]"], object], Context | None] | None = None

    def add_done_callback(
        self, callback: Callable[["Result[T]"], object], /, *, context: Context | None = None
    ) -> None:
        if self._waiter is None and not self.done():
            self._waiter = callback, context
        else:
            super().add_done_callback(callback, context=context)

    def remove_done_callback(self, callback: Callable[["Result[T]"], object], /) -> int:
        if self._waiter is not None and self._waiter[0] == callback:
            self._waiter = None
            return 1
        return super().remove_done_callback(callback)

    def cancel(self, msg: Any = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled and self._waiter is not None:
            super().add_done_callback(self._waiter[0], context=self._waiter[1])
        return cancelled

    def wake(self) -> None:
        """By the loop itself, once it is done."""
        if self._waiter is not None:
            callback, context = self._waiter
            if context is None:
                callback(self)
            else:
                context.run(callback, self)


class Worker:
    """Does one piece of work after another. Its thread does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._under_way = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], T]) -> Result[T]:
        """Done, or failed with what the work raised, in the loop's thread. Cancelled, the work is done all the same."""
        done: Result[T] = Result(loop=self._loop)
        self._under_way += 1
        self._jobs.put((work, done))
        return done

    @property
    def idle(self) -> bool:
        """Whether all its work is done, and known to be."""
        return not self._under_way

    def stop(self, seconds: float | None = None) -> bool:
        """After the work that is there; whether that has ended within so many seconds."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except BaseException as fault:
                error = fault
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._told, done, result, error)
            del job, work, done, result, error  # not to be kept alive until the next one comes

    def _told(self, done: Result[Any], result: Any, error: BaseException | None) -> None:
        self._under_way -= 1
        if not done.done():
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)
            done.wake()
