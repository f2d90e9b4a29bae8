"""The folder of spool files as a server finds it at its start."""

import os
from pathlib import Path

from tests.gateway import Gateway, coderai
from tests.provider import Provider


def test_nothing_that_others_have_put_into_the_folder_keeps_a_server_from_starting(
    tmp_path: Path, provider: Provider
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    os.mkfifo(spool / "coderai.spool-1")
    (spool / "coderai.spool-2").symlink_to("/dev/zero")
    (spool / "coderai.spool-3").mkdir()
    gateway = Gateway(tmp_path, provider.url, "--spool-dir", str(spool))
    told = [line["fields"]["error"] for line in gateway.lines() if "a spool file" in line["msg"]]
    assert [f"coderai.spool-{n}" in error for n, error in enumerate(told, 1)] == [True, True, True]
    assert gateway.stop() == 0


def test_a_folder_where_nothing_can_be_saved_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0"}
    done = coderai("server", "--spool-dir", str(tmp_path / "file"), env=env, check=False)
    assert (done.returncode, "name a writable directory with --spool-dir" in done.stderr) == (1, True)
