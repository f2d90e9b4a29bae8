"""The file that `--config` names, read and understood in the option table's terms."""

import errno
import sys
from collections.abc import Callable

from coderai.config.coder import YAML_PATHS
from coderai.config.files import Files
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


def config_document(path: str, source: str, files: Files, stdin: Callable[[], bytes], report: Report) -> Document:
    """What is in it; `source` is where the path was given. No path: nothing."""
    if not path:
        return Document()
    try:
        named = path != STDIN
        content = files.read(path, LARGEST_FILE + 1, source) if named else files.standard_input(stdin, source)
    except OSError as error:
        report.problems.append(f"{source}: cannot read {quoted(path)}: {error.strerror}; expected a YAML file")
        return Document()
    if len(content) > LARGEST_FILE:
        report.problems.append(f"{source}: {quoted(path)} is over {LARGEST_FILE} bytes; expected a YAML file")
        return Document()
    try:
        return read_document("standard input" if path == STDIN else path, content, VOCABULARY)
    except SettingsError as error:
        report.problems += error.problems
        return Document()
