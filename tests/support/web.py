"""A real HTTP server on the loopback address, whose answers a test changes while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Page = tuple[int, str, str]
"""Status, content type, text."""
Respond = Callable[[str, Mapping[str, str]], Page]
"""By path with its query, and headers in lower case."""


class Web:
    """`with Web(respond) as web:` serves."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, kind, text = outer.respond(
                    self.path, {name.lower(): value for name, value in self.headers.items()}
                )
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """Of this machine."""
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Web:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
