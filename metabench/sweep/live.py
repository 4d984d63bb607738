"""`--live`: the leaderboard's page of the runs as they are made, for this machine alone.

The server is bound to 127.0.0.1 and answers to that name and `localhost` only, so that no page from elsewhere can read
it by a name of its own (DNS rebinding). It has one page, and takes nothing.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from metabench.board.page import page
from metabench.board.rows import read_entries
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.record import RECORD_FILE

HOST, PORT = "127.0.0.1", 8765
RELOAD_AFTER = 30  # seconds; the page's address keeps filters and opened rows


@contextmanager
def live(results: Path) -> Iterator[str]:
    """Within it the page is served; at a free port if `PORT` is taken.

    Args:
        results: the folder of the records.

    Yields:
        The page's address.
    """
    try:
        server = _Server(results, PORT)
    except OSError:
        server = _Server(results, 0)
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, results: Path, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.results = results
        self.lock = threading.Lock()
        self.made: tuple[object, str] = (None, "")

    def page(self) -> str:
        """The page of today's records, made again only where there are others."""
        with self.lock:
            stamp = {path: path.stat().st_mtime_ns for path in sorted(self.results.rglob(RECORD_FILE))}
            if self.made[0] != stamp:
                self.made = stamp, _page(self.results)
            return self.made[1]


def _page(results: Path) -> str:
    try:
        rows, _ = read_entries(results, reference=False)
    except UsageError:
        rows = []
    if rows:
        return page(rows, RELOAD_AFTER)
    shown = html.escape(plain(str(results)))
    reload = f'<meta http-equiv="refresh" content="{RELOAD_AFTER}">'
    return f"<!doctype html><meta charset=utf-8>{reload}<title>metabench</title><p>There is no record in {shown} yet."


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "metabench", ""

    def do_GET(self) -> None:
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in names or self.path != "/":
            self.send_error(404)
            return
        body = self.server.page().encode()
        self.send_response(200)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Nothing: the terminal has the sweep's lines."""
