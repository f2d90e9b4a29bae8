"""Dumping an exchange while it passes: where its files are, and a tap that copies what the tap behind it is fed."""

import time
from pathlib import Path

from coderai.dumps import Dump, Dumps, intercepted, passed
from coderai.gateway.masking import shown, told
from coderai.gateway.upcall import Call
from coderai.keys import Keys
from coderai.routes import Route
from coderai.tap import Tap, TapWrapper
from coderai.wire.answer import Answer
from coderai.wire.headers import named
from coderai.wire.request import Request


class Dumper:
    def __init__(self, dumps: Dumps) -> None:
        self._dumps = dumps

    def interception(
        self, request: Request, route: Route, keys: Keys, call: Call, model: str, interception_id: str
    ) -> Dump | None:
        """The dump of a request that goes upstream, if there is to be one."""
        folder = route.provider.dump_dir
        if folder is None:
            return None
        named_so = told(request.head, model)
        base = intercepted(folder, route.provider.name, named_so, time.time_ns() // 1_000_000, interception_id)
        return self._begun(base, request, route, keys, call)

    def passthrough(self, request: Request, route: Route, keys: Keys, call: Call) -> Dump | None:
        folder = route.provider.dump_dir
        if folder is None:
            return None
        path = told(request.head, route.path.decode("latin-1"))
        base = passed(folder, route.provider.name, path, time.time_ns() // 1_000_000)
        return self._begun(base, request, route, keys, call)

    def _begun(self, base: Path, request: Request, route: Route, keys: Keys, call: Call) -> Dump:
        hidden = {*keys.secrets, *route.provider.secrets, *shown(request.head)}
        dump = Dump(self._dumps, base, hidden)
        dump.request(call.line, call.headers, named(call.headers).get(b"content-encoding"), call.body)
        return dump


class DumpingTap(TapWrapper):
    def __init__(self, tap: Tap, dump: Dump, answer: Answer, route: Route) -> None:
        super().__init__(tap)
        self._dump = dump
        dump.hide(route.provider.secrets)  # AWS's chain may have given others for this call
        dump.response(answer.status, answer.reason, answer.headers, answer.fields.get(b"content-encoding"))

    def feed(self, chunk: bytes) -> bytes:
        if chunk:  # it is fed nothing to go on with what it has got
            self._dump.write(chunk)
        return super().feed(chunk)
