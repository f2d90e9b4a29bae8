"""Work beside the event loop that may never end: a command of AWS's chain can hang, and nobody can stop a thread.

Those of `asyncio.to_thread` are waited for when the process ends.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def aside(work: Callable[[], T]) -> asyncio.Future[T]:
    """What the work returns or raises; its thread does not keep the process from ending."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # that it is no longer waited for does not stop it

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as fault:
            outcome.set_exception(fault)

    threading.Thread(target=run, name="aws", daemon=True).start()
    return asyncio.wrap_future(outcome)
