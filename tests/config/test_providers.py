"""Single and indexed providers, from variables and YAML."""

import pytest

from coderai.config import ProviderSettings, resolve
from tests.config.resolving import P, problems, resolved, variables


def test_the_single_ones_are_there_without_a_key():
    openai, anthropic = resolved({"CODER_AIBRIDGE_ANTHROPIC_KEY": "k"}).settings.providers
    assert openai == ProviderSettings(type="openai", name="openai", base_url="https://api.openai.com/v1/")
    assert anthropic == ProviderSettings(
        type="anthropic", name="anthropic", base_url="https://api.anthropic.com/", keys=("k",)
    )


def test_indexed_ones_in_numeric_order():
    environ = {}
    for number in range(11):
        environ |= variables(number, TYPE="openai", NAME=f"p{number}")
    assert [provider.name for provider in resolved(environ).indexed] == [f"p{number}" for number in range(11)]


def test_all_fields():
    environ = variables(TYPE="openai", NAME="z-ai", BASE_URL="https://z.ai/v4", KEYS="a, b", STREAM_OPTIONS="false")
    expected = ProviderSettings(
        type="openai", name="z-ai", base_url="https://z.ai/v4", keys=("a", "b"), refuses_stream_options=True, number=0
    )
    assert resolved(environ).indexed == (expected,)
    newer = {name.replace("AIBRIDGE", "AI_GATEWAY"): text for name, text in environ.items()}
    assert resolved(newer).indexed == (expected,)
    yaml = """
aibridge:
  providers:
    - {type: openai, name: z-ai, base_url: 'https://z.ai/v4', keys: [a, b], stream_options: false}
"""
    assert resolved(yaml=yaml).indexed == (expected,)
    assert resolved(yaml=yaml.replace("aibridge", "ai_gateway")).indexed == (expected,)


def test_chatgpt_is_a_provider_of_openai_s_type_only():
    (chatgpt,) = resolved(variables(TYPE="openai", NAME="chatgpt")).indexed
    assert chatgpt.base_url == "https://chatgpt.com/backend-api/codex"
    (another,) = resolved(variables(TYPE="anthropic", NAME="chatgpt", KEY="k")).indexed
    assert (another.base_url, another.keys) == ("https://api.anthropic.com/", ("k",))


def test_the_name_is_the_type_by_default_and_takes_the_single_ones_place():
    providers = resolved(variables(TYPE="anthropic", KEY="k")).settings.providers
    assert [(provider.name, provider.keys) for provider in providers] == [
        ("openai", ()),
        ("anthropic", ("k",)),
    ]


def test_keys_from_files(tmp_path, monkeypatch):
    file = tmp_path / "keys"
    file.write_text("a\nb\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (provider,) = resolved(variables(TYPE="openai", NAME="x", KEYS_FILE="~/keys", DUMP_DIR="~/dumps")).indexed
    assert (provider.keys, provider.dump_dir) == (("a", "b"), f"{tmp_path}/dumps")
    (provider,) = resolved(variables(TYPE="openai", NAME="x", KEYS_FILE=str(file))).indexed
    assert (provider.keys, provider.key_file) == (("a", "b"), str(file))
    (problem,) = problems(variables(TYPE="openai", NAME="x", KEY="a", KEY_FILE=str(file)))
    assert "KEY and KEY_FILE are both given" in problem
    problem = problems(variables(TYPE="openai", NAME="x", KEY_FILE="/nowhere"))[0]
    assert problem.startswith(f'{P}0_KEY_FILE: cannot read "/nowhere"')


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sk-proj-0123456789abcdef", "sk-p…"),
        ("sk-one-0123456789,sk-two-0123456789", "sk-o…"),
        ("ABSKQmVkcm9j/S0FQSUtleQ==", "ABSK…"),  # base64 knows the slash
        ('"sk-proj-0123456789abcdef"', '"sk-…'),
        ("sk-proj-0123456789abcdef ", "sk-p…"),
        ("k" * 300, "kkkk…"),  # longer than a file's name can be
        ("k" * 300 + "/k", "kkkk…"),
        ("./openai-api-key", "./openai-api-key"),
        ("/run/secrets/openai-api-key", "/run/secrets/openai-api-key"),
    ],
)
def test_a_key_in_place_of_its_file_is_not_repeated(given, shown):
    name = f"{P}0_KEY_FILE"
    for environ, source in (
        (variables(TYPE="openai", NAME="x", KEY_FILE=given), name),
        ({"CODER_AIBRIDGE_OPENAI_KEY_FILE": given}, "CODER_AIBRIDGE_OPENAI_KEY_FILE"),
    ):
        (problem,) = problems(environ)
        assert problem.startswith(f'{source}: cannot read "{shown}": ')
        assert problem.endswith("; expected the path of a readable file, not the key itself")
    yaml = f"aibridge: {{openai_key_file: '{given}'}}"
    assert f'cannot read "{shown}"' in problems({}, yaml)[0]


def test_the_end_of_a_line_behind_a_key_is_none_of_it():
    (provider,) = resolved(variables(TYPE="openai", NAME="x", KEY="sk-one\r\n")).indexed
    assert provider.keys == ("sk-one",)


def test_the_environment_completes_yaml():
    yaml = "aibridge: {providers: [{type: openai, name: z, base_url: 'https://z.ai/'}]}"
    (provider,) = resolved(variables(KEY="k"), yaml).indexed
    assert (provider.name, provider.base_url, provider.keys) == ("z", "https://z.ai/", ("k",))


def test_a_key_never_goes_to_another_provider_of_the_same_number():
    yaml = "aibridge: {providers: [{type: openai, name: z, base_url: 'https://z.ai/'}]}"
    for fields in ({"TYPE": "openai", "NAME": "y"}, {"NAME": "y"}, {"TYPE": "openai"}):
        (problem,) = problems(variables(**fields, KEY="sk-hush"), yaml)
        assert 'provider 0 has "z" in standard input:1' in problem
        assert "sk-hush" not in problem


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_the_single_options_take_several_keys_too(name, tmp_path):
    flag, variable = f"aibridge-{name}-key", f"CODER_AIBRIDGE_{name.upper()}_KEY"
    file = tmp_path / "keys"
    file.write_text("sk-one\nsk-two\n")
    given = "sk-one, sk-two"
    for found in (resolve({flag: given}, {}), resolved({variable: given}), resolved({f"{variable}_FILE": str(file)})):
        (provider,) = (provider for provider in found.settings.providers if provider.name == name)
        assert provider.keys == ("sk-one", "sk-two")
    for bad, expected in (
        ("a,b,c,d,e,f", "too many keys (6), maximum is 5"),
        ("a,,b", "key at index 1 is empty"),
        ("a,a", "duplicate key at index 1"),
        ("hu sh", "white space"),
    ):
        (problem,) = problems({variable: bad})
        assert problem.startswith(f"{variable}: (hidden): ") and expected in problem and bad not in problem


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (variables(1, TYPE="openai", NAME="x"), "skipped"),
        ({f"{P}X_TYPE": "openai"}, 'parse number "X"'),
        ({f"{P}01_TYPE": "openai"}, 'parse number "01"'),
        (variables(NAME="x"), "TYPE is required"),
        (variables(TYPE="", NAME="x"), "TYPE is required"),
        (variables(TYPE="gemini"), "unknown TYPE"),
        (variables(TYPE="copilot", KEY="k"), "KEY/KEYS are not supported for TYPE"),
        (variables(TYPE="openai", NAME="chatgpt", KEYS="k"), "users bring their own"),
        (variables(TYPE="openai", MODELS="a,,b"), "a pattern is empty"),
        (variables(TYPE="openai", MODELS='["gpt-5*","o3"]'), "it holds quotes"),
        (variables(TYPE="openai", MODELS="gpt-5* o3"), "or white space; write names"),
        (variables(TYPE="openai", KEY='"sk-1"'), "key at index 0 is in quotes or brackets; leave them out"),
        (variables(TYPE="openai", KEYS="[sk-1,sk-2]"), "key at index 0 is in quotes or brackets"),
        (variables(TYPE="openai", MODELS="a,[z-a]"), 'no model matches "[z-a]"'),
        (variables(TYPE="openai", NAME="a") | variables(1, TYPE="openai", NAME="a"), "duplicate NAME"),
        (variables(TYPE="openai", NAME="A"), "only lowercase alphanumeric characters and hyphens"),
        (variables(TYPE="openai", NAME="a--b"), 'invalid provider name "a--b"'),
        (variables(TYPE="openai", NAME="sessions"), "reserved"),
        (variables(TYPE="openai", NAME="a", KEY="a", KEYS="b"), "KEY and KEYS are mutually exclusive"),
        (variables(TYPE="openai", NAME="a", KEYS="a,,b"), "key at index 1 is empty"),
        (variables(TYPE="openai", NAME="a", KEYS="a,b,a"), "duplicate key at index 2"),
        (variables(TYPE="openai", NAME="a", KEYS="1,2,3,4,5,6"), "too many keys (6), maximum is 5"),
        (variables(TYPE="openai", NAME="a", KEY="a b"), "(hidden): it holds white space"),
        (variables(TYPE="openai", NAME="a", BASE_URL="z.ai"), '"z.ai": it does not start with http://'),
        (variables(TYPE="openai", NAME="a", BASE_URL="http://a..b/v1"), "its host is no name: a part of it is empty"),
        (variables(TYPE="openai", NAME="a", BASE_URL=f"http://{'a' * 64}.b/v1"), "longer than 63 characters"),
        (variables(TYPE="openai", NAME="a", STREAM_OPTIONS="no"), '"no": it is neither true nor false'),
        (variables(TYPE="anthropic", NAME="a", STREAM_OPTIONS="true"), 'it has no meaning for TYPE "anthropic"'),
        (variables(TYPE="openai", NAME="a", BEDROCK_REGION="x"),
         "BEDROCK_* fields are only supported with TYPE"),
        (variables(TYPE="anthropic", NAME="a", BEDROCK_REGION="x"), "is no region"),
        (variables(TYPE="openai") | {"CODER_AIBRIDGE_OPENAI_KEY": "k"},
         'legacy CODER_AIBRIDGE_OPENAI_KEY conflicts with indexed provider named "openai"; remove one or'),
        (variables(TYPE="openai") | {"CODER_AIBRIDGE_OPENAI_BASE_URL": "http://x/"},
         "legacy CODER_AIBRIDGE_OPENAI_BASE_URL conflicts"),
        ({f"{P}0_TYPE": "openai", "CODER_AI_GATEWAY_PROVIDER_0_TYPE": "anthropic"}, "differ; remove one"),
    ],
)  # fmt: skip
def test_mistakes_in_variables(environ, expected):
    (problem,) = problems(environ)
    assert expected in problem
    assert "CODER_" in problem.split(": ")[0]


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        ("{type: openai}", ":2: aibridge.providers: it is a group of keys; expected a list of providers"),
        ("[openai]", ":2: aibridge.providers.0: it is a single value; expected type:, name:"),
        (
            "[{type: openai, nmae: x}]",
            ":2: aibridge.providers.0.nmae: unknown key of a provider; did you mean name?",
        ),
        ("[{type: openai, name: [x]}]", ":2: aibridge.providers.0.name: it is a list; expected text"),
        (
            "[{type: gemini}]",
            ':2: aibridge.providers.0.type: unknown TYPE "gemini"; expected openai, anthropic, copilot',
        ),
        ("[{type: openai, type: openai}]", "aibridge.providers.0.type: the key was given before"),
        ("[{name: x}]", "TYPE is required for provider 0"),
        ("[{type: openai, models: []}]", ":2: aibridge.providers.0.models: the list is empty, which would allow"),
        ("[{type: openai, models: ['']}]", ":2: aibridge.providers.0.models: item 1 is empty; remove it"),
        ("[{type: openai, models: [a, null]}]", ":2: aibridge.providers.0.models: item 2 is empty; remove it"),
        ("[{type: openai, keys: [sk-hush, {a: b}]}]", "providers.0.keys: item 2 is a group of keys; expected text"),
    ],
)
def test_mistakes_in_yaml(providers, expected):
    (problem,) = problems(yaml=f"aibridge:\n  providers: {providers}\n")
    assert expected in problem


def test_a_default_base_url_that_coder_wrote_is_no_clash():
    yaml = "aibridge: {openai_base_url: 'https://api.openai.com/v1/', providers: [{type: openai, key: k}]}"
    assert resolved(yaml=yaml).settings.providers[-1].keys == ("k",)


def test_misspelt_fields_are_warned_of():
    result = resolved(variables(TYPE="openai", NAME="x", BASEURL="http://x", DUMP_DIR="/tmp"))
    assert result.warnings == [
        f"{P}0_BASEURL: ignoring unknown aibridge provider field (check for typos); did you mean BASE_URL?",
    ]


@pytest.mark.parametrize("number", ["PROVIDER_", "PROVIDERS_0_", "PROVIDER0_"])
def test_variables_without_a_provider_s_number_are_too(number: str) -> None:
    variable = f"CODER_AIBRIDGE_{number}TYPE"
    (warning,) = resolved({variable: "openai"}).warnings
    assert warning == f"{variable}: unknown variable, ignored; did you mean {P}0_TYPE?"


def test_keys_do_not_show():
    assert "sk-hush" not in repr(resolved(variables(TYPE="openai", NAME="x", KEY="sk-hush")))
