"""What holds of settings that are read again, without a restart."""

from dataclasses import replace
from typing import NamedTuple

from coderai.config.resolve import Resolved
from coderai.config.settings import OPTIONS


class Reload(NamedTuple):
    resolved: Resolved  # what holds now: what takes a restart is as it was
    applied: list[str]  # what has changed, as flags' names
    waiting: list[str]  # what takes a restart to change


def reload(resolved: Resolved) -> Reload:
    """Raises SettingsError: then nothing has changed."""
    again = resolved.again()
    before, after = resolved.settings, again.settings
    changed = [one for one in OPTIONS if getattr(before, one.name) != getattr(after, one.name)]
    applied = [option.flag for option in changed if option.live]
    if before.providers != after.providers:
        applied.append("aibridge-providers")
    waiting = [option for option in changed if not option.live]
    settings = replace(after, **{option.name: getattr(before, option.name) for option in waiting})
    return Reload(replace(again, settings=settings), applied, [option.flag for option in waiting])
