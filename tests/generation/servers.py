"""Endpoints for tests: HTTP servers in a thread, on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """A server and what it was asked.

    Args:
        url: What an ``Endpoint`` is given.
        asked: Requests, as they came.
        keys: Their authorisation headers.
    """

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    @property
    def questions(self) -> list[str]:
        return [request["messages"][0]["content"] for request in self.asked]


def said(text: str | None, tokens: Any = 10, finish: Any = "stop") -> Response:
    """Return a response of the documented form."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return 200, {}, json.dumps({"choices": [choice], "usage": {"total_tokens": tokens}}).encode()


def status(code: int, text: str = "no", **headers: str) -> Response:
    """Return a response with another status."""
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, text.encode()


@contextmanager
def serving(respond: Callable[[dict[str, Any], int], Response]) -> Iterator[Server]:
    """Serve responses.

    Args:
        respond: Given a request and its number, from 0, returns status, headers and body.
    """
    server, lock = Server(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(server.asked)
                server.asked.append(request)
                server.keys.append(self.headers.get("Authorization"))
            code, headers, body = respond(request, number)
            try:
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has hung up, as it should on what is too slow or too long

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
