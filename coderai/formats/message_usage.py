"""What a message cost, by its `usage`. Spec: https://docs.anthropic.com/en/api/messages#response-usage"""

from typing import Any

from coderai.formats.loose import count, items, mapping, text
from coderai.records import Metadata, Tokens


def tokens_of(message_id: str, usage: dict[str, Any]) -> Tokens:
    split = mapping(usage.get("cache_creation"))
    extra = {
        "web_search_requests": mapping(usage.get("server_tool_use")).get("web_search_requests"),
        "cache_creation_input": usage.get("cache_creation_input_tokens"),
        "cache_read_input": usage.get("cache_read_input_tokens"),
        "cache_ephemeral_1h_input": split.get("ephemeral_1h_input_tokens"),
        "cache_ephemeral_5m_input": split.get("ephemeral_5m_input_tokens"),
    }
    return Tokens(
        message_id=message_id,
        input=count(usage.get("input_tokens")),
        output=count(usage.get("output_tokens")),
        cache_read=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        metadata={name: count(figure) for name, figure in extra.items() if figure is not None} | _beside(usage),
    )


# What its name in an iteration is in our metadata.
_BESIDE = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read_input",
    "cache_creation_input_tokens": "cache_creation_input",
}


def _beside(usage: dict[str, Any]) -> Metadata:
    """What other models took, and compactions: it is in none of the sums."""
    found: dict[str, int] = {}
    for each in map(mapping, items(usage.get("iterations"))):
        if (kind := text(each.get("type"))) in ("compaction", "advisor_message"):
            for name, ours in _BESIDE.items():
                if figure := count(each.get(name)):
                    found[f"{kind}_{ours}"] = found.get(f"{kind}_{ours}", 0) + figure
    return {**found}
