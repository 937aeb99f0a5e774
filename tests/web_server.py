"""A web server of the tests' own, on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from millet.edge.destinations import Door


class Server(ThreadingHTTPServer):
    """Answers every POST as told, and keeps what came."""

    def __init__(self, context=None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.headers, self.body = 201, {}, b""
        self.came = []
        self.scheme = "http" if context is None else "https"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def handle_error(self, *_):
        """A client that goes away is what is tested."""

    def end(self):
        """Stop."""
        self.shutdown()
        self.server_close()
        self.thread.join()

    def door(self, path="/reports", **more):
        """How to get here."""
        return Door(url=f"{self.scheme}://127.0.0.1:{self.server_port}{path}", timeout_s=5, **more)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self):
        """Keep it, and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        """Say nothing."""
