"""The way to a provider through a proxy, and the certificates that are trusted on it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from coderai.wire.origin import Origin
from coderai.wire.proxy import Proxies
from tests.exchange import ASK, CHAT, post
from tests.gateway import Gateway, coderai
from tests.provider import Provider, whole
from tests.proxy import Proxy

OK = whole(b'{"id":"1"}')


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    running = Proxy()
    yield running
    running.close()


def test_plain_http_with_a_whole_url(tmp_path: Path, provider: Provider, proxy: Proxy) -> None:
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


def test_none_where_none_is_wanted(tmp_path: Path, provider: Provider, proxy: Proxy) -> None:
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
        ("10.1.2.3", "10.0.0.1/8", True),
        ("::1", "[::1]", True),
        ("api.example.com", "*", True),
    ],
)
def test_no_proxy(host: str, no_proxy: str, direct: bool) -> None:
    proxies = Proxies({"https": "http://proxy:3128", "no": no_proxy})
    origin = Origin("https", host, 443)
    assert (proxies.of(origin) is None) is direct


def test_what_the_proxy_wants_of_us_is_no_answer_for_the_client(tmp_path: Path) -> None:
    proxy = Proxy(status="407 Who Are You")
    gateway = Gateway(tmp_path, "http://provider.invalid", HTTP_PROXY=proxy.url, NO_PROXY="")
    answer = post(gateway, CHAT, ASK, gateway.user("alice"))
    assert (answer.status, "HTTP_PROXY" in answer.json()["error"]["message"]) == (502, True)
    assert gateway.stop() == 0
    proxy.close()


def test_https_through_a_tunnel_with_a_ca_of_one_s_own(tmp_path: Path, proxy: Proxy) -> None:
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


def test_a_proxy_that_refuses(tmp_path: Path) -> None:
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
def test_a_bad_proxy_is_named(tmp_path: Path, value: str, words: str) -> None:
    env = {"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0", "HTTPS_PROXY": value}
    done = coderai("server", env=env, check=False)
    assert (done.returncode, words in done.stderr, "HTTPS_PROXY" in done.stderr) == (1, True, True)
    assert "hush" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_ca_file_is_named(tmp_path: Path) -> None:
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
