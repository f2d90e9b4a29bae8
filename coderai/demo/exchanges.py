"""The three exchanges of the demo: one for each wire format, sent as a coding tool would send it.

Contract: whatever answers, be it a simulated or a real provider, an exchange ends with a status; nothing of
the answer is read but that it came.
"""

from typing import Any

import aiohttp
from msgspec import Struct

from coderai.demo.provider import TOOL

PROMPT = "Which licence does this project have?"
DESCRIPTION = "Read a file of the project"
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
OPENAI_MODEL = "gpt-5-mini"
ANTHROPIC_MODEL = "claude-haiku-4-5"
USER_AGENT = "coderai-demo"
# A real model that thinks may take its time; a demo that says nothing for longer looks broken.
ANSWER_SECONDS = 120


class Exchange(Struct, frozen=True):
    name: str
    provider: str
    path: str  # below the provider's route
    body: dict[str, Any]


EXCHANGES = (
    Exchange(
        "chat completions",
        "openai",
        "/v1/chat/completions",
        {
            "model": OPENAI_MODEL,
            "stream": True,
            "messages": [{"role": "user", "content": PROMPT}],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": TOOL, "description": DESCRIPTION, "parameters": PARAMETERS},
                }
            ],
        },
    ),
    Exchange(
        "responses",
        "openai",
        "/v1/responses",
        {
            "model": OPENAI_MODEL,
            "stream": True,
            "input": PROMPT,
            "tools": [{"type": "function", "name": TOOL, "description": DESCRIPTION, "parameters": PARAMETERS}],
        },
    ),
    Exchange(
        "messages",
        "anthropic",
        "/v1/messages",
        {
            "model": ANTHROPIC_MODEL,
            "stream": True,
            "max_tokens": 2048,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": [{"role": "user", "content": PROMPT}],
            "tools": [{"name": TOOL, "description": DESCRIPTION, "input_schema": PARAMETERS}],
        },
    ),
)


async def send(session: aiohttp.ClientSession, gateway: str, token: str, exchange: Exchange) -> int:
    """The status of the answer, once all of it has come."""
    headers = {
        "Authorization": f"Bearer {token}",
        "User-Agent": USER_AGENT,
        "anthropic-version": "2023-06-01",
    }
    url = f"{gateway}/api/v2/aibridge/{exchange.provider}{exchange.path}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with session.post(url, json=exchange.body, headers=headers, timeout=timeout) as answer:
        await answer.read()
        return answer.status
