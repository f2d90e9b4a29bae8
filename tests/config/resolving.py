"""Settings from variables, or from a YAML file at standard input, and what is wrong with them."""

import pytest

from coderai.config import SettingsError, resolve

P = "CODER_AIBRIDGE_PROVIDER_"


def resolved(environ=None, yaml=None):
    flags = {"config": "-"} if yaml is not None else {}
    return resolve(flags, environ or {}, stdin=lambda: yaml.encode())


def problems(environ=None, yaml=None):
    with pytest.raises(SettingsError) as caught:
        resolved(environ, yaml)
    return caught.value.problems


def variables(number=0, **fields):
    return {f"{P}{number}_{name}": text for name, text in fields.items()}
