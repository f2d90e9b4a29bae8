"""What nobody foresaw as lines: faults of our own, of a callback's, and what libraries log."""

import asyncio
import logging
from pathlib import Path

from coderai.logs import Logger, StandardLibrary
from tests.logs.opened import lines_of


class Unwritable:
    def __str__(self) -> str:
        raise KeyError("sk-quoted")


def test_lines_of_the_standard_library(log: Logger, json_file: Path) -> None:
    handler = StandardLibrary(log)
    library = logging.Logger("aiohttp.server")
    library.addHandler(handler)
    library.info("not wanted")
    library.warning("odd %s", "thing")
    library.warning("odd %d", "arguments")
    library.warning("odd %s", Unwritable())
    try:
        raise ValueError("sk-quoted")
    except ValueError:
        library.exception("Unhandled")
    odd, arguments, unwritable, unhandled = lines_of(log, json_file)
    assert (odd["level"], odd["msg"], odd["logger_names"]) == ("WARN", "odd thing", ["aiohttp.server"])
    assert (arguments["msg"], unwritable["msg"]) == ("odd %d", "odd %s")
    assert unhandled["fields"]["error"] == "ValueError"
    assert "in test_lines_of_the_standard_library" in unhandled["fields"]["traceback"]
    assert "sk-quoted" not in unhandled["fields"]["traceback"].replace('ValueError("sk-quoted")', "")  # the source


def test_a_fault_is_told_with_what_it_was_raised_for(log: Logger, json_file: Path) -> None:
    try:
        try:
            raise OSError(28, "No space left on device", "sk-quoted")
        except OSError as full:
            raise ValueError("sk-quoted") from full
    except ValueError as fault:
        log.fault("broken", fault)
    (line,) = lines_of(log, json_file)
    assert line["fields"]["error"] == "ValueError"
    assert "because of OSError: No space left on device" in line["fields"]["traceback"]


def test_a_fault_whose_causes_run_in_a_circle(log: Logger, json_file: Path) -> None:
    fault = ValueError()
    fault.__cause__ = other = KeyError()
    other.__cause__ = fault
    log.fault("broken", fault)
    (line,) = lines_of(log, json_file)
    assert line["fields"]["traceback"].count("because of KeyError") == 5


async def test_a_fault_in_a_callback(log: Logger, json_file: Path) -> None:
    def callback(data: bytes) -> None:
        raise ValueError(data)

    library = logging.getLogger("asyncio")
    handler = StandardLibrary(log)
    library.addHandler(handler)
    try:
        asyncio.get_running_loop().call_soon(callback, b"sk-argument")
        await asyncio.sleep(0)
    finally:
        library.removeHandler(handler)
    (line,) = lines_of(log, json_file)
    assert line["msg"].startswith("Exception in callback test_a_fault")
    assert line["fields"]["error"] == "ValueError"
    assert "sk-argument" not in str(line)
