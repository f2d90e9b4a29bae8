"""What the demo prints: the recorded interceptions as a table, and the settings for real tools.

Contract: pure; text in the table is cut to its column and holds nothing that a terminal would act on.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from coderai.demo.exchanges import ANTHROPIC_MODEL, OPENAI_MODEL

VALUE_WIDTH = 72
MESSAGE = '{"role": "user", "content": "hello"}'
HEADINGS = ("STARTED", "USER", "PROVIDER", "MODEL", "STATUS", "RECORD", "VALUE")


def table(interceptions: Sequence[dict[str, Any]]) -> str:
    """One block of rows an interception, the oldest first."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for found in interceptions:
        head = (
            str(found["started_at"])[11:19],
            found["initiator"]["username"],
            found["provider_name"],
            found["model"],
            str(found["status"]),
        )
        for number, record in enumerate(_records(found)):
            rows.append((*(head if number == 0 else [""] * len(head)), *record))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _records(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    records = [("prompt", prompt["prompt"]) for prompt in found["user_prompts"]]
    records += [("thought", thought["content"]) for thought in found["model_thoughts"]]
    records += [("tool call", f"{call['tool']} {call['input']}") for call in found["tool_usages"]]
    records += [("tokens", _tokens(usage)) for usage in found["token_usages"]]
    if found["error_type"]:
        records.append(("error", f"{found['error_type']}: {found['error_message']}"))
    for name, value in records or [("", "nothing was recorded")]:
        yield name, _cell(value)


def _tokens(usage: dict[str, Any]) -> str:
    cached = usage["cache_read_input_tokens"]
    return f"{usage['input_tokens']} in, {usage['output_tokens']} out, {cached} from cache"


def _cell(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= VALUE_WIDTH else shown[: VALUE_WIDTH - 1] + "…"


def settings(gateway: str, token: str) -> str:
    """Ready to paste, for the tools that people have."""
    bridge = f"{gateway}/api/v2/aibridge"
    return f"""\
# Claude Code
export ANTHROPIC_BASE_URL={bridge}/anthropic
export ANTHROPIC_AUTH_TOKEN={token}
claude

# Codex: in ~/.codex/config.toml
model_provider = "coderai"
[model_providers.coderai]
name = "coderai"
base_url = "{bridge}/openai/v1"
env_key = "CODERAI_TOKEN"
wire_api = "responses"
# and in the shell
export CODERAI_TOKEN={token}
codex

# OpenAI SDK (Python)
from openai import OpenAI
client = OpenAI(base_url="{bridge}/openai/v1", api_key="{token}")

# Anthropic SDK (Python)
from anthropic import Anthropic
client = Anthropic(base_url="{bridge}/anthropic", api_key="{token}")

# curl
curl {bridge}/openai/v1/chat/completions \\
  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
  -d '{{"model": "{OPENAI_MODEL}", "messages": [{MESSAGE}]}}'
curl {bridge}/anthropic/v1/messages \\
  -H 'X-Api-Key: {token}' -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' \\
  -d '{{"model": "{ANTHROPIC_MODEL}", "max_tokens": 200, "messages": [{MESSAGE}]}}'

# The audit trail
curl -H 'Coder-Session-Token: {token}' '{bridge}/interceptions?limit=10'"""
