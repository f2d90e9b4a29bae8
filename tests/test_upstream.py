"""The way to the provider: retries, timeouts, proxies, certificates; and nothing sent twice after a first byte."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from coderai.wire.origin import Origin
from coderai.wire.proxy import Proxies
from coderai.wire.upstream import LONGEST_LOOK_S, SHORTEST_LOOK_S, STALE_S, between_looks
from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, post
from tests.gateway import Gateway, coderai
from tests.provider import CUT, Pause, Provider, stream, whole
from tests.proxy import Proxy

OK = whole(b'{"id":"1"}')
UNAVAILABLE = whole(b'{"error":{"message":"busy"}}', "503 Busy", ("retry-after: 7",))


def end(gateway: Gateway) -> tuple[int | None, str | None]:
    record = [record for record in gateway.records() if record["record_type"] == "interception_end"][-1]
    return record["status"], record["error_type"]


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("retrying"), _provider.url, CODER_AIBRIDGE_MAX_RETRIES="2")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def bob(retrying: Gateway) -> str:
    return retrying.user("bob")


class TestRetries:
    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_what_may_pass_is_tried_again_unseen(
        self, retrying: Gateway, bob: str, provider: Provider, status: int
    ) -> None:
        provider.answers(whole(b"{}", f"{status} Oh"))
        provider.answers(OK)
        assert post(retrying, CHAT, ASK, bob).body == b'{"id":"1"}'
        assert [request.body for request in provider.requests] == [ASK, ASK]
        assert end(retrying) == (200, None)

    def test_so_often_and_then_relayed_as_it_is(self, retrying: Gateway, bob: str, provider: Provider) -> None:
        for _ in range(3):
            provider.answers(whole(b'{"error":{"message":"busy"}}', "503 Busy", ("retry-after: 0",)))
        answer = post(retrying, CHAT, ASK, bob)
        assert (answer.status, answer.header("retry-after")) == (503, "0")
        assert answer.body == b'{"error":{"message":"busy"}}'
        assert len(provider.requests) == 3

    @pytest.mark.parametrize("field", ["retry-after: 7", "X-Should-Retry: false"])
    def test_not_where_the_provider_says_when(
        self, retrying: Gateway, bob: str, provider: Provider, field: str
    ) -> None:
        provider.answers(whole(b"{}", "503 Busy", (field,)))
        assert post(retrying, CHAT, ASK, bob).status == 503
        assert len(provider.requests) == 1

    def test_broken_off_at_every_point_it_is_sent_once(self, retrying: Gateway, bob: str, provider: Provider) -> None:
        answer = b"".join(stream(START, TEXT, DELTA, STOP))
        head = answer.index(b"\r\n\r\n") + 4
        for end in (0, 1, 9, head - 1, head, head + 1, head + 20, answer.index(TEXT), len(answer) - 7, len(answer) - 1):
            provider.reset()
            provider.answers(whole(b"{}", headers=("Connection: close",)))
            post(retrying, CHAT, ASK, bob)  # what breaks off on a used connection may be a stale one: this is fresh
            provider.answers(answer[:end], CUT)
            got = post(retrying, MESSAGES, ASK_STREAM, bob)
            assert len(provider.requests) == 2, end
            if end < head:
                assert (got.status, got.json()["error"]["type"]) == (502, "api_error")
            else:
                assert (got.status, got.broken) == (200, True)

    @pytest.mark.parametrize("status", [400, 401, 408, 429, 500, 529])
    def test_everything_else_is_relayed(self, retrying: Gateway, bob: str, provider: Provider, status: int) -> None:
        provider.answers(whole(b"{}", f"{status} Oh"))
        assert post(retrying, CHAT, ASK, bob).status == status
        assert len(provider.requests) == 1

    def test_what_the_provider_may_be_at_work_on_is_not_sent_again(
        self, retrying: Gateway, bob: str, provider: Provider
    ) -> None:
        for steps in ([CUT], [b"HTTP/1.1 200 OK\r\nContent-", CUT]):
            provider.reset()
            provider.answers(whole(b"{}", "200 OK", ("connection: close",)))
            post(retrying, CHAT, ASK, bob)  # the next one goes out on a fresh connection
            provider.requests.clear()
            provider.answers(*steps)
            assert post(retrying, CHAT, ASK, bob).status == 502
            assert len(provider.requests) == 1

    @pytest.mark.parametrize("late", [False, True])
    def test_nor_on_a_kept_connection_that_it_ends_later_than_one_that_was_closed(
        self, gateway: Gateway, token: str, provider: Provider, late: bool
    ) -> None:
        provider.answers(OK)
        assert post(gateway, CHAT, ASK, token).status == 200
        work = Pause()
        if late:
            threading.Timer(STALE_S * 1.1, work.go).start()
        else:
            work.go()
        provider.answers(work, CUT)
        provider.answers(OK)
        assert post(gateway, CHAT, ASK, token).status == (502 if late else 200)
        assert len(provider.requests) == (2 if late else 3)

    def test_nor_what_has_begun_to_arrive(self, retrying: Gateway, bob: str, provider: Provider) -> None:
        provider.answers(stream(START, TEXT, ended=False), CUT)
        answer = post(retrying, MESSAGES, ASK_STREAM, bob)
        assert (answer.status, answer.broken) == (200, True)
        assert len(provider.requests) == 1

    def test_without_the_option_nothing_is(self, gateway: Gateway, token: str, provider: Provider) -> None:
        provider.answers(UNAVAILABLE)
        assert post(gateway, CHAT, ASK, token).status == 503
        assert len(provider.requests) == 1

    def test_a_refused_connection_is_tried_again(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        gateway = Gateway(tmp_path, url, CODER_AIBRIDGE_MAX_RETRIES="1")
        assert post(gateway, CHAT, ASK, gateway.user("alice")).status == 502
        assert end(gateway) == (502, "upstream_unreachable")
        assert gateway.stop() == 0


class TestTimeouts:
    def test_a_silent_provider(self, tmp_path: Path, provider: Provider) -> None:
        gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_IDLE_TIMEOUT="300ms")
        token = gateway.user("alice")
        silent = Pause()
        provider.answers(silent)
        answer = post(gateway, CHAT, ASK, token)
        assert answer.status == 504
        assert "silent for 0.3 s" in answer.json()["error"]["message"]
        assert end(gateway) == (504, "upstream_timeout")
        amid = Pause()
        provider.answers(stream(START, TEXT, ended=False), amid)
        answer = post(gateway, MESSAGES, ASK_STREAM, token)
        assert (answer.status, answer.broken) == (200, True)
        assert end(gateway) == (200, "upstream_timeout")
        for pause in (silent, amid):
            pause.go()
        assert gateway.stop() == 0

    def test_who_may_be_silent_for_ever_is_hardly_looked_at(self) -> None:
        looks = [between_looks(idle_timeout) for idle_timeout in (0.0, 0.001, 4.0, 3600.0)]
        assert looks == [LONGEST_LOOK_S, SHORTEST_LOOK_S, 1.0, LONGEST_LOOK_S]

    def test_a_slow_one_is_waited_for_as_long_as_it_speaks(self, tmp_path: Path, provider: Provider) -> None:
        gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_IDLE_TIMEOUT="600ms")
        token = gateway.user("alice")
        pauses = [Pause() for _ in range(5)]
        steps = [step for pause in pauses for step in (stream(TEXT)[1], pause)]
        provider.answers(stream(START, ended=False), *steps, b"0\r\n\r\n")
        with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
            for pause in pauses:
                assert pause.reached.wait(10)
                pause._go.wait(0.3)  # half of what it may be silent
                pause.go()
            client.until(b"0\r\n\r\n")
        assert end(gateway) == (200, "incomplete_stream")
        assert gateway.stop() == 0

    def test_one_that_reads_slowly_is_not_silent(self, tmp_path: Path) -> None:
        waiting = threading.Event()

        def slowly(listener: socket.socket) -> None:
            client, _ = listener.accept()
            with client:
                begun = client.recv(65536).partition(b"\r\n\r\n")[2]
                left = len(body) - len(begun)
                while left:  # some two seconds
                    left -= len(client.recv(min(left, 2**20), socket.MSG_WAITALL))
                    waiting.wait(0.1)
                client.sendall(OK)

        body = json.dumps({**json.loads(ASK), "padding": "x" * 25_000_000}).encode()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # what is in it counts as read
            threading.Thread(target=slowly, args=(listener,), daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            gateway = Gateway(tmp_path, url, CODER_AIBRIDGE_IDLE_TIMEOUT="1s")
            assert post(gateway, CHAT, body, gateway.user("alice")).status == 200
            assert gateway.stop() == 0

    def test_no_connection(self, tmp_path: Path) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            at = full.getsockname()
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:  # the backlog is full: further connections are neither taken nor refused
                one.setblocking(False)
                one.connect_ex(at)
            gateway = Gateway(tmp_path, f"http://127.0.0.1:{at[1]}", CODER_AIBRIDGE_CONNECT_TIMEOUT="300ms")
            answer = post(gateway, CHAT, ASK, gateway.user("alice"))
            assert (answer.status, "within 0.3 s" in answer.json()["error"]["message"]) == (504, True)
            assert gateway.stop() == 0
            for one in waiting:
                one.close()

    def test_a_head_without_end(self, gateway: Gateway, token: str, provider: Provider) -> None:
        provider.answers(b"HTTP/1.1 200 OK\r\n", *[b"X-Field: %b\r\n" % (b"x" * 60_000)] * 6, OK)
        assert post(gateway, CHAT, ASK, token).status == 502


class TestProxies:
    @pytest.fixture
    def proxy(self) -> Iterator[Proxy]:
        running = Proxy()
        yield running
        running.close()

    def test_plain_http_with_a_whole_url(self, tmp_path: Path, provider: Provider, proxy: Proxy) -> None:
        url = proxy.url.replace("//", "//user:p%40ss-word@")
        gateway = Gateway(tmp_path, provider.url, HTTP_PROXY=url, NO_PROXY="")
        token = gateway.user("alice")
        provider.answers(OK)
        assert post(gateway, CHAT, ASK, token).body == b'{"id":"1"}'
        assert proxy.asked == [(f"POST {provider.url}/v1/chat/completions HTTP/1.1", "Basic dXNlcjpwQHNzLXdvcmQ=")]
        assert provider.requests[0].header("Proxy-Authorization") is None
        assert gateway.stop() == 0
        written = gateway.log.read_text() + gateway.stderr.read_text()
        assert "ss-word" not in written

    def test_none_where_none_is_wanted(self, tmp_path: Path, provider: Provider, proxy: Proxy) -> None:
        gateway = Gateway(tmp_path, provider.url, http_proxy=proxy.url, no_proxy="example.com,localhost")
        provider.answers(OK)
        assert post(gateway, CHAT, ASK, gateway.user("alice")).status == 200
        assert proxy.asked == []
        assert gateway.stop() == 0

    @pytest.mark.parametrize(
        ("host", "no_proxy", "direct"),
        [
            ("api.example.com", "*.example.com", True),
            ("api.example.com", "other.com, example.com:443", True),
            ("api.example.org", ".example.com,10.0.0.0/8", False),
            ("10.1.2.3", "192.168.0.1,10.0.0.0/8", True),
            ("::1", "[::1]", True),
            ("api.example.com", "*", True),
        ],
    )
    def test_no_proxy(self, host: str, no_proxy: str, direct: bool) -> None:
        proxies = Proxies({"https": "http://proxy:3128", "no": no_proxy})
        origin = Origin("https", host, 443)
        assert (proxies.of(origin) is None) is direct

    def test_what_the_proxy_wants_of_us_is_no_answer_for_the_client(self, tmp_path: Path) -> None:
        proxy = Proxy(status="407 Who Are You")
        gateway = Gateway(tmp_path, "http://provider.invalid", HTTP_PROXY=proxy.url, NO_PROXY="")
        answer = post(gateway, CHAT, ASK, gateway.user("alice"))
        assert (answer.status, "HTTP_PROXY" in answer.json()["error"]["message"]) == (502, True)
        assert gateway.stop() == 0
        proxy.close()

    def test_https_through_a_tunnel_with_a_ca_of_one_s_own(self, tmp_path: Path, proxy: Proxy) -> None:
        authority = trustme.CA()
        tls = _server_tls(authority)
        secure = Provider(tls)
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(ca_file)
        gateway = Gateway(
            tmp_path, secure.url, HTTPS_PROXY=proxy.url, NO_PROXY="", CODER_AIBRIDGE_UPSTREAM_CA_FILE=str(ca_file)
        )
        secure.answers(OK)
        assert post(gateway, CHAT, ASK, gateway.user("alice")).body == b'{"id":"1"}'
        assert proxy.asked == [(f"CONNECT localhost:{secure.port} HTTP/1.1", None)]
        assert gateway.stop() == 0
        secure.close()

    def test_a_proxy_that_refuses(self, tmp_path: Path) -> None:
        proxy = Proxy(status="407 Who Are You")
        gateway = Gateway(tmp_path, "https://provider.invalid", HTTPS_PROXY=proxy.url, NO_PROXY="")
        answer = post(gateway, CHAT, ASK, gateway.user("alice"))
        assert (answer.status, "the proxy answers 407" in answer.json()["error"]["message"]) == (502, True)
        assert gateway.stop() == 0
        proxy.close()

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("http://u:hush@h:port", "its host or port cannot be read"),
            ("http://u:hush@proxy..example:99", "its host or port cannot be read"),
            ("http://u:p[hush@h:99", "its host or port cannot be read"),
            ("http://u:12#hush@h", "something follows its host and port"),
            ("socks5://u:hush@h:1", "socks5:// proxies are not supported"),
            ("http://", "it names no host"),
        ],
    )
    def test_a_bad_proxy_is_named(self, tmp_path: Path, value: str, words: str) -> None:
        env = {"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0", "HTTPS_PROXY": value}
        done = coderai("server", env=env, check=False)
        assert (done.returncode, words in done.stderr, "HTTPS_PROXY" in done.stderr) == (1, True, True)
        assert "hush" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    def test_a_bad_ca_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        for name, words in (("ca.pem", "holds no certificate in PEM; give"), ("none.pem", "file or directory; give")):
            env = {
                "CODER_SQLITE_PATH": str(tmp_path / "c.db"),
                "CODER_HTTP_ADDRESS": "127.0.0.1:0",
                "CODER_AIBRIDGE_UPSTREAM_CA_FILE": str(tmp_path / name),
            }
            done = coderai("server", env=env, check=False)
            assert (done.returncode, words in done.stderr, "upstream-ca-file" in done.stderr) == (1, True, True)


def _server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context
