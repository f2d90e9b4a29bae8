"""The file that `--config` names, read and understood in the option table's terms."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from coderai.config.coder import YAML_PATHS
from coderai.config.indexed import YAML_PATH
from coderai.config.problems import Report, SettingsError, quoted
from coderai.config.settings import OPTIONS
from coderai.config.yaml_file import Document, Vocabulary, canonical, read_document

STDIN = "-"
LARGEST_FILE = 4 * 1024 * 1024  # bytes of YAML; a full configuration is about 30 kB

VOCABULARY = Vocabulary(
    read=frozenset(path for option in OPTIONS for path in option.yaml_paths) | {YAML_PATH},
    meaningless=YAML_PATHS,
    secret=frozenset(canonical(option.name.replace("_", ".", 1)) for option in OPTIONS if option.secret),
)


def read_stdin() -> bytes:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(LARGEST_FILE + 1)


def read_file(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(LARGEST_FILE + 1)


def can_be_read_again(path: str) -> bool:
    """Not so standard input and pipes, such as a shell's `<(…)`: a second reading would find nothing."""
    return path != STDIN and Path(path).is_file()


def config_document(path: str, source: str, read: Callable[[str], bytes], report: Report) -> tuple[bytes, Document]:
    """The file's bytes and what is in them; `source` is where the path was given. No path: nothing."""
    if not path:
        return b"", Document()
    try:
        content = read(path)
    except OSError as error:
        report.problems.append(f"{source}: cannot read {quoted(path)}: {error.strerror}; expected a YAML file")
        return b"", Document()
    if len(content) > LARGEST_FILE:
        report.problems.append(f"{source}: {quoted(path)} is over {LARGEST_FILE} bytes; expected a YAML file")
        return b"", Document()
    try:
        return content, read_document("standard input" if path == STDIN else path, content, VOCABULARY)
    except SettingsError as error:
        report.problems += error.problems
        return content, Document()
