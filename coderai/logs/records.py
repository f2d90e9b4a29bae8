"""The structured log: every record of the audit trail as one line with the message `interception log`.

Contract: the fields and their order are what log pipelines match on, and do not change. A line is written
after its record is committed and before the answer's terminal event is released; a sink that stands still
holds that up for a second at most. Fields: https://coder.com/docs/ai-coder/ai-gateway/setup#structured-logging
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from coderai.logs import notation
from coderai.logs.layouts import INFO, Entry, Site
from coderai.logs.logger import Logger
from coderai.records import AnsweredPrompt, Ended, Record, Started, Thought, Thread, Tokens, ToolCall

MESSAGE = "interception log"
NAMES = ("aibridge",)
NO_THREAD = Thread("", "")
Fields = dict[str, Any]


class RecordLog:
    """A sink of the recorder."""

    def __init__(self, log: Logger) -> None:
        self._outputs = log.outputs
        code = RecordLog.write.__code__
        self._site = Site("coderai/logs/records.py", code.co_firstlineno, f"{__name__}.{code.co_qualname}")

    async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
        """One line a record; returns once they are written, or after a second.

        `threads` goes by interception id.
        """
        if not self._outputs.routes:
            return
        fields = (record_fields(record, threads) for record in batch)
        now = time.time_ns()
        if entries := [self._entry(line, now) for line in fields if line]:
            await self._outputs.put_through(entries)

    async def passthrough(
        self,
        *,
        route: str,
        method: str,
        status: int | None,
        initiator_id: str,
        api_key_id: str,
        provider: str,
        provider_name: str,
        created_at: int,
    ) -> None:
        """A request that was passed through and made no interception; waits as `write` does. Times in microseconds."""
        fields = {
            "record_type": "passthrough",
            "route": route,
            "method": method,
            "status": status,
            "initiator_id": initiator_id,
            "api_key_id": api_key_id,
            "provider": provider,
            "provider_name": provider_name,
            "created_at": _time(created_at),
        }
        await self._outputs.put_through([self._entry(fields, time.time_ns())])

    def _entry(self, fields: Fields, now: int) -> Entry:
        return Entry(now, INFO, NAMES, MESSAGE, self._site, fields)


def _time(microseconds: int) -> str:
    return notation.rfc3339(microseconds * 1000)


def record_fields(record: Record, threads: Mapping[str, Thread]) -> Fields | None:
    """None for what has no line of its own: a bare `Prompt` only commits the row."""
    match record.finding:
        case Started() as started:
            return _started(record, started, threads.get(record.interception_id, NO_THREAD))
        case Ended() as ended:
            return {
                "record_type": "interception_end",
                "interception_id": record.interception_id,
                "ended_at": _time(record.at),
                "status": ended.status,
                "error_type": ended.error_type,
                "error_message": ended.error_message,
            }
        case Tokens() as tokens:
            return {
                "record_type": "token_usage",
                "interception_id": record.interception_id,
                "msg_id": tokens.message_id,
                "input_tokens": tokens.input,
                "output_tokens": tokens.output,
                "cache_read_input_tokens": tokens.cache_read,
                "cache_write_input_tokens": tokens.cache_write,
                "created_at": _time(record.at),
                "metadata": tokens.metadata,
            }
        case AnsweredPrompt(prompt, message_id):
            return {
                "record_type": "prompt_usage",
                "interception_id": record.interception_id,
                "msg_id": message_id,
                "prompt": prompt.text,
                "created_at": _time(record.at),
                "metadata": prompt.metadata,
            }
        case ToolCall() as call:
            return _tool_call(record, call)
        case Thought(content, metadata):
            return {
                "record_type": "model_thought",
                "interception_id": record.interception_id,
                "content": content,
                "created_at": _time(record.at),
                "metadata": metadata,
            }
        case _:
            return None


def _started(record: Record, started: Started, thread: Thread) -> Fields:
    return {
        "record_type": "interception_start",
        "interception_id": record.interception_id,
        "initiator_id": started.initiator_id,
        "api_key_id": started.api_key_id,
        "provider": started.provider,
        "provider_name": started.provider_name,
        "model": started.model,
        "client": started.client,
        "client_session_id": started.client_session_id or "",
        "started_at": _time(record.at),
        "metadata": started.metadata,
        "correlating_tool_call_id": started.correlating_tool_call_id or "",
        "thread_parent_id": thread.parent_id,
        "thread_root_id": thread.root_id,
        "credential_kind": started.credential_kind,
        "credential_hint": started.credential_hint,
    }


def _tool_call(record: Record, call: ToolCall) -> Fields:
    return {
        "record_type": "tool_usage",
        "interception_id": record.interception_id,
        "msg_id": call.message_id,
        "tool_call_id": call.call_id,
        "tool": call.tool,
        "input": call.input,
        "server_url": call.server_url or "",
        "injected": call.injected,
        "invocation_error": call.invocation_error or "",
        "created_at": _time(record.at),
        "metadata": call.metadata,
    }
