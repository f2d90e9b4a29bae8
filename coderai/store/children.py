"""What hangs below an interception: four kinds of rows, written, sealed, purged, copied and deleted with it.

Columns stand in the order in which they are written and sealed: a seal is made of the row as it was written, and read
back in the same order. So this order is never changed; a further column would go to the end, and change every seal.
"""

from typing import NamedTuple

from coderai.records import Prompt, Thought, Tokens, ToolCall

KEY = ("interception_id", "id")


class Child(NamedTuple):
    finding: type
    kept: str  # where its rows are in seals.Rows
    table: str
    columns: tuple[str, ...]
    text: str | None = None  # the column whose text retention of contents deletes
    is_content: bool = False  # then the whole row goes, not its text alone

    @property
    def insert(self) -> str:
        columns, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.table} ({columns}) VALUES ({marks}) ON CONFLICT ({', '.join(KEY)}) DO NOTHING"  # noqa: S608 - own names


def _columns(names: str) -> tuple[str, ...]:
    return ("id", "interception_id", *names.split())


TOKENS = Child(
    Tokens,
    "tokens",
    "aibridge_token_usages",
    _columns(
        "provider_response_id input_tokens output_tokens cache_read_input_tokens cache_write_input_tokens "
        "metadata created_at"
    ),
)
TOOLS = Child(
    ToolCall,
    "tools",
    "aibridge_tool_usages",
    _columns(
        "provider_response_id provider_tool_call_id server_url tool input injected invocation_error metadata created_at"
    ),
    "input",
)
PROMPTS = Child(
    Prompt,
    "prompts",
    "aibridge_user_prompts",
    _columns("prompt metadata created_at provider_response_id"),
    "prompt",
    is_content=True,
)
THOUGHTS = Child(
    Thought, "thoughts", "aibridge_model_thoughts", _columns("content metadata created_at"), "content", is_content=True
)
CHILDREN = (TOKENS, TOOLS, PROMPTS, THOUGHTS)
