"""Which processes write to a database: one that has ended, however, is gone at once, and one that lives never is."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

# Tells its id, and with each line that it reads, who is gone as far as it can see.
LIVES = """
import asyncio, json, sys
from pathlib import Path
from coderai.store import Database

async def live() -> None:
    store = await Database(Path(sys.argv[1])).open()
    await store.instances.join()
    print(store.instance_id, flush=True)
    for _ in iter(sys.stdin.readline, ""):
        print(json.dumps(list(store.instances.gone(await store.instances.others()))), flush=True)
    await store.close()

asyncio.run(live())
"""


class Living:
    @classmethod
    async def started(cls, database: Path) -> "Living":
        self = cls()
        self.process: Process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LIVES, str(database), stdin=PIPE, stdout=PIPE
        )
        self.id = await self._line()
        return self

    async def gone(self) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return json.loads(await self._line())

    async def _line(self) -> str:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        assert line, "it has ended"
        return line.decode().strip()


async def test_one_that_lives_is_not_gone_though_it_is_stopped_and_a_killed_one_is(tmp_path: Path) -> None:
    first, second, third = [await Living.started(tmp_path / "coderai.db") for _ in range(3)]
    for one in (first, second, third, first):  # nor does asking about the others end anybody's presence
        assert await one.gone() == []
    first.process.send_signal(signal.SIGSTOP)
    for one in (second, third):
        assert await one.gone() == []
    first.process.kill()
    await first.process.wait()
    for one in (second, third, second):  # one that has seen it does not stand for it
        assert await one.gone() == [first.id]
    for one in (second, third):
        await one.process.communicate(b"")
        assert one.process.returncode == 0
