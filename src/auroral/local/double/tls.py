"""A server's end of TLS over memory: bytes of the wire in, plain bytes out, and back. No socket."""

from __future__ import annotations

import contextlib
import ssl

_READ_BYTES = 256 * 1024


class ServerTls:
    """One connection's TLS. `outgoing` is what must go to the wire after each call."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._from_wire = ssl.MemoryBIO()
        self._to_wire = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_wire, self._to_wire, server_side=True)
        self._done = False
        self.ended = False
        """The client has closed its end."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the wire; return what they say. Raises `ssl.SSLError` where they are no TLS of ours."""
        self._from_wire.write(data)
        if not self._done:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self._done = True
        read = self._tls.read
        pieces = []
        try:
            while piece := read(_READ_BYTES):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, data: bytes | bytearray) -> None:
        """Encrypt bytes for the wire."""
        self._tls.write(data)

    def close(self) -> None:
        """Say that nothing more will come."""
        with contextlib.suppress(ssl.SSLError):  # it would wait for the client's own word
            self._tls.unwrap()

    def outgoing(self) -> bytes:
        """What waits for the wire."""
        return self._to_wire.read()

    @property
    def server_name(self) -> str | None:
        """Which name the client asked for (SNI)."""
        return getattr(self._tls, "requested_name", None)


def server_context(chain_file: str) -> ssl.SSLContext:
    """TLS 1.2 and later with the certificates and the key of one file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain_file)
    context.sni_callback = _keep_name
    return context


def _keep_name(tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
    tls.requested_name = name  # type: ignore[union-attr]  # it is ours to read, see `server_name`
