"""What a process needs before it loads anything else, which takes a third of a second. Importing it does it.

Contract: descriptors 0 to 2 are open; of `coderai server`, SIGHUP waits until serving.py knows what to do with it (by
default it ends the process). Both the mask and a signal that waits outlive execve; through fork goes the mask alone.
https://man7.org/linux/man-pages/man7/signal.7.html (Signal mask and pending signals)
"""

import os
import signal
import sys

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


hold_reloads()
open_streams()
