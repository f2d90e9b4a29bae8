"""Records put and committed; then a large trail: what its questions, its purge and a commit beside it cost."""

import asyncio
import itertools
import sqlite3
import time
from pathlib import Path

from bench.timing import best_us, percentile, shown
from coderai.logs import Logger, Outputs
from coderai.recorder import Recorder
from coderai.records import AnsweredPrompt, Ended, Prompt, Record, Started, Tokens, new_id
from coderai.retention import Retention
from coderai.store import Store, open_sqlite, rows, seals, times
from coderai.store.selection import Filter

PROMPT = "mend the bug in the parser, please; " * 20


def exchange(at: int, user: int = 0) -> tuple[list[Record], list[Record]]:
    """What is recorded at the start and at the end of a small one."""
    start = Started(
        initiator_id=f"user-{user}",
        api_key_id="abcdefghij",
        provider="openai",
        provider_name="openai",
        model=f"gpt-{user % 7}",
        client="Codex",
        client_session_id=f"session-{user}-{at // 10**9}",
        metadata={"request_user_agent": "codex_cli_rs/0.1"},
    )
    id, prompt = new_id(), Prompt(PROMPT)
    asked = Record(new_id(), id, at, prompt)
    end = [
        Record(asked.id, id, at, AnsweredPrompt(prompt, "resp")),
        Record(new_id(), id, at, Tokens(message_id="resp", input=900, output=70)),
        Record(new_id(), id, at, Ended(status=200)),
    ]
    return [Record(id, id, at, start), asked], end


async def recording(folder: Path) -> list[tuple[str, str]]:
    store = await open_sqlite(folder / "recording.db")
    recorder = Recorder(store, Logger(Outputs()))
    single = []
    for _ in range(2000):
        start, end = exchange(times.now())
        began = time.perf_counter()
        recorder.put(start, hurry=False)
        await recorder.put(end)
        single.append((time.perf_counter() - began) * 1e6)
    put = []
    began = time.process_time()
    waiting = []
    for _ in range(20_000):
        start, end = exchange(times.now())
        at = time.perf_counter()
        waiting.append(recorder.put([*start, *end]))
        put.append((time.perf_counter() - at) * 1e6)
        if len(waiting) == 100:
            await asyncio.gather(*waiting)
            waiting.clear()
    many = (time.process_time() - began) / 20_000 * 1e6
    await recorder.close()
    await store.close()
    return [
        ("an exchange put (5 records), median", shown(percentile(put, 0.5))),
        ("an exchange committed by itself, median", shown(percentile(single, 0.5))),
        ("an exchange committed by itself, p99", shown(percentile(single, 0.99))),
        ("CPU of an exchange, a hundred at a time", shown(many)),
        sealing(),
    ]


def sealing() -> tuple[str, str]:
    """What a small exchange pays for its seal: two digests of its rows, and the link of the chain."""
    (started, asked), (_, used, ended) = exchange(times.now())
    known = seals.Rows(rows.interception(started, started.finding, None))
    for kind, _, row in rows.STATEMENTS:
        for record in (asked, used):
            if isinstance(record.finding, kind):
                (known.prompts if kind is Prompt else known.tokens).append(row(record, record.finding))
    end = rows.end(ended, ended.finding)

    def seal() -> bytes:
        return seals.seal(b"", known.id, 1, known.id, known.started_at, seals.digests(known, end))

    return ("CPU of an exchange's seal", shown(best_us(seal)))


def large(folder: Path, count: int) -> list[tuple[str, str]]:
    path = folder / "large.db"
    figures = asyncio.run(_small(path))
    _fill(path, count)
    return figures + asyncio.run(_large(path, count))


async def _small(path: Path) -> list[tuple[str, str]]:
    store = await open_sqlite(path)
    figures = await _commits(store, "commit, empty trail")
    await store.close()
    return figures


def _fill(path: Path, count: int) -> None:
    """Copies of one exchange over the last sixty days, by SQL: a million by the gateway would take minutes."""
    now, step = times.now(), 60 * 86400 * 1_000_000 // count
    database = sqlite3.connect(path)
    columns = """initiator_id, api_key_id, provider, provider_name, model, client, client_session_id, credential_kind,
        credential_hint, metadata, ended_at, status"""
    for first in range(0, count, 10_000):
        numbers = range(first, min(count, first + 10_000))
        rows = [
            (f"{n:036d}", f"user-{n % 500}", f"gpt-{n % 7}" if n else "rare", times.text(now - (count - n) * step))
            for n in numbers
        ]
        database.executemany(
            f"""INSERT INTO aibridge_interceptions (id, started_at, {columns})
            SELECT ?1, ?4, ?2, api_key_id, provider, provider_name, ?3, client, 's' || ?2, credential_kind,
                credential_hint, metadata, ended_at, status FROM aibridge_interceptions LIMIT 1""",  # noqa: S608
            [(id, user, model, at) for id, user, model, at in rows],
        )
        database.executemany(
            "INSERT INTO aibridge_token_usages (id, interception_id, provider_response_id, input_tokens, output_tokens,"
            " created_at) VALUES (?1, ?1, 'r', 900, 70, ?2)",
            [(id, at) for id, _, _, at in rows],
        )
        database.executemany(
            "INSERT INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, created_at)"
            " VALUES (?1, ?1, 'r', ?3, ?2)",
            [(id, at, PROMPT) for id, _, _, at in rows],
        )
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def _commits(store: Store, name: str, beside: asyncio.Task[object] | None = None) -> list[tuple[str, str]]:
    """Two hundred exchanges a second, as long as the other work takes, or ten seconds."""
    recorder = Recorder(store, Logger(Outputs()))
    taken: list[float] = []

    async def one() -> None:
        start, end = exchange(times.now(), user=next(_USERS))
        began = time.perf_counter()
        recorder.put(start, hurry=False)
        await recorder.put(end)
        taken.append((time.perf_counter() - began) * 1e6)

    running: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    while time.monotonic() - began < 10 and (beside is None or not beside.done()):
        running.add(asyncio.create_task(one()))
        running = {task for task in running if not task.done()}
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    await recorder.close()
    return [
        (f"{name}, 200 a second: median, p99", f"{shown(percentile(taken, 0.5))}, {shown(percentile(taken, 0.99))}")
    ]


_USERS = itertools.cycle(range(500))


async def _large(path: Path, count: int) -> list[tuple[str, str]]:
    store = await open_sqlite(path)
    figures = await _questions(store, count)
    figures += await _commits(store, f"commit, trail of {count:,}")
    retention = Retention(store, Logger(Outputs()), seconds=1)
    purge: asyncio.Task[object] = asyncio.create_task(retention.purge())
    figures += await _commits(store, "commit while all of it is purged", purge)
    deleted = count - await _left(store)
    figures.append(("purged in those ten seconds", f"{deleted:,} interceptions"))
    purge.cancel()
    await asyncio.wait([purge])
    await store.close()
    return figures


async def _left(store: Store) -> int:
    rows = await store._driver.report("SELECT count(*) FROM aibridge_interceptions")
    return int(rows[0][0])


async def _questions(store: Store, count: int) -> list[tuple[str, str]]:
    now = times.now()
    filters = {
        "no filter": Filter(),
        "initiator": Filter(initiator_ids=("user-7",)),
        "provider": Filter(provider="openai"),
        "model": Filter(model="gpt-3"),
        "session": Filter(session_id="suser-7"),
        "client": Filter(client="Codex"),
        "a day": Filter(started_after=now - 2 * 86400 * 10**6, started_before=now - 86400 * 10**6),
        "a model that is not there": Filter(model="none"),
        "a model used once, first of all": Filter(model="rare"),
    }
    figures = []
    for name, filter in filters.items():
        taken = []
        for _ in range(9):
            began = time.perf_counter()
            await store.trail.page(filter, limit=100)
            await store.trail.count(filter)
            taken.append((time.perf_counter() - began) * 1e6)
        figures.append((f"list of 100 with its count, {name}, median", shown(percentile(taken, 0.5))))
    return figures
