"""OHIF, the web viewer, before an Orthanc: its own distribution, served from loopback beside a proxy."""

from __future__ import annotations

import mimetypes
import shutil
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

DIST = Path(__file__).parents[1] / ".tools" / "ohif" / "package" / "dist"
"""Where `tools/ohif.sh` leaves it."""
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
"""Chromium without a network of its own, with WebGL 2 in software."""
CONFIG = """window.config = {
  routerBasename: '/', extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 2,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
  strictZSpacingForVolumeViewport: true, investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'pacs',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'pacs',
    configuration: {
      friendlyName: 'pacs', name: 'pacs', wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: false,
      supportsWildcard: true, omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true, relativeResolution: 'studies' },
    },
  }],
};
"""


class Viewer(ThreadingHTTPServer):
    """OHIF's pages, its configuration, and the PACS' DICOMweb, all from one origin."""

    daemon_threads = True

    def __init__(self, pacs_url: str) -> None:
        if not (DIST / "index.html").is_file():
            pytest.skip("OHIF is not installed (tools/ohif.sh)")
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pacs_url = pacs_url
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(10)

    def handle_error(self, *_: object) -> None:
        """A browser that goes away in the middle is no error."""


class _Handler(BaseHTTPRequestHandler):
    """One request of the browser."""

    server: Viewer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A page, its configuration, or what the PACS says."""
        path = self.path.partition("?")[0]
        if path == "/app-config.js":
            self._answer(200, "text/javascript", CONFIG.encode())
        elif path.startswith("/dicom-web"):
            self._proxied()
        else:
            found = DIST / path.lstrip("/")
            page = found if found.is_file() else DIST / "index.html"
            kind = mimetypes.guess_type(page.name)[0] or "application/octet-stream"
            self._answer(200, kind, page.read_bytes())

    def _proxied(self) -> None:
        headers = {name: value for name in ("Accept", "Range") if (value := self.headers.get(name))}
        asked = urllib.request.Request(self.server.pacs_url + self.path, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                status, kind, body = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as refused:
            status, kind, body = refused.code, refused.headers["Content-Type"], refused.read()
        if kind and "json" in kind:
            body = body.replace(self.server.pacs_url.encode(), self.server.url.encode())
        self._answer(status, kind or "text/plain", body)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def chromium() -> str:
    """The browser; skips where there is none."""
    found = shutil.which("chromium")
    if not found:
        pytest.skip("chromium is not installed (Debian package chromium)")
    return found
