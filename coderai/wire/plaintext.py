"""A client that speaks plain HTTP where HTTPS is spoken gets an answer, and no connection that ends without a word.

It is given in the handshake, the only place that sees what came in place of one: there is no transport yet.
https://docs.python.org/3/library/ssl.html#ssl.SSLContext.sslobject_class
"""

import ssl

# No provider's shape is known here, as in every answer to what cannot be parsed.
_BODY = b'{"message":"plain HTTP was sent to the HTTPS port: write https:// in the URL"}\n'
ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(_BODY), _BODY)
)


class _Handshake(ssl.SSLObject):
    bios: tuple[ssl.MemoryBIO, ssl.MemoryBIO]  # what comes in, and what goes out
    _answered = False

    def do_handshake(self) -> None:
        """Once it has answered, it waits for its client to go, or for the end of a handshake's time: closed amid what
        the client sends, the connection would be reset, and the answer lost (RFC 9112, section 9.6).
        """
        incoming, outgoing = self.bios
        try:
            if not self._answered:
                return super().do_handshake()
        except ssl.SSLError as error:
            if error.reason != "HTTP_REQUEST":
                raise
            self._answered = True
            outgoing.write(ANSWER)
        incoming.read()  # and forgets it
        raise ssl.SSLWantReadError


class Context(ssl.SSLContext):
    """For listening."""

    sslobject_class = _Handshake

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _Handshake)
        made.bios = incoming, outgoing
        return made
