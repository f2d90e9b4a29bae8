"""What a process needs before it loads anything else, which takes a third of a second. Importing it does it.

Contract: descriptors 0 to 2 are open; SIGTERM ends the process, in a container too, and so does Ctrl-C, without a word
until `loaded` is called, where Python would show what it was loading; of `coderai server`, SIGHUP waits until
serving.py knows what to do with it (by default it ends the process). Both the mask and a signal that waits outlive
execve; through fork goes the mask alone.
https://man7.org/linux/man-pages/man7/signal.7.html (Signal mask and pending signals)
"""

import os
import signal
import sys
from contextlib import suppress

SERVING = ["server"]


def open_streams() -> None:
    """Whoever starts us may have closed them: then the next file or socket would be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one


def hold_reloads() -> None:
    if sys.argv[1:2] == SERVING:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def end(sign: int, _frame: object) -> None:
    """As a signal without a handler does, but for the first process of a container: it would not even notice."""
    signal.signal(sign, signal.SIG_DFL)
    os.kill(os.getpid(), sign)
    os._exit(128 + sign)


def end_on(sign: signal.Signals, default: object) -> None:
    """Unless somebody wants it otherwise, as a shell does of Ctrl-C for what it starts in the background."""
    if signal.getsignal(sign) is default:
        with suppress(ValueError):  # in another thread than the first one
            signal.signal(sign, end)


def loaded() -> None:
    """From now on a command that is interrupted may clean up, and says so."""
    if signal.getsignal(signal.SIGINT) is end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


end_on(signal.SIGINT, signal.default_int_handler)
if os.getpid() == 1:  # to others the kernel does it at once, whatever they are at
    end_on(signal.SIGTERM, signal.SIG_DFL)
hold_reloads()
open_streams()
