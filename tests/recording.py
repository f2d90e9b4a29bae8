"""A recording: one exchange as a text file, readable in one screen, and what has to be recorded of it.

    Words that say what it shows.
    === request /v1/messages
    X-Some-Header: value          (optional; then a blank line)

    {"model": "…", …}
    === upstream                  (optional: the request's body as the provider has to get it, if it differs)
    === answer 200 text/event-stream
    event: message_start
    data: {…}

    === client                    (optional: the answer's bytes as the client has to get them, if they differ)
    === records
    start {"model": "claude-x"}
    prompt {"msg_id": "msg_1", "prompt": "hello", "metadata": {}}
    tokens {"msg_id": "msg_1", "input_tokens": 1, …}
    tool {…}
    thought {…}
    end {"status": 200, "error_type": null}

Each line under `records` is a kind and the fields of the structured log that it has to have, the lines of one kind
in the order of the log; fields that are not named do not matter, records that are not named must not be there
(`start` apart). The
body of a request or a whole answer is the lines as they stand, without the last line's end; a stream's is the
lines with theirs. An answer `200 text/event-stream cut` breaks off: the connection is cut after its last byte.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recordings"
KINDS = {
    "start": "interception_start",
    "prompt": "prompt_usage",
    "tokens": "token_usage",
    "tool": "tool_usage",
    "thought": "model_thought",
    "end": "interception_end",
}


@dataclass
class Recording:
    name: str
    path: str  # below the provider's route prefix
    headers: dict[str, str]
    request: bytes
    upstream: bytes
    status: int
    content_type: str
    answer: bytes
    client: bytes
    cut: bool
    records: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # (record_type, fields)

    @property
    def streamed(self) -> bool:
        return self.content_type.startswith("text/event-stream")

    @property
    def provider(self) -> str:
        return "anthropic" if self.path.startswith("/v1/") else "openai"

    def expected(self, record_type: str) -> list[dict[str, Any]]:
        return [fields for kind, fields in self.records if kind == record_type]


def load(path: Path) -> Recording:
    heads: dict[str, list[str]] = {}
    bodies: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("=== "):
            section, *heads[section] = line[4:].split() if len(line[4:].split()) > 1 else [line[4:].strip()]
            bodies[section] = []
        elif section:
            bodies[section].append(line)
    fields, request = _headers("".join(bodies["request"]))
    status, content_type, *cut = [*heads["answer"], "application/json"][: max(2, len(heads["answer"]))]
    answer = _body(bodies["answer"], content_type)
    return Recording(
        name=f"{path.parent.name}/{path.stem}",
        path=heads["request"][0],
        headers=fields,
        request=request,
        upstream=_body(bodies["upstream"], "") if "upstream" in bodies else request,
        status=int(status),
        content_type=content_type,
        answer=answer,
        client=_body(bodies["client"], content_type) if "client" in bodies else answer,
        cut=cut == ["cut"],
        records=[_record(line) for line in bodies["records"] if line.strip()],
    )


def _headers(text: str) -> tuple[dict[str, str], bytes]:
    if text.lstrip()[:1] == "{" or "\n\n" not in text:
        return {}, text.removesuffix("\n").encode()
    head, _, body = text.partition("\n\n")
    return dict(line.split(": ", 1) for line in head.splitlines()), body.removesuffix("\n").encode()


def _body(lines: list[str], content_type: str) -> bytes:
    text = "".join(lines)
    return (text if content_type.startswith("text/event-stream") else text.removesuffix("\n")).encode()


def _record(line: str) -> tuple[str, dict[str, Any]]:
    kind, _, fields = line.strip().partition(" ")
    return KINDS[kind], json.loads(fields or "{}")


def recordings() -> Iterator[Recording]:
    for path in sorted(FOLDER.rglob("*.txt")):
        yield load(path)
