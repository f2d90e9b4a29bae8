"""AWS's side, built anew for the tests: event-stream frames, and the check of a signature by botocore."""

import json
import struct
from base64 import b64encode
from zlib import crc32

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.provider import Received, Step, chunk

KEY, SECRET, REGION = "AKIDEXAMPLE0123456789", "wJalrXUtnFEMI-K7MDENG-secret", "eu-west-3"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    start = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return start + struct.pack(">I", crc32(start))


def event(data: dict) -> bytes:
    payload = json.dumps({"bytes": b64encode(json.dumps(data).encode()).decode(), "p": "abcd"}).encode()
    return frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(name: str, message: str) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())


def streamed(body: bytes, size: int, ended: bool = True) -> list[Step]:
    """An answer whose body comes in pieces of that size."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [chunk(body[at : at + size]) for at in range(0, len(body), size)]
    return [head, *pieces, *([b"0\r\n\r\n"] if ended else [])]


class _At(SigV4Auth):
    """Signs at the time that the request says."""

    def _modify_request_before_signing(self, request):
        pass


def signature_holds(received: Received, token: str | None = None, key: str = KEY, secret: str = SECRET) -> bool:
    """Whether botocore, given what arrived, comes to the same signature."""
    authorization = received.header("Authorization")
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    request = AWSRequest(
        "POST",
        f"http://{received.header('Host')}{received.target}",
        headers={name: received.header(name) for name in names if name != "host"},
        data=received.body,
    )
    request.context["timestamp"] = received.header("X-Amz-Date")
    signer = _At(Credentials(key, secret, token), "bedrock", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    same = authorization.endswith(f"Signature={signer.signature(text, request)}")
    same = same and f"Credential={key}/" in authorization
    return same and received.header("X-Amz-Security-Token") == token and "host" in names
