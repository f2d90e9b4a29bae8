"""How the process keeps memory: for requests whose objects and buffers come and go by the thousand."""

import ctypes
import gc

# So many more objects are made than given back before the collector looks: some requests' worth, a megabyte or two.
COLLECTED_OBJECTS = 10_000
# glibc gives free memory back from 128 kB on: a request of that size would fault its pages in anew each time, which is
# a twentieth of what it costs. https://man7.org/linux/man-pages/man3/mallopt.3.html
KEPT_BYTES = 8 * 1024 * 1024
MAPPED_BYTES = 4 * 1024 * 1024  # from here on a buffer has pages of its own, and gives them back at once
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def settle() -> None:
    """What the start made lives as long as the process: the collector need not look at it again; and what a request
    makes is gone with it, so that looking after every 700 objects would find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, 10, 10)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
