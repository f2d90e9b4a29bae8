"""The files to deploy with: each parses, and names no setting that does not exist."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from coderai.config import OPTIONS, SettingsError, resolve
from coderai.config.docs import DIRECTORY
from coderai.config.duration import Duration

FLAGS = {f"--{option.flag}" for option in OPTIONS}
VARIABLES = {variable for option in OPTIONS for variable in option.variables}
KUBERNETES = DIRECTORY / "kubernetes"
FILES = [DIRECTORY / "docker-compose.yml", DIRECTORY / "coderai.service", *sorted(KUBERNETES.glob("*.yaml"))]

SPOOLED_IN_S = 10  # what README says that storing or spooling may take behind the shutdown timeout


def stopped_in(settings):
    """How long a stop may take, in seconds."""
    return settings.shutdown_drain_delay.seconds + settings.shutdown_timeout.seconds + SPOOLED_IN_S


def service():
    return yaml.safe_load((DIRECTORY / "docker-compose.yml").read_text())["services"]["coderai"]


def container():
    pod = yaml.safe_load((KUBERNETES / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def unit():
    """Every `key=value` of the systemd unit, in order."""
    lines = (DIRECTORY / "coderai.service").read_text().splitlines()
    assert all(re.fullmatch(r"(#.*|\[\w+\]|[A-Za-z]+=.*|)", line) for line in lines)
    return [tuple(line.split("=", 1)) for line in lines if re.match("[A-Za-z]", line)]


def keys_present(environ, tmp_path):
    """The environment with its secret files put where this machine has them."""
    (tmp_path / "key").write_text("sk-1\n")
    return {name: str(tmp_path / "key") if name.endswith("_FILE") else text for name, text in environ.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_in_them_exists(file: Path):
    assert set(re.findall(r"CODER_[A-Z_]+", file.read_text())) <= VARIABLES


def test_compose_resolves_and_stops_in_time(tmp_path):
    compose = service()
    resolved = resolve({}, keys_present(compose["environment"], tmp_path))
    assert resolved.settings.aibridge_enabled and resolved.warnings == []
    assert resolved.settings.sqlite_path.startswith("/data/") and "data:/data" in compose["volumes"]
    assert compose["ports"][0].endswith(f":{resolved.settings.http_address.port}")
    assert Duration(compose["stop_grace_period"]).seconds > stopped_in(resolved.settings)


def test_the_kubernetes_settings_resolve(tmp_path):
    text = yaml.safe_load((KUBERNETES / "configmap.yaml").read_text())["data"]["coderai.yaml"]
    with pytest.raises(SettingsError) as caught:
        resolve({"config": "-"}, {}, stdin=text.encode)
    assert [problem.split('"')[1] for problem in caught.value.problems] == [
        "/run/secrets/coderai/openai",
        "/run/secrets/coderai/anthropic",
    ]
    (tmp_path / "openai").write_text("sk-1")
    (tmp_path / "anthropic").write_text("sk-2")
    text = text.replace("/run/secrets/coderai", str(tmp_path))
    settings = resolve({"config": "-"}, {}, stdin=text.encode).settings
    pod, main = container()
    assert settings.http_address.port == main["ports"][0]["containerPort"]
    before = int(re.search(r"sleep\((\d+)\)", str(main["lifecycle"]["preStop"]))[1])
    assert pod["terminationGracePeriodSeconds"] > before + stopped_in(settings)
    assert main["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert main["readinessProbe"]["httpGet"]["path"] == "/readyz"
    mounts = {mount["mountPath"] for mount in main["volumeMounts"]}
    assert {"/data", "/etc/coderai", "/run/secrets/coderai"} <= mounts


def test_the_flags_of_kubernetes_and_systemd_exist():
    commands = [container()[1]["args"], *(shlex.split(text) for key, text in unit() if key == "ExecStart")]
    assert len(commands) == 2
    for command in commands:
        used = {word.partition("=")[0] for word in command if word.startswith("--")}
        assert used and used <= FLAGS


def test_every_kubernetes_file_is_applied_and_holds_its_kind():
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    present = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed) == present
    kinds = {yaml.safe_load((KUBERNETES / name).read_text())["kind"] for name in listed}
    assert {"Deployment", "Service", "Secret", "ConfigMap", "PersistentVolumeClaim"} <= kinds


def test_systemd_variables_resolve_and_it_stops_in_time(tmp_path):
    environ = dict(text.split("=", 1) for key, text in unit() if key == "Environment")
    resolved = resolve({}, keys_present(environ, tmp_path))
    assert resolved.settings.aibridge_enabled and resolved.warnings == []
    assert float(dict(unit())["TimeoutStopSec"]) > stopped_in(resolved.settings)
