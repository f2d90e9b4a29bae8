"""Two checkouts measured at once on one core: `python -m bench.pair OTHER --bench ../shared/bench`.

On a shared machine one run may be a third slower than the next; two servers that take turns by the millisecond feel
the same weather. Told is the CPU that each spends on a request (of held streams: on an event), and the ratio, median
of the rounds, which is good to 1 %. OTHER is another checkout of the project, say of the commit before a change; it
runs with its own `.venv` (another Python, say), or with this one's if it has none. Provider and load are those of the
side-by-side benchmark (mock.c and load.c).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent.parent
PROVIDER, PORTS = 9400, (9404, 9405)
GATEWAY_CORE, LOAD_CORE = "0", "1"


class Case(NamedTuple):
    provider: str
    body: str
    connections: int
    events: int = 0  # of each stream

    @property
    def path(self) -> str:
        route = "v1/chat/completions" if self.provider == "openai" else "v1/messages"
        return f"/api/v2/aibridge/{self.provider}/{route}"


CASES = {
    "small": Case("openai", "small", 16),
    "big": Case("openai", "big", 16),
    "openai-stream": Case("openai", "stream", 16, 100),
    "anthropic-stream": Case("anthropic", "stream", 16, 100),
    "hold": Case("openai", "hold", 150, 100),
}


def pinned(core: str, *command: str | Path) -> list[str | Path]:
    return ["taskset", "-c", core, *command]


class Server:
    """A checkout, serving."""

    def __init__(self, checkout: Path, port: int, folder: Path) -> None:
        url = f"http://127.0.0.1:{PROVIDER}/"
        own = {
            "PYTHONPATH": str(checkout),
            "CODER_HTTP_ADDRESS": f"127.0.0.1:{port}",
            "CODER_SQLITE_PATH": str(folder / f"{port}.db"),
            "CODER_AIBRIDGE_ENABLED": "true",
            "CODER_AIBRIDGE_OPENAI_KEY": "sk-up",
            "CODER_AIBRIDGE_OPENAI_BASE_URL": f"{url}v1/",
            "CODER_AIBRIDGE_ANTHROPIC_KEY": "sk-up",
            "CODER_AIBRIDGE_ANTHROPIC_BASE_URL": url,
        }
        own_python = checkout / ".venv/bin/python"
        self._python = own_python if own_python.exists() else Path(sys.executable)
        self.port = port
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("CODER")} | own
        self._run("users", "create", "bench")
        self.token = self._run("tokens", "create", "--user", "bench", "--name", "bench", "--lifetime", "1h")
        command = pinned(GATEWAY_CORE, self._python, "-m", "coderai", "server")
        self.process = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL, cwd=folder)

    def _run(self, *words: str) -> str:
        command = [self._python, "-m", "coderai", *words]
        run = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True, cwd="/")
        return run.stdout.strip()

    def cpu_us(self) -> float:
        """What all its threads have used."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Load:
    """Requests of a case to one server, as fast as it answers, for so many seconds."""

    def __init__(self, tools: Path, server: Server, case: Case, seconds: float) -> None:
        body = tools / f"{case.provider}-{case.body}.json"
        command: list[str | Path] = [
            "taskset",
            "-c",
            LOAD_CORE,
            tools / "load",
            "-j",
            "-p",
            str(server.port),
            "-w",
            "0",
        ]
        command += ["-P", case.path, "-b", body, "-c", str(case.connections), "-d", str(seconds), "-k", server.token]
        command += ["-s", str(case.events)] if case.events else []
        self._server, self._before = server, server.cpu_us()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def cost_us(self, unit: str) -> float:
        """Waits for its end. unit: `done` (requests) or `chunks` (events)."""
        figures: dict[str, Any] = json.loads(self._process.communicate()[0])
        if figures["bad"] or figures["errs"] or figures["non200"]:
            raise SystemExit(f"requests failed: {figures}")
        return (self._server.cpu_us() - self._before) / max(1, figures[unit])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("other", type=Path, help="the checkout to compare with")
    options.add_argument("--bench", type=Path, required=True, help="the folder of the side-by-side benchmark")
    options.add_argument("--cases", default=",".join(CASES))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="coderai-pair-") as name:
        tools = _tools(given.bench, Path(name))
        provider = subprocess.Popen(pinned(LOAD_CORE, tools / "mock", str(PROVIDER)))
        servers = [
            Server(checkout.resolve(), port, tools) for checkout, port in zip((given.other, HERE), PORTS, strict=True)
        ]
        try:
            time.sleep(2)  # both are up, and have done what they do at first
            for case in given.cases.split(","):
                _compare(tools, servers, case, given.rounds, given.seconds)
        finally:
            for server in servers:
                server.stop()
            provider.terminate()


def _tools(bench: Path, folder: Path) -> Path:
    """The provider, the load and the bodies that it sends: compare.py makes them."""
    script = "import runpy, sys; sys.argv[1:] = ['--peers', 'direct', '--cases', 'small', '--rounds', '1']; "
    script += f"runpy.run_path({str(bench / 'compare.py')!r})"
    environment = os.environ | {"BENCH_WORK": str(folder)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, stdout=subprocess.DEVNULL)
    return folder


def _compare(tools: Path, servers: list[Server], name: str, rounds: int, seconds: float) -> None:
    case, unit = CASES[name], "chunks" if name == "hold" else "done"
    for server in servers:
        Load(tools, server, case, 1).cost_us(unit)
    costs = []
    for turn in range(rounds):
        loads = {server.port: Load(tools, server, case, seconds) for server in servers[:: (1, -1)[turn % 2]]}
        costs.append([loads[server.port].cost_us(unit) for server in servers])
    other, here = (statistics.median(both) for both in zip(*costs, strict=True))
    ratio = statistics.median(mine / its for its, mine in costs)
    print(f"{name:17} the other {other:7.1f} us, this {here:7.1f} us, ratio {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
