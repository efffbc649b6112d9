"""`sprawl schema` against registries that answer otherwise than a node's own does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sprawl.cli import run
from sprawl.faults import EXIT_FAILED, EXIT_OK, EXIT_USAGE

Answer = tuple[int, object, dict[str, str]]
ALL = [{"subject": f"s{at:04}", "version": 1, "id": at, "schema": "x"} for at in range(1, 2_501)]


@contextmanager
def registry(
    answer: Callable[[str, str, dict[str, str]], Answer],
) -> Iterator[tuple[str, list[Any]]]:
    """A server that answers (method, path, query); its URL, and the heads of what it was asked."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self)
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = urlsplit(self.path)
            query = {name: given[0] for name, given in parse_qs(parts.query).items()}
            status, value, headers = answer(self.command, parts.path, query)
            body = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def _page(_method: str, _path: str, query: dict[str, str]) -> Answer:
    """At most a thousand at once, as Confluent's registry and ours give them."""
    start = int(query.get("offset", "0"))
    return 200, ALL[start : start + 1_000], {}


@pytest.mark.parametrize("answer", [_page, lambda *_: (200, ALL, {})], ids=["pages", "no pages"])
def test_a_list_has_all(answer: Callable[..., Answer], capsys: pytest.CaptureFixture[str]) -> None:
    with registry(answer) as (url, _):
        assert run(["schema", "list", "--registry", url, "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == ALL


def test_a_registration_is_told_by_its_own_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that passed it on may not have the new version yet."""

    def lags(method: str, path: str, _query: dict[str, str]) -> Answer:
        if (method, path) == ("POST", "/subjects/s/versions"):
            return 200, {"id": 7, "version": 2, "schema": '"int"'}, {}
        return 404, {"error_code": 40403, "message": "Schema not found"}, {}

    file = tmp_path / "s.avsc"
    file.write_text('"int"')
    with registry(lags) as (url, _):
        assert run(["schema", "register", "s", str(file), "--registry", url]) == EXIT_OK
        assert capsys.readouterr().out == "s version 2 has this schema, id 7.\n"
        assert run(["schema", "register", "s", str(file), "--registry", url, "--json"]) == EXIT_OK
        found = json.loads(capsys.readouterr().out)
        assert found == {"subject": "s", "id": 7, "version": 2, "schema": '"int"'}


def test_credentials_are_not_sent_on_nor_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with registry(lambda *_: (200, [], {})) as (other, seen):
        moved: Answer = (302, {}, {"Location": f"{other}/schemas"})
        with registry(lambda *_: moved) as (url, _):
            known = url.replace("//", "//ann:s3cret@")
            assert run(["schema", "list", "--registry", known]) == EXIT_FAILED
        assert not seen
    assert other in capsys.readouterr().err
    for odd in ("htp://ann:s3cret@x", "http://ann:s3cret@[::", "http://ann:s3cret@"):
        assert run(["schema", "list", "--registry", odd]) == EXIT_USAGE
        assert "s3cret" not in capsys.readouterr().err
