"""
A pretend server, and scepctl run against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from click.testing import CliRunner, Result
from pydantic import JsonValue

from scepd.ctl import main
from scepd.ctl.connection import Connection

TOKEN = "the-token-of-alice"


def answer(status: int, body: JsonValue = None) -> httpx.Response:
    """
    An answer of the admin API.
    """
    if body is None:
        return httpx.Response(status)
    kind = "application/json" if status < 400 else "application/problem+json"
    return httpx.Response(status, json=body, headers={"content-type": kind})


def problem(status: int, title: str, detail: str = "", **faults: str) -> httpx.Response:
    """
    A problem of the admin API.
    """
    errors: list[JsonValue] = [{"field": name, "message": text} for name, text in faults.items()]
    body: dict[str, JsonValue] = {"title": title, "detail": detail, "errors": errors}
    return answer(status, body)


@dataclass
class Pretend:
    """
    A server that gives prepared answers, one after the other.
    """

    folder: Path
    answers: list[httpx.Response] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    on_request: Callable[[httpx.Request], None] = lambda request: None

    def __post_init__(self) -> None:
        self.token_file = self.folder / "admin.token"
        self.token_file.write_text(f"{TOKEN}\n", "ascii")

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> Result:
        """
        Run scepctl with these arguments.
        """
        connection = Connection(transport=httpx.MockTransport(self._answer))
        return CliRunner().invoke(
            main,
            ["--token-file", str(self.token_file), *arguments],
            input=stdin,
            env={"SCEPCTL_CHALLENGE": None} | dict(environment or {}),
            obj=connection,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.on_request(request)
        return self.answers.pop(0)
