"""The simulated provider: an HTTP server that speaks the three formats and knows one tool.

Contract: it answers every well-formed request at once, streaming if asked to, and needs no key. It calls the
tool `read_file` where that is offered and the last message is no tool's result, so that a real coding tool
pointed at it gets text and never loops.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from coderai.demo.answers import Answer, Call, Json
from coderai.demo.chat_completions import chat_completion, chat_completion_events
from coderai.demo.messages import message, message_events
from coderai.demo.responses import response, response_events

TOOL = "read_file"
MODELS = ("gpt-5-mini", "claude-haiku-4-5")
BODY_BYTES = 64 * 1024 * 1024  # coding tools send their whole context
CACHED_TOKENS = 1024
THOUGHT = "The licence is in a file of the project, so reading that file answers the question."
CALLING = "I will look into the LICENSE file."
TALKING = "This is the simulated provider of coderai's demo: everything works but the thinking."


@asynccontextmanager
async def simulated_provider() -> AsyncIterator[str]:
    """Runs on a free port of the loopback interface; gives its URL."""
    app = web.Application(client_max_size=BODY_BYTES)
    app.add_routes(
        [
            web.post("/v1/chat/completions", _chat_completions),
            web.post("/v1/responses", _responses),
            web.post("/v1/messages", _messages),
            web.post("/v1/messages/count_tokens", _count_tokens),
            web.get("/v1/models", _models),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _chat_completions(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request)
    whole = chat_completion(_answer(asked, asked.get("messages")))
    if not asked.get("stream"):
        return web.json_response(whole)
    options = asked.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    return await _stream(request, chat_completion_events(whole, with_usage=with_usage))


async def _responses(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request)
    whole = response(_answer(asked, asked.get("input")))
    return await _stream(request, response_events(whole)) if asked.get("stream") else web.json_response(whole)


async def _messages(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request)
    whole = message(_answer(asked, asked.get("messages")))
    return await _stream(request, message_events(whole)) if asked.get("stream") else web.json_response(whole)


async def _count_tokens(request: web.Request) -> web.Response:
    return web.json_response({"input_tokens": _tokens(await _asked(request))})


async def _models(_request: web.Request) -> web.Response:
    data = [{"id": model, "object": "model", "created": 0, "owned_by": "demo"} for model in MODELS]
    return web.json_response({"object": "list", "data": data})


async def _asked(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(
            text='{"error": {"type": "invalid_request_error", "message": "the body is no JSON object"}}',
            content_type="application/json",
        )
    return body


async def _stream(request: web.Request, events: Iterator[bytes]) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await stream.prepare(request)
    for event in events:
        await stream.write(event)
    await stream.write_eof()
    return stream


def _answer(asked: Json, items: Any) -> Answer:
    offered = [tool.get("name") or (tool.get("function") or {}).get("name") for tool in asked.get("tools") or ()]
    call = Call(TOOL, '{"path": "LICENSE"}') if TOOL in offered and not _is_tool_result(items) else None
    text = CALLING if call else TALKING
    said = THOUGHT + text + (call.arguments if call else "")
    return Answer(
        model=str(asked.get("model")),
        thought=THOUGHT,
        text=text,
        call=call,
        input_tokens=_tokens(asked),
        cached_tokens=CACHED_TOKENS,
        output_tokens=len(said) // 4,
    )


def _is_tool_result(items: Any) -> bool:
    last = items[-1] if isinstance(items, list) and items else None
    if not isinstance(last, dict):
        return False
    content = last.get("content")
    blocks = content if isinstance(content, list) else []
    return (
        last.get("role") == "tool"
        or str(last.get("type")).endswith("_output")
        or any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
    )


def _tokens(asked: Json) -> int:
    return max(1, len(str(asked)) // 4)  # four characters a token is near enough for a simulation
