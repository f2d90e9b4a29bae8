"""One field of an indexed provider as it is given, and where."""

from dataclasses import dataclass
from typing import TypeVar

from coderai.config.kinds import SECRET, Kind
from coderai.config.problems import quoted

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """One field of an indexed provider, not empty."""

    text: str
    source: str  # the variable, or file:line


Indexed = dict[int, dict[str, Given]]  # number -> FIELD -> value


class Invalid(ValueError):
    """One problem of one provider, ready to be shown."""


def parsed(given: Given, kind: Kind[T]) -> T:
    """Its value; raises Invalid."""
    try:
        return kind.parse(given.text)
    except ValueError as reason:
        value = quoted(given.text, secret=kind is SECRET)
        raise Invalid(f"{given.source}: {value}: {reason}; expected {kind.expected}") from None


def source_of(number: int, fields: dict[str, Given], name: str) -> str:
    """Where the field is, or would be, set."""
    if name in fields:
        return fields[name].source
    yaml = next((given.source for given in fields.values() if not given.source.startswith("CODER_")), None)
    return yaml or f"CODER_AIBRIDGE_PROVIDER_{number}_{name}"
