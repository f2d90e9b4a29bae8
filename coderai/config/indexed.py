"""Where the fields of indexed providers are found: variables, the YAML list, and the files of keys."""

import re
from collections.abc import Mapping

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from coderai.config.files import Files
from coderai.config.given import Given, Indexed
from coderai.config.kinds import PATH
from coderai.config.problems import Report, did_you_mean, quoted
from coderai.config.provider_fields import FIELDS, LIST_FIELDS, SECRET_FIELDS, build
from coderai.config.providers import ProviderSettings
from coderai.config.secret_files import read_secret
from coderai.config.sources import Origin
from coderai.config.yaml_file import WHAT_IT_IS, Leaf, entries

YAML_PATH = "aibridge.providers"

_VARIABLE = re.compile(r"CODER_(?:AIBRIDGE|AI_GATEWAY)_PROVIDER_([^_]*)_(.*)", re.DOTALL)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}")


def is_indexed(variable: str) -> bool:
    return _VARIABLE.fullmatch(variable) is not None


def from_environ(environ: Mapping[str, str], report: Report) -> Indexed:
    """An empty variable counts as unset, but its provider counts."""
    indexed: Indexed = {}
    for variable, text in sorted(environ.items()):
        match = _VARIABLE.fullmatch(variable)
        if match is None:
            continue
        number, name = match.groups()
        if not _NUMBER.fullmatch(number):
            report.problems.append(f'{variable}: parse number "{number}": expected 0, 1, 2 and so on')
            continue
        fields = indexed.setdefault(int(number), {})
        if name not in FIELDS:
            meant = did_you_mean(name, FIELDS)
            report.warnings.append(f"{variable}: ignoring unknown aibridge provider field (check for typos){meant}")
        elif text and name in fields and fields[name].text != text:
            report.problems.append(f"{variable} and {fields[name].source} differ; remove one of them")
        elif text:
            fields[name] = Given(text, variable)
    return indexed


def from_yaml(leaves: list[Leaf], report: Report) -> Indexed:
    if len(leaves) > 1:
        report.problems.append(
            f"{leaves[1].where}: {leaves[1].path}: it is in {leaves[0].where} as {leaves[0].path}; remove one"
        )
    indexed: Indexed = {}
    for leaf in leaves[:1]:
        name = leaf.where.rpartition(":")[0]
        if not isinstance(leaf.node, SequenceNode):
            if not (isinstance(leaf.node, ScalarNode) and leaf.node.tag.endswith(":null")):
                what = WHAT_IT_IS[type(leaf.node)]
                report.problems.append(f"{leaf.where}: {leaf.path}: it is {what}; expected a list of providers")
            continue
        for number, item in enumerate(leaf.node.value):
            where = f"{name}:{item.start_mark.line + 1}"
            if isinstance(item, MappingNode):
                indexed[number] = _fields(item, name, f"{leaf.path}.{number}", report)
            else:
                what = WHAT_IT_IS[type(item)]
                report.problems.append(f"{where}: {leaf.path}.{number}: it is {what}; expected type:, name: …")
    return indexed


def _fields(item: MappingNode, name: str, above: str, report: Report) -> dict[str, Given]:
    fields: dict[str, Given] = {}
    for key, node, where in entries(item, name, above, report.problems):
        field = key.upper()
        if field not in FIELDS:
            meant = did_you_mean(key, [known.lower() for known in FIELDS])
            report.problems.append(f"{where}: {above}.{key}: unknown key of a provider{meant}")
        elif field in LIST_FIELDS and isinstance(node, SequenceNode):
            source = f"{where}: {above}.{key}"
            if field == "MODELS" and not node.value:
                report.problems.append(f"{source}: the list is empty, which would allow every model; name some")
            fields[field] = Given(_listed(node, source, report), source)
        elif not isinstance(node, ScalarNode):
            report.problems.append(f"{where}: {above}.{key}: it is {WHAT_IT_IS[type(node)]}; expected text")
        elif node.value and not node.tag.endswith(":null"):
            fields[field] = Given(node.value, f"{where}: {above}.{key}")
    return fields


def _listed(node: SequenceNode, source: str, report: Report) -> str:
    """The items with commas between, as in a variable. No message shows one: they may be keys."""
    for number, item in enumerate(node.value, 1):
        if not isinstance(item, ScalarNode):
            report.problems.append(f"{source}: item {number} is {WHAT_IT_IS[type(item)]}; expected text")
        elif not item.value or item.tag.endswith(":null"):
            report.problems.append(f"{source}: item {number} is empty; remove it")
    return ",".join(item.value for item in node.value if isinstance(item, ScalarNode))


def merged(environ: Indexed, yaml: Indexed, report: Report) -> Indexed:
    """Field by field, the variable winning; but who a provider is must agree, lest a key go to another."""
    indexed = {number: {**yaml.get(number, {}), **environ.get(number, {})} for number in {*environ, *yaml}}
    for number in environ.keys() & yaml.keys():
        for names in (("TYPE",), ("NAME", "TYPE")):  # without a name, the type is the name
            one, other = _first(environ[number], names), _first(yaml[number], names)
            if one and other and one.text != other.text:
                report.problems.append(
                    f"{one.source}: {quoted(one.text)}: provider {number} has {quoted(other.text)} in "
                    f"{other.source}; let them agree, or use another number"
                )
                break
    return indexed


def _first(fields: dict[str, Given], names: tuple[str, ...]) -> Given | None:
    return next((fields[name] for name in names if name in fields), None)


def with_files(indexed: Indexed, files: Files, report: Report) -> Indexed:
    """KEY and KEYS filled from KEY_FILE and KEYS_FILE."""
    filled: Indexed = {}
    for number, fields in indexed.items():
        filled[number] = dict(fields)
        for name in SECRET_FIELDS:
            file = fields.get(f"{name}_FILE")
            if file is None:
                continue
            if name in fields:
                report.problems.append(f"{file.source}: {name} and {name}_FILE are both given; remove one of them")
                continue
            try:
                path = PATH.parse(file.text)
            except ValueError as reason:
                report.problems.append(f"{file.source}: {quoted(file.text)}: {reason}; expected {PATH.expected}")
                continue
            content = read_secret(files, path, file.source, report)
            if content:
                filled[number][name] = Given(content, file.source)
    return filled


def indexed_providers(
    environ: Mapping[str, str], leaves: list[Leaf], files: Files, report: Report
) -> tuple[tuple[ProviderSettings, ...], Origin]:
    variables = from_environ(environ, report)
    fields = merged(variables, from_yaml(leaves, report), report)
    origin = Origin("default")
    if variables:
        given = [field.source for _, fields_here in sorted(variables.items()) for field in fields_here.values()]
        origin = Origin("environment", given[0] if given else "")
    elif fields:
        origin = Origin("yaml", leaves[0].where)
    return build(with_files(fields, files, report), report.problems), origin
