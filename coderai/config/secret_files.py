"""Secrets from files, such as those that container platforms mount: trimmed, and read again on reload."""

import os
from pathlib import Path

from coderai.config.files import Files
from coderai.config.problems import Report, begun, quoted

LARGEST_SECRET_FILE = 64 * 1024  # bytes; a key is under a kilobyte, anything longer is the wrong file


def read_secret(files: Files, path: str, source: str, report: Report) -> str:
    """A secret file's content, trimmed; "" (and a problem) where it cannot be had."""
    try:
        content = files.read(path, LARGEST_SECRET_FILE + 1, source)
        text = content.decode().strip()
    except OSError as error:
        report.problems.append(
            f"{source}: cannot read {_unread(path)}: {error.strerror}; "
            "expected the path of a readable file, not the key itself"
        )
        return ""
    except UnicodeDecodeError:
        report.problems.append(f"{source}: {quoted(path)} is not text; expected a file that holds a key")
        return ""
    if len(content) > LARGEST_SECRET_FILE:
        report.problems.append(f"{source}: {quoted(path)} is too large to be a key; expected a file that holds one")
        return ""
    if not text:
        report.problems.append(f"{source}: {quoted(path)} is empty; expected a file that holds a key")
    return text


def _unread(path: str) -> str:
    """A path, for a message, that may be the key: all of it only if it leads somewhere, as no key does."""
    leads = path.startswith("/") or ("/" in path and os.access(Path(path).parent, os.F_OK))
    return quoted(path) if leads else begun(path)
