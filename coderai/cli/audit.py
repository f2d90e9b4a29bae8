"""`coderai audit verify`: whether the trail is as coderai has written it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from coderai.cli.database import BadValue, CannotDo, require, with_store
from coderai.cli.options import Commands, settings_options
from coderai.config import Resolved
from coderai.config.problems import quoted
from coderai.sealing import MESSAGE
from coderai.store import Store, times
from coderai.store.audit import Verdict
from coderai.store.chains import Anchor, Anchors

# Of what does not fit, as many lines as can be read; the first is what counts.
SHOWN_BREAKS = 20


@click.group(cls=Commands)
def audit() -> None:
    """Verify the audit trail."""


@audit.command()
@click.option(
    "--from", "since", default="", metavar="TIME", help="Look at interceptions from then on, e.g. 2026-11-01."
)
@click.option("--to", "until", default="", metavar="TIME", help="Look at interceptions before then.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON log of the server with `interception seal` lines, to hold against the trail; may be given again.",
)
@settings_options("sqlite_path", "postgres_url")
def verify(since: str, until: str, logs: tuple[Path, ...], resolved: Resolved) -> None:
    """Find what was changed, removed or inserted since it was recorded.

    Chains of seals are followed whole, whatever the times. Exit code 1 names the first break.
    """
    begin, end = _time("--from", since) or "", _time("--to", until) or "9999"
    require(until, begin < end, "--to", f"give a time after --from, which is {since}")
    anchors = _anchors(logs)

    async def work(store: Store) -> Verdict:
        return await store.verify(begin, end, anchors)

    verdict = with_store(resolved, work, checked=True)
    click.echo(
        f"{verdict.interceptions} interceptions verified, {verdict.links} seals followed, "
        f"{verdict.open} not ended yet, {verdict.unsealed} from before there were seals, {len(anchors)} seals of logs"
    )
    if verdict.contents_deleted:
        click.echo(f"retention has deleted the contents of what began until {verdict.contents_deleted}")
    if verdict.breaks:
        for found in verdict.breaks[:SHOWN_BREAKS]:
            click.echo(f"break: {found.at} {found.what}".replace("  ", " "))
        first = verdict.breaks[0]
        count = "1 break" if len(verdict.breaks) == 1 else f"{len(verdict.breaks)} breaks"
        raise CannotDo(f"the trail was tampered with ({count}); first: {first.at} {first.what}")
    click.echo("the trail is as it was written")


def _time(option: str, given: str) -> str | None:
    """A date or time as the database holds it; UTC where no zone is given."""
    if not given:
        return None
    try:
        return _moment(given)
    except (ValueError, OverflowError):
        remedy = "write a date or a time, e.g. 2026-11-01 or 2026-11-01T08:30:00Z"
        raise BadValue(f"{option} {quoted(given)}: {remedy}") from None


def _moment(given: str) -> str:
    """Raises ValueError, OverflowError."""
    moment = datetime.fromisoformat(given)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return times.text(times.microseconds(moment.isoformat()))


def _anchors(logs: Sequence[Path]) -> Anchors:
    anchors: dict[tuple[str, int], Anchor] = {}
    for log in logs:
        try:
            with log.open("rb") as lines:
                anchors.update(_anchors_in(log, lines))
        except OSError as error:
            raise CannotDo(f"--log {log}: it cannot be read: {error.strerror}") from None
    if logs and not anchors:
        names = ", ".join(map(str, logs))
        raise CannotDo(f"--log {names}: no line of it is an `{MESSAGE}`; set --aibridge-seal-log-interval")
    return anchors


def _anchors_in(log: Path, lines: Iterable[bytes]) -> Iterator[tuple[tuple[str, int], Anchor]]:
    rest = iter(lines)
    begin = list(islice(rest, 2))
    _check(log, begin)
    for number, line in enumerate(chain(begin, rest), 1):
        if MESSAGE.encode() in line and (anchor := _anchor(f"{log}:{number}", line)):
            yield anchor


def _check(log: Path, begin: Sequence[bytes]) -> None:
    if begin and not any("msg" in _entry(line) for line in begin):  # the first may have been cut by a rotation
        raise CannotDo(f"--log {log}: it is no log of --log-json; give one, with --aibridge-seal-log-interval set")


def _entry(line: bytes) -> dict[str, Any]:
    """Empty for what is none: a line that a rotation or a full disk has cut, or that is being written."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


class _Seal(Struct):
    instance_id: str
    seal_number: int
    seal: str


def _anchor(place: str, line: bytes) -> tuple[tuple[str, int], Anchor] | None:
    """None for a record whose prompt, say, has these words: whoever writes one must not keep the trail from being
    verified, not even where its line is cut.
    """
    entry = _entry(line)
    if entry.get("msg") != MESSAGE:
        return None
    try:
        given = msgspec.convert(entry["fields"], _Seal)
        return (given.instance_id, given.seal_number), Anchor(bytes.fromhex(given.seal), _moment(entry["ts"]))
    except (ValueError, KeyError, TypeError, OverflowError, msgspec.ValidationError):
        raise CannotDo(f"{place}: this `{MESSAGE}` line cannot be read; give a log of --log-json") from None
