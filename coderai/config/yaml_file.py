"""The YAML file, read into leaves that know their line: dotted path -> where and what.

The file is composed into nodes, never constructed into objects, so every message can name the line, and each
value can be read as it was written (`3000:30` is not a number in base 60 here). Paths are canonical:
`ai_gateway` is `aibridge`, and camelCase keys below it are snake_case, since Coder wrote both at some time.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from coderai.config.kinds import STR, Kind
from coderai.config.problems import LONGEST_SHOWN, SettingsError, did_you_mean, quoted, sounds_secret

CAPITAL = re.compile("(?<=[a-z0-9])([A-Z])")
OUR_GROUP, NEWER_NAME = "aibridge", "ai_gateway"
NULL = "tag:yaml.org,2002:null"
WHAT_IT_IS = {MappingNode: "a group of keys", SequenceNode: "a list", ScalarNode: "a single value"}
AS_YAML = "write each key on a line of its own, indented with blanks below its group, and odd values in quotes"


@dataclass(frozen=True)
class Leaf:
    path: str  # as written
    where: str  # file:line
    node: Node


@dataclass
class Document:
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)  # by canonical path
    meaningless: list[str] = field(default_factory=list)  # Coder's own, as written
    problems: list[str] = field(default_factory=list)  # unknown and duplicate keys


@dataclass(frozen=True)
class Vocabulary:
    read: Collection[str]  # canonical paths of the options
    meaningless: Collection[str]
    secret: Collection[str]  # where a person may look for a secret, which YAML does not take

    @property
    def groups(self) -> set[str]:
        """What the paths that are read lie below."""
        return {path.rsplit(".", depth)[0] for path in self.read for depth in range(1, path.count(".") + 1)}


def read_document(name: str, content: bytes, vocabulary: Vocabulary) -> Document:
    """Raises SettingsError where the file is not one YAML document that is a mapping."""
    document = Document()
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        several = isinstance(error, yaml.composer.ComposerError) and "single document" in str(error.context)
        what = _hidden(error.problem)
        problem = "a second document begins; expected one" if several else f"not YAML: {what}; {AS_YAML}"
        raise SettingsError([f"{name}:{line}: {problem}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError([f"{name}: not YAML: {reason}; expected a text file in UTF-8"]) from None
    except RecursionError:
        raise SettingsError([f"{name}: nested too deeply to be settings"]) from None
    if root is not None and not _is_null(root):
        if not isinstance(root, MappingNode):
            what = WHAT_IT_IS[type(root)]
            raise SettingsError([f"{name}:1: the file is {what}; expected keys such as aibridge: and networking:"])
        _walk(root, (), name, vocabulary, document)
    return document


def _walk(mapping: MappingNode, above: tuple[str, ...], name: str, vocabulary: Vocabulary, document: Document) -> None:
    for key, node, where in entries(mapping, name, ".".join(above), document.problems):
        written = ".".join((*above, key))
        path = canonical(written)
        if path in vocabulary.read:
            document.leaves.setdefault(path, []).append(Leaf(written, where, node))
        elif path in vocabulary.meaningless:
            document.meaningless.append(f"{written} ({where})")
        elif path not in vocabulary.groups:
            document.problems.append(_unknown(written, path, where, node, vocabulary))
        elif isinstance(node, MappingNode):
            _walk(node, (*above, key), name, vocabulary, document)
        elif not _is_null(node):
            value = _value(node, secret=_too_long_to_show(node))
            document.problems.append(f"{where}: {written}: {value} was given; expected a group of keys")


def _hidden(problem: str | None) -> str:
    """The parser quotes what it has found."""
    return re.sub(rf"'[^']{{{LONGEST_SHOWN + 1},}}'", "(hidden)", problem or "it ends too soon")


def entries(mapping: MappingNode, name: str, above: str, problems: list[str]) -> Iterator[tuple[str, Node, str]]:
    """Key, value and file:line of each entry; keys that are no text or that repeat are problems."""
    seen: dict[str, int] = {}
    for key, node in mapping.value:
        line = key.start_mark.line + 1
        where = f"{name}:{line}"
        if not isinstance(key, ScalarNode):
            problems.append(f"{where}: a key below {above or 'the top'} is {WHAT_IT_IS[type(key)]}; expected text")
        elif key.value in seen:
            path = f"{above}.{key.value}" if above else key.value
            problems.append(f"{where}: {path}: the key was given before, on line {seen[key.value]}; remove one")
        else:
            seen[key.value] = line
            yield key.value, node, where


def canonical(path: str) -> str:
    group, dot, key = path.partition(".")
    if group not in (OUR_GROUP, NEWER_NAME):
        return path
    return f"{OUR_GROUP}{dot}" + CAPITAL.sub(r"_\1", key).lower()


def text_of(leaf: Leaf, kind: Kind[object]) -> str | None:
    """The value in the text form that `kind` parses; None for null, which is as good as absent.

    Raises ValueError, with the reason, where the value is of the wrong type.
    """
    node = leaf.node
    if _is_null(node):
        return None
    if kind.is_list and isinstance(node, SequenceNode):  # else a line of commas, as in a variable
        return _csv_line([_item(item, number) for number, item in enumerate(node.value, 1)])
    return _scalar(node, kind.yaml_tags)


def shown(leaf: Leaf) -> str:
    """The value for a message; "" of what is no single value, since a message says that it is a list or a group."""
    return _value(leaf.node) if isinstance(leaf.node, ScalarNode) else ""


def _item(node: Node, number: int) -> str:
    try:
        return _scalar(node, (STR,))
    except ValueError as reason:
        raise ValueError(f"item {number}, {_value(node)}: {reason}") from None


def _scalar(node: Node, tags: tuple[str, ...]) -> str:
    if not isinstance(node, ScalarNode):
        raise ValueError(f"it is {WHAT_IT_IS[type(node)]}")
    if tags and node.tag not in tags:
        raise ValueError(f"YAML reads it as {node.tag.rpartition(':')[2]}")
    if node.tag == "tag:yaml.org,2002:bool" and node.style is None:
        return "true" if node.value.lower() in ("true", "yes", "on") else "false"
    return str(node.value)


def _csv_line(items: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="", quoting=csv.QUOTE_ALL).writerow(items)
    return line.getvalue()


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == NULL


def _value(node: Node, *, secret: bool = False) -> str:
    return quoted(node.value, secret=secret) if isinstance(node, ScalarNode) else WHAT_IT_IS[type(node)]


def _too_long_to_show(node: Node) -> bool:
    """It may be a key, at a misspelt name or in the place of its group."""
    return len(node.value) > LONGEST_SHOWN


def _unknown(written: str, path: str, where: str, node: Node, vocabulary: Vocabulary) -> str:
    if path in vocabulary.secret:
        variable = f"CODER_{path.replace('.', '_').upper()}"
        return f"{where}: {written}: secrets are not read from YAML; set {variable}, or {path}_file"
    value = _value(node, secret=sounds_secret(written) or _too_long_to_show(node))
    around = {path.rsplit(".", depth)[0] for depth in range(1, path.count(".") + 1)}  # where it stands already
    ours = did_you_mean(path, {NEWER_NAME, *vocabulary.groups, *vocabulary.read} - around)
    meant = ours or did_you_mean(path, vocabulary.meaningless)
    return f"{where}: {written}: unknown key, with the value {value}{meant}"
