"""A schema registry over its REST interface, for the command line: one request after another.

Any registry that speaks Confluent's interface answers, not only Sprawl's.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from sprawl.faults import EXIT_UNREACHABLE, EXIT_USAGE, CommandFault

CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
TIMEOUT_S: Final = 30.0
"""Of one request: a registry may wait for its topic, and parse what is large."""
ANSWER_BYTES_MAX: Final = 268_435_456
"""Bound of an answer: a list of every schema of a large registry is some tens of MiB."""


class RegistryError(CommandFault):
    """The registry said no.

    Args:
        code: `error_code` of the answer, else the HTTP status.
    """

    def __init__(self, code: int, message: str, *, next_step: str = "") -> None:
        super().__init__(f"{message} (error {code})", next_step=next_step)
        self.code = code


class RegistryClient:
    """Requests to one registry.

    Args:
        url: http or https; a user and a password may stand in it.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
        except ValueError:
            raise _no_address(url) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _no_address(url)
        place = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(pair.encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def ask(
        self,
        method: str,
        *segments: str | int,
        body: Mapping[str, object] | None = None,
        **query: str | int | bool,
    ) -> Any:
        """Make one request.

        Args:
            segments: of the path, not encoded: a subject may hold slashes.
            query: parameters; booleans are sent when they are true.

        Returns:
            The answer's JSON.

        Raises:
            RegistryError: an answer that is an error.
            CommandFault: no registry answers there; a segment is empty or no Unicode (exit code 2).
        """
        path = "".join("/" + _quoted(str(segment)) for segment in segments)
        found = {
            name: "true" if value is True else value
            for name, value in query.items()
            if value is not False
        }
        url = f"{self.url}{path}" + (f"?{urlencode(found)}" if found else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 the scheme was checked
            url, data=data, headers=self._headers, method=method
        )
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                if moved := error.headers.get("Location"):
                    raise RegistryError(
                        error.code,
                        f"the schema registry at {self.url} sends its clients to {moved}",
                        next_step="name that address with --registry URL",
                    ) from error
                raise _error_of(error.code, error.read(ANSWER_BYTES_MAX)) from error
        except (OSError, http.client.HTTPException) as failure:
            reason = getattr(failure, "reason", failure)
            raise CommandFault(
                f"no schema registry answers at {self.url}: {reason}",
                next_step="start a node (`sprawl`), or name another one with --registry URL",
                exit_code=EXIT_UNREACHABLE,
            ) from failure
        except ValueError as error:
            raise CommandFault(
                f"what answers at {self.url} is no schema registry: {error}",
                next_step="name another one with --registry URL",
            ) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The standard library would send the password on to whatever host an answer names, and turn a
    POST into a GET."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def _no_address(url: str) -> CommandFault:
    """Without the password, which such messages carry into logs."""
    scheme, found, place = url.rpartition("://")
    return CommandFault(
        f"{scheme + found + place.rpartition('@')[2]!r} is no address of a schema registry",
        next_step="--registry http://localhost:8081",
        exit_code=EXIT_USAGE,
    )


def _quoted(segment: str) -> str:
    """A registry that leaves empty segments out would take the next one for the subject."""
    try:
        encoded = quote(segment, safe=":")
    except UnicodeEncodeError:
        encoded = ""
    if not encoded:
        raise CommandFault(
            f"{segment!r} is no name of a subject, and no version", exit_code=EXIT_USAGE
        )
    return encoded


def _error_of(status: int, content: bytes) -> CommandFault:
    try:
        body = json.loads(content)
        code, message = int(body["error_code"]), str(body["message"])
    except (ValueError, KeyError, TypeError):
        code, message = status, http.client.responses.get(status, "the request failed")
    next_step = ""
    if status in (401, 403):
        next_step = "--registry http://USER:PASSWORD@HOST:PORT"
    return RegistryError(code, message, next_step=next_step)
