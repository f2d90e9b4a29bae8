"""Records as lines: each kind against its golden; and for how long they are waited for."""

import asyncio
import os
from pathlib import Path

import orjson

from coderai.logs import Logger, RecordLog
from coderai.records import AnsweredPrompt, Ended, Prompt, Record, Started, Thought, Thread, Tokens, ToolCall
from tests.logs.opened import lines_of, open_logs

GOLDENS = Path(__file__).parents[1] / "goldens" / "logs"


async def test_a_sink_that_stands_still_holds_up_a_record_for_a_second_and_no_more(
    pipe: tuple[Path, int], json_file: Path
) -> None:
    fifo, reader = pipe
    log = open_logs(human=str(fifo), json=str(json_file))
    log.info("x" * 10_000)  # more than the pipe holds
    records = RecordLog(log)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await records.write(BATCH, {})
    waited = loop.time() - began
    await records.write(BATCH, {})
    assert 0.9 < waited < 5 and loop.time() - began - waited < 0.5
    assert [status.stalled for status in log.sinks_status()] == [True, False]
    os.set_blocking(reader, True)
    received = b""
    while received.count(b"interception log") < 12:
        received += await asyncio.to_thread(os.read, reader, 65536)
    assert len(lines_of(log, json_file)) == 13


def record(finding, at=1_776_882_413_120_000, id="r1") -> Record:
    return Record(id, "i1", at, finding)


BATCH = [
    record(
        Started(
            initiator_id="u1", api_key_id="k1", provider="openai", provider_name="my-openai", model="gpt-5",
            client="Codex", metadata={"request_user_agent": "codex <1>"},
        ),
        id="i1",
    ),
    record(Prompt("hi\nthere")),
    record(AnsweredPrompt(Prompt("hi\nthere"), "m1")),
    record(Tokens(message_id="m1", input=1, output=2, cache_read=3, cache_write=4, metadata={"total": 9})),
    record(ToolCall(message_id="m1", call_id="c1", tool="shell", input='{"a": 1}')),
    record(Thought("hm", {"source": "thinking"})),
    record(Ended(status=200), at=1_776_882_414_000_000),
]  # fmt: skip


def test_records_agree_with_the_golden(log: Logger, json_file: Path) -> None:
    asyncio.run(RecordLog(log).write(BATCH, {"i1": Thread("i0", "root")}))
    written = json_file.read_bytes().splitlines()  # awaited, so it is in the file already
    heads = {(line["msg"], line["level"], *line["logger_names"]) for line in map(orjson.loads, written)}
    assert heads == {("interception log", "INFO", "aibridge")}
    fields = b"".join(line[line.index(b'"fields"') : -1] + b"\n" for line in written)
    assert fields == (GOLDENS / "records.txt").read_bytes()


async def test_a_record_without_thread_and_answer(log: Logger, json_file: Path) -> None:
    records = RecordLog(log)
    ended = Ended(status=None, error_type="upstream_unreachable", error_message="refused")
    await records.write([BATCH[0], record(AnsweredPrompt(Prompt(""), "")), record(ended)], {})
    start, prompt, end = (line["fields"] for line in lines_of(log, json_file))
    assert (start["thread_parent_id"], start["thread_root_id"], start["client_session_id"]) == ("", "", "")
    assert (prompt["msg_id"], prompt["prompt"]) == ("", "")
    assert (end["status"], end["error_type"], end["error_message"]) == (
        None,
        "upstream_unreachable",
        "refused",
    )


async def test_a_passthrough_request(log: Logger, json_file: Path) -> None:
    await RecordLog(log).passthrough(
        route="/v1/models", method="GET", status=200, initiator_id="u1", api_key_id="k1",
        provider="anthropic", provider_name="anthropic", created_at=0,
    )  # fmt: skip
    (line,) = lines_of(log, json_file)
    assert line["msg"] == "interception log"
    assert list(line["fields"].items()) == [
        ("record_type", "passthrough"), ("route", "/v1/models"), ("method", "GET"), ("status", 200),
        ("initiator_id", "u1"), ("api_key_id", "k1"), ("provider", "anthropic"),
        ("provider_name", "anthropic"),
        ("created_at", "1970-01-01T00:00:00Z"),
    ]  # fmt: skip


async def test_records_without_any_output() -> None:
    log = open_logs(human="")
    await RecordLog(log).write(BATCH, {})
    assert log.sinks_status() == []
