"""Dumps of exchanges, for debugging: what they hold, and the thread that writes them."""

from coderai.dumps.body import CUT, FILE_LIMIT
from coderai.dumps.dump import Dump, intercepted, passed, safe
from coderai.dumps.writer import WAITING_LIMIT, BadFolder, Dumps, check

__all__ = [
    "CUT",
    "FILE_LIMIT",
    "WAITING_LIMIT",
    "BadFolder",
    "Dump",
    "Dumps",
    "check",
    "intercepted",
    "passed",
    "safe",
]
