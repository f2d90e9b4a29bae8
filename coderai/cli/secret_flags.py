"""Secrets that were given as flags leave the process list: the command begins again with them as variables.

Everybody on a machine can read another's command line, only its owner can read its environment.
https://man7.org/linux/man-pages/man5/proc_pid_cmdline.5.html
"""

import os
import sys
from collections.abc import Collection, Sequence

from coderai.config import Resolved
from coderai.config.settings import OPTIONS


def take_out_of_sight(resolved: Resolved) -> None:
    """Does not return where there are such flags, but for a command whose settings cannot be read again."""
    options = {flag: option for option in OPTIONS if option.secret for flag in option.flags}
    given = {flag: value for flag, value in resolved.flags.items() if flag in options}
    if not given or resolved.read_once:
        return
    environment = dict(os.environ)
    for flag, value in given.items():
        variable, *others = options[flag].variables
        environment[variable] = value if isinstance(value, str) else ",".join(value)
        for other in others:  # which the flag has overridden
            environment.pop(other, None)
    arguments = [sys.executable, *without(sys.orig_argv[1:], given)]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - itself


def without(arguments: Sequence[str], flags: Collection[str]) -> list[str]:
    """The arguments but for these flags, whether their values stand behind a space or an equals sign."""
    kept = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in flags:
            kept.append(argument)
        elif not equals:
            next(rest, None)
    return kept
