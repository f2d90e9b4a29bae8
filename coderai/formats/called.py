"""What is noted of a tool call beside its name and its input: whose tool it is, and who called it."""

from typing import Any, Protocol

from coderai.formats.loose import mapping, text
from coderai.records import Metadata

# The model itself did, as it mostly does.
_DIRECT = "direct"


class Call(Protocol):
    """An item of a response, or a block of a message."""

    caller: Any
    incomplete: bool


def noted(call: Call, names: tuple[str, ...], *, server: bool) -> Metadata:
    """names: the fields that tell whose the tool is. server: the provider runs it."""
    metadata: Metadata = {"kind": "server"} if server else {}
    for name in names:
        if given := text(getattr(call, name)):
            metadata[name] = given
    if call.caller and (caller := _caller(mapping(call.caller))):
        metadata["caller"] = caller
    if call.incomplete:
        metadata["incomplete"] = True
    return metadata


def _caller(given: dict[str, Any]) -> Metadata:
    """Code that the model wrote and the provider runs: its kind, and the id of the call that it is."""
    if given.get("type") == _DIRECT:
        return {}
    return {name: given[name] for name in ("type", "tool_id", "caller_id") if text(given.get(name))}
