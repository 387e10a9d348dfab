"""A real HTTP server on the loopback address that answers with given texts; for tests of what scrapes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class HttpTexts:
    """`with HttpTexts({"/metrics": b"…"}) as texts:` serves; a path of `hangs` accepts and never answers."""

    def __init__(self, texts: Mapping[str, bytes], hangs: frozenset[str] = frozenset()) -> None:
        self.texts = dict(texts)
        self.hangs = hangs
        self.asked: list[str] = []
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if self.path in outer.hangs:
                    outer._released.wait(30)
                    return
                body = outer.texts.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def url(self, path: str = "/metrics") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def __enter__(self) -> HttpTexts:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
