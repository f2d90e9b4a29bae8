"""BEDROCK_* fields of an anthropic provider."""

import pytest

from coderai.config import write_config
from tests.config.resolving import problems, resolved, variables

AWS = {"TYPE": "anthropic", "NAME": "aws"}
PAIR = {"BEDROCK_ACCESS_KEY": "AKID", "BEDROCK_ACCESS_KEY_SECRET": "hush-hush"}


def test_all_fields_and_no_secret_shows() -> None:
    more = {"BEDROCK_SESSION_TOKEN": "tok", "BEDROCK_MODEL": "m", "BEDROCK_SMALL_FAST_MODEL": "s"}
    (provider,) = resolved(variables(**AWS, BEDROCK_REGION="eu-west-3", **PAIR, **more)).indexed
    assert provider.base_url == "https://bedrock-runtime.eu-west-3.amazonaws.com"
    on_aws = provider.bedrock
    assert (on_aws.region, on_aws.access_keys, on_aws.secrets) == ("eu-west-3", ("AKID",), ("hush-hush",))
    assert (on_aws.session_token, on_aws.model, on_aws.small_fast_model) == ("tok", "m", "s")
    assert "hush" not in repr(provider)


def test_defaults_and_a_region_from_the_base_url() -> None:
    url = "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"
    (provider,) = resolved(variables(**AWS, BEDROCK_BASE_URL=url)).indexed
    assert (provider.base_url, provider.bedrock.region, provider.bedrock.access_keys) == (url, "us-west-2", ())
    assert provider.bedrock.model == "global.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_a_model_that_is_set_to_nothing_is_not_set() -> None:
    """As compose's `${BEDROCK_MODEL:-}` does."""
    env = {"CODER_AIBRIDGE_BEDROCK_REGION": "eu-west-3", "CODER_AIBRIDGE_BEDROCK_MODEL": ""}
    on_aws = resolved(env | {"CODER_AIBRIDGE_BEDROCK_SMALL_FASTMODEL": ""}).settings.providers[-1].bedrock
    assert on_aws.model.startswith("global.anthropic.") and on_aws.small_fast_model.startswith("global.anthropic.")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"BEDROCK_MODEL": "m"}, "region or base url required"),
        ({"BEDROCK_REGION": "r/x"}, "is no region"),
        ({"BEDROCK_BASE_URL": "http://localhost:1"}, "set BEDROCK_REGION"),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_ACCESS_KEY": "A"}, "must be provided together"),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_ACCESS_KEYS": "A,B", "BEDROCK_ACCESS_KEY_SECRETS": "a"},
         "BEDROCK_ACCESS_KEYS count (2) must match BEDROCK_ACCESS_KEY_SECRETS count (1)"),
        ({"BEDROCK_REGION": "us-east-1", **PAIR, "BEDROCK_ACCESS_KEYS": "A"},
         "BEDROCK_ACCESS_KEY and BEDROCK_ACCESS_KEYS are mutually exclusive"),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_SESSION_TOKEN": "t"}, "BEDROCK_SESSION_TOKEN"),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_MODEL": "m "}, 'BEDROCK_MODEL: "m " holds white space'),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_SMALL_FAST_MODEL": "a\nb"}, "BEDROCK_SMALL_FAST_MODEL: "),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_MODEL": '"m"'}, 'BEDROCK_MODEL: ""m"" is in quotes or brackets'),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_ACCESS_KEY": '"AKIAHUSH"', "BEDROCK_ACCESS_KEY_SECRET": "hush"},
         "BEDROCK_ACCESS_KEY: key at index 0 is in quotes or brackets; leave them out"),
        ({"BEDROCK_REGION": "us-east-1", "BEDROCK_ACCESS_KEYS": "A,B", "BEDROCK_ACCESS_KEY_SECRETS": "[hush,hush]"},
         "BEDROCK_ACCESS_KEY_SECRET: key at index 0 is in quotes or brackets"),
        ({"BEDROCK_REGION": "us-east-1", **PAIR, "BEDROCK_SESSION_TOKEN": "'hush'"},
         "BEDROCK_SESSION_TOKEN: it is in quotes or brackets; leave them out"),
        ({"BEDROCK_REGION": "us-east-1", "STREAM_OPTIONS": "x"}, "STREAM_OPTIONS has no meaning beside"),
        ({"BEDROCK_REGION": "us-east-1", "KEY": "k"}, "KEY has no meaning beside BEDROCK_* fields"),
    ],
)  # fmt: skip
def test_mistakes(fields: dict[str, str], says: str) -> None:
    (problem,) = problems(variables(**AWS, **fields))
    assert says in problem
    assert "hush" not in problem


@pytest.mark.parametrize(
    ("env", "warning"),
    [
        (variables(TYPE="anthropic", KEY="sk") | {"CODER_AIBRIDGE_BEDROCK_MODEL": "m"},
         'CODER_AIBRIDGE_BEDROCK_MODEL has no effect: an indexed provider is named "anthropic"'),
        ({"CODER_AIBRIDGE_ANTHROPIC_KEY": "sk", "CODER_AIBRIDGE_BEDROCK_REGION": "eu-west-3"},
         "CODER_AIBRIDGE_ANTHROPIC_KEY has no effect beside CODER_AIBRIDGE_BEDROCK_REGION, which puts anthropic on"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_warned_of(env: dict[str, str], warning: str) -> None:
    (warned,) = resolved(env).warnings
    assert warned.startswith(warning)


def test_the_options_of_the_single_provider_put_anthropic_there() -> None:
    env = {
        "CODER_AIBRIDGE_BEDROCK_REGION": "eu-west-3",
        "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY": "AKID",
        "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET": "hush-hush",
        "CODER_AIBRIDGE_BEDROCK_SMALL_FAST_MODEL": "small",
    }
    provider = resolved(env).settings.providers[-1]
    assert (provider.name, provider.base_url) == ("anthropic", "https://bedrock-runtime.eu-west-3.amazonaws.com")
    assert (provider.bedrock.access_keys, provider.bedrock.small_fast_model) == (("AKID",), "small")
    assert resolved({}).settings.providers[-1].bedrock is None
    (problem,) = problems({"CODER_AIBRIDGE_BEDROCK_ACCESS_KEY": "AKID"})
    assert (
        problem
        == "CODER_AIBRIDGE_BEDROCK_ACCESS_KEY: BEDROCK_REGION: region or base url required; give one such as us-east-1"
    )


def test_they_conflict_with_an_indexed_provider_of_that_name() -> None:
    (problem,) = problems({"CODER_AIBRIDGE_BEDROCK_REGION": "eu-west-3", **variables(TYPE="anthropic", KEY="k")})
    assert (
        problem == 'legacy CODER_AIBRIDGE_BEDROCK_REGION conflicts with indexed provider named "anthropic"; '
        "remove one or the other"
    )


def test_several_keys_may_be_lists_in_yaml() -> None:
    item = (
        "{type: anthropic, bedrock_region: eu-west-3, bedrock_access_keys: [A, B], bedrock_access_key_secrets: [a, b]}"
    )
    (provider,) = resolved(yaml=f"aibridge: {{providers: [{item}]}}").indexed
    assert (provider.bedrock.access_keys, provider.bedrock.secrets) == (("A", "B"), ("a", "b"))


def test_what_is_written_is_read_back_without_the_secrets() -> None:
    fields = {**AWS, "BEDROCK_REGION": "eu-west-3", **PAIR, "BEDROCK_MODEL": "m", "MODELS": "a*,b", "DUMP_DIR": "/d"}
    written = write_config(resolved(variables(**fields)))
    assert "hush" not in written
    (provider,) = resolved(yaml=written).indexed
    assert (provider.bedrock.region, provider.bedrock.model, provider.bedrock.access_keys) == ("eu-west-3", "m", ())
    assert (provider.models, provider.dump_dir) == (("a*", "b"), "/d")
