"""`make bench`: measures the parts one by one, and writes docs/PERFORMANCE.md.

Figures of one run on one machine: they tell which part costs what, and whether a change made it dearer. How coderai
compares to others is for the side-by-side benchmark to say (`make bench COMPARE=path/to/compare.py`), whose output goes
into the same page. Nothing here is a test.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench import formats, relay, storage

PAGE = Path(__file__).resolve().parent.parent / "docs" / "PERFORMANCE.md"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--compare", help="the side-by-side benchmark's compare.py, to be run as well")
    options.add_argument("--compared", help="or the output of an earlier run of it")
    options.add_argument("--interceptions", type=int, default=1_000_000, help="how many to store for the large trail")
    given = options.parse_args()
    parts = [("Parsing and reading", formats.measure())]
    with tempfile.TemporaryDirectory(prefix="coderai-bench-") as folder:
        parts.append(("Recording", asyncio.run(storage.recording(Path(folder)))))
        parts.append(("One request through the gateway", relay.measure(Path(folder))))
        parts.append((f"A trail of {given.interceptions:,}", storage.large(Path(folder), given.interceptions)))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(_page(parts, _compared(given.compare, given.compared)))
    print(f"wrote {PAGE}")


def _compared(script: str | None, output: str | None) -> str:
    if output:
        return Path(output).read_text()
    if script:
        command = [sys.executable, script, "--coderai", str(Path(sys.executable).with_name("coderai"))]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return ""


def _page(parts: list[tuple[str, list[tuple[str, str]]]], compared: str) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release().split('-')[0]}"
    lines = [
        "# Performance",
        "",
        f"Measured on {date.today()} with Python {platform.python_version()} on {machine}, by `make bench`.",
        "A shared virtual machine: figures of one run hold together, not with those of another machine.",
        "",
    ]
    if compared:
        lines += [
            "## Side by side",
            "",
            "The gateway on one core, provider and load on the other; medians of three rounds; coderai authenticates",
            "and records to SQLite throughout. By `make bench COMPARE=path/to/compare.py`.",
            "",
            "```",
            compared.strip(),
            "```",
            "",
        ]
    for title, figures in parts:
        lines += [f"## {title}", "", "| what | figure |", "| --- | --- |"]
        lines += [f"| {what} | {figure} |" for what, figure in figures]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
