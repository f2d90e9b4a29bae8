"""What of a stream has come that its client does not have yet. No I/O."""


class Waiting:
    def __init__(self) -> None:
        self.size = 0  # bytes
        self.latest = 0  # of them, those of the latest chunk
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        if chunk:
            self._chunks.append(chunk)
            self.latest = len(chunk)
            self.size += self.latest

    def all_but(self, last: int) -> bytes:
        """Lets out what has come before so many last bytes."""
        cut = self.size - last
        if cut <= 0:
            return b""
        data = b"".join(self._chunks)  # a single chunk is not copied, and passes as the very object that came
        self._chunks = [data[cut:]] if last else []
        self.size = last
        return data[:cut]
