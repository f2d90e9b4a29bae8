"""The items of a response: what the model called, and what it thought.

Spec: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import astuple

from coderai.formats.called import noted
from coderai.formats.format import NotUnderstood
from coderai.formats.loose import items, mapping, object_of, text, written
from coderai.records import Metadata, Thought, ToolCall


class _Given(Struct):
    """As it came; msgspec decodes no union with Raw."""

    type: Any = ""
    id: Any = ""
    call_id: Any = ""
    name: Any = ""
    role: Any = ""
    phase: Any = ""
    summary: Any = None
    content: Any = None
    server_url: Any = None
    server_label: Any = None
    namespace: Any = None
    caller: Any = None
    status: Any = None
    environment: Any = None
    execution: Any = None
    error: Any = None
    agent: Any = None
    revised_prompt: Raw = Raw(b"null")
    arguments: Raw = Raw(b"null")
    input: Raw = Raw(b"null")
    action: Raw = Raw(b"null")
    actions: Raw = Raw(b"null")
    operation: Raw = Raw(b"null")
    queries: Raw = Raw(b"null")
    code: Raw = Raw(b"null")


class Item(_Given):
    """The same; deltas put texts in the place of what is Raw."""

    incomplete: bool = False


# An image's prompt goes before its action, which says but what is done with it.
_INPUTS = ("revised_prompt", "arguments", "input", "action", "actions", "operation", "queries", "code")
# Of MCP servers, namespaces are Codex's, which runs the servers itself.
_WHOSE = ("server_label", "namespace")
_APPROVAL = "mcp_approval_request"
# Of several agents that the provider runs, one calls another: its action says how, its arguments with what.
_AGENTS = "multi_agent_call"
_SERVER_SIDE = (
    "mcp_call",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "program",
    _APPROVAL,
    _AGENTS,
)

# What a search or code that the provider ran tells of its failure is no more than this status.
_FAILED = "failed"


def item_of(raw: Raw) -> Item:
    try:
        given = object_of(bytes(raw), _Given)
    except NotUnderstood:
        return Item()
    item = Item(*astuple(given))
    item.incomplete = item.status == "incomplete"
    return item


def is_call(item: Item) -> bool:
    kind = text(item.type)
    return kind.endswith("_call") or kind in ("program", _APPROVAL)


def _is_hosted(item: Item) -> bool:
    """Whether the provider runs what a client might as well."""
    return item.execution == "server" or mapping(item.environment).get("type") == "container_reference"


def answered(item: dict[str, Any]) -> str:
    """The id of the call that this item of an input is the answer to, or the result of; else ""."""
    kind = text(item.get("type"))
    if kind == "mcp_approval_response":
        return text(item.get("approval_request_id"))
    if kind.endswith("_output"):
        own = item.get("id") if kind == "local_shell_call_output" else ""  # others' are not the call's
        return text(item.get("call_id")) or text(own)
    return ""


def tool_call(message_id: str, item: Item) -> ToolCall:
    kind = text(item.type)
    metadata = noted(item, _WHOSE, server=kind in _SERVER_SIDE or _is_hosted(item)) | _agent(item)
    if kind == _APPROVAL:
        metadata["approval"] = "requested"
    elif kind == _AGENTS:
        metadata["action"] = written(item.action)
    failure = item.error or (_FAILED if item.status == _FAILED else None)
    inputs = (getattr(item, name) for name in _INPUTS)
    given = next((some for some in inputs if some != Raw(b"null") and some != Raw(b"")), None)
    return ToolCall(
        message_id=message_id,
        call_id=text(item.call_id) or text(item.id),
        tool=text(item.name) or kind.removesuffix("_call"),
        input=written(given),
        server_url=item.server_url if isinstance(item.server_url, str) else None,
        invocation_error=written(failure) or None,
        metadata=metadata,
    )


def _agent(item: Item) -> Metadata:
    """Of several, whose item it is."""
    name = text(mapping(item.agent).get("agent_name")) if item.agent else ""
    return {"agent": name} if name else {}


def thoughts_of(item: Item) -> Iterable[Thought]:
    if item.type == "reasoning":
        for part in map(mapping, items(item.summary)):
            if words := text(part.get("text")):
                yield Thought(words, {"source": "reasoning_summary"} | _agent(item))
        for part in map(mapping, items(item.content)):
            if words := text(part.get("text")):
                yield Thought(words, {"source": "reasoning_text"} | _agent(item))
    elif item.type == "message" and item.role == "assistant" and item.phase == "commentary":
        words = "".join(text(mapping(part).get("text")) for part in items(item.content))
        if words:
            yield Thought(words, {"source": "commentary"} | _agent(item))
