"""Which models may be used, however a request names them."""

import json

import pytest

from tests.credentials.governed import ended
from tests.exchange import post
from tests.gateway import Gateway
from tests.provider import Provider, whole

FEW = "/api/v2/aibridge/few/v1/messages"


def asking(model: str) -> bytes:
    return json.dumps(
        {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "secret plans"}]}
    ).encode()


@pytest.mark.parametrize("model", ["claude-sonnet-4", "opus"])
def test_one_that_is_allowed(governed: Gateway, alice: str, provider: Provider, model: str) -> None:
    provider.answers(whole(b'{"id":"m"}'))
    assert post(governed, FEW, asking(model), alice).status == 200


@pytest.mark.parametrize("names", ['"model"', '"Model"', '"mod\\u0065l"'])
def test_two_of_them_are_refused(governed: Gateway, alice: str, provider: Provider, names: str) -> None:
    """Which one counts is the provider's choice."""
    ask = asking("opus").decode()
    answer = post(governed, FEW, ask.replace("{", f'{{{names}:"gpt-5",', 1).encode(), alice)
    assert (answer.status, provider.requests) == (400, [])
    provider.answers(whole(b'{"id":"m"}'))
    inner = ask.replace("{", '{"metadata":{"model":"gpt-5","Model":"x"},', 1)
    assert post(governed, FEW, inner.encode(), alice).status == 200


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ('"models":["opus","gpt-5"]', "gpt-5"),  # OpenRouter takes the next where the first is not to be had
        ('"model\\u0073":["gpt-5"]', "gpt-5"),
        ('"fallbacks":[{"model":"opus"},{"model":"gpt-5"}]', "gpt-5"),
        ('"fallbacks":[{"model":"gpt-5","model":"opus"}]', "gpt-5"),
        ('"Fallbacks":"default"', "default"),  # which the provider chooses
        ('"fallbacks":[{"opus":["gpt-5"]}]', "gpt-5"),  # LiteLLM's
        ('"fallbacks":["opus",{"opus":["gpt-5"],"model":"opus"}]', "gpt-5"),
        ('"context_window_fallbacks":[{"*":["opus","gpt-5"],"model":"opus"}]', "gpt-5"),
        ('"context_window_fallback_dict":{"opus":"gpt-5"}', "gpt-5"),
        ('"providerOptions":{"gateway":{"order":["azure"],"models":["gpt-5"]}}', "gpt-5"),  # Vercel's
        ('"model\u017f":["gpt-5"]', "gpt-5"),  # which Go folds to models
        ('"plugins":[{"id":"fusion","analysis_models":["gpt-5"]}]', "gpt-5"),
        ('"preset":"gpt-5"', "gpt-5"),
        ('"tools":[{"type":"openrouter:fusion","parameters":{"analysis_models":["gpt-5"]}}]', "gpt-5"),
        ('"tools":[{"type":"openrouter:image_generation","parameters":{"model":"gpt-5"}}]', "gpt-5"),
        ('"tools":[{"type":"namespace","tools":[{"type":"image_generation","model":"gpt-5"}]}]', "gpt-5"),
        ('"input":[{"type":"additional_tools","tools":[{"model":"gpt-5"}]}]', "gpt-5"),
        ('"tools":[{"name":"f"},{"type":"advisor_20260301","name":"advisor","model":"gpt-5"}]', "gpt-5"),
    ],
)
def test_so_is_one_that_is_named_beside_it(
    governed: Gateway, alice: str, provider: Provider, named: str, model: str
) -> None:
    ask = asking("opus").decode()
    answer = post(governed, FEW, ask.replace("{", f"{{{named},", 1).encode(), alice)
    assert (answer.status, provider.requests) == (403, [])
    start, end = ended(governed)
    assert (start["model"], end["error_type"]) == (model, "model_not_allowed")
    provider.answers(whole(b'{"id":"m"}'))
    allowed = named.replace(model, "claude-opus-4")
    assert post(governed, FEW, ask.replace("{", f"{{{allowed},", 1).encode(), alice).status == 200


@pytest.mark.parametrize("name", ["models", "fallbacks", "tools"])
def test_nor_is_anything_that_names_models_there_twice(
    governed: Gateway, alice: str, provider: Provider, name: str
) -> None:
    twice = f'"{name}":[{{"model":"gpt-5"}}],"{name}":[],'
    answer = post(governed, FEW, asking("opus").decode().replace("{", f"{{{twice}", 1).encode(), alice)
    assert (answer.status, provider.requests) == (400, [])
    assert f"names its {name} more than once" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "odd",
    ['"metadata":NaN', '"metadata":[-Infinity]', '"metadata":"half a pair \\ud83d"', '"a\\\\":[{"b":"}\\""}]', ""],
)
def test_nor_does_it_matter_how_the_rest_is_written(
    governed: Gateway, alice: str, provider: Provider, odd: str
) -> None:
    ask = asking("opus").decode().replace("{", f'{{ {odd}{"," if odd else ""}\t"models" : ["gpt-5"] , ', 1)
    answer = post(governed, FEW, b"\xef\xbb\xbf" + ask.encode() + b"\n", alice)
    assert (answer.status, provider.requests) == (403, [])
    provider.answers(whole(b'{"id":"m"}'))
    assert post(governed, FEW, ask.replace("gpt-5", "opus").encode(), alice).status == 200


@pytest.mark.parametrize(
    ("large", "told"),
    [
        (",".join(f'"{number}":0' for number in range(10_001)), "more than 10000 members"),
        (f'"input":[{"0," * 10_000}0]', "more than 10000 members"),
        (f'"tools":[{{"model":"opus","description":"{"a" * 500_000}"}}]', "larger than 500000 bytes"),
        (f'"fallbacks":{"[" * 30}"opus"{"]" * 30}', "nested too deeply"),
        ('"fallbacks":[' + '"opus",' * 1000 + '"opus"]', "more than 1000 models"),
        ('"a":1,"a":1', "names its a more than once"),
        ('"a":12,"fallbacks":["gpt-5"],"fallbacks":[],"a":1', "names its a more than once"),
        ('"a":1,"\\u0061":2', "names its a more than once"),
    ],
)
def test_what_would_take_long_to_search_or_is_there_twice_is_refused(
    governed: Gateway, alice: str, provider: Provider, large: str, told: str
) -> None:
    ask = asking("opus").decode().replace("{", f'{{"models":["opus"],{large},', 1)
    answer = post(governed, FEW, ask.encode(), alice)
    assert (answer.status, provider.requests) == (400, [])
    assert told in answer.json()["error"]["message"]


def test_many_and_large_tools_are_no_hindrance(governed: Gateway, alice: str, provider: Provider) -> None:
    provider.answers(whole(b'{"id":"m"}'))
    tools = ",".join(f'{{"name":"{number}","description":"{"a" * 50_000}"}}' for number in range(100))
    ask = asking("opus").decode().replace("{", f'{{"models":["opus"],"tools":[{tools}],', 1)
    assert post(governed, FEW, ask.encode(), alice).status == 200


def test_a_tool_with_an_argument_of_that_name_names_none(governed: Gateway, alice: str, provider: Provider) -> None:
    provider.answers(whole(b'{"id":"m"}'))
    takes = '{"properties":{"model":{"type":"string","enum":["gpt-5"]}}}'
    tool = f'"tools":[{{"name":"a","input_schema":{takes}}},{{"type":"function","name":"b","parameters":{takes}}}],'
    ask = asking("opus").decode().replace("{", f"{{{tool}", 1)
    assert post(governed, FEW, ask.encode(), alice).status == 200


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "opus\n", "OPUS", "gpt-5", "half a pair \ud800"])
def test_another_is_refused_and_on_record(governed: Gateway, alice: str, provider: Provider, model: str) -> None:
    answer = post(governed, FEW, asking(model), alice)
    assert (answer.status, answer.json()["error"]["type"]) == (403, "permission_error")
    assert answer.header("x-should-retry") == "false"
    assert provider.requests == []
    start, end = ended(governed)
    written = model.encode("utf-8", "backslashreplace").decode()
    assert (start["model"], end["status"], end["error_type"]) == (written, 403, "model_not_allowed")
    prompts = [record for record in governed.records() if record["record_type"] == "prompt_usage"]
    assert prompts[-1]["prompt"] == "secret plans"
