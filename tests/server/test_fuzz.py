"""Requests made from the published description, and bent from it: none gets a 500."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .running import Running

EXAMPLES = 25
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
OPERATIONS = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{name}"),
    ("GET", "/api/status"),
    ("GET", "/api/steering"),
    ("PUT", "/api/steering"),
    ("GET", "/api/vectors"),
    ("GET", "/api/recipes"),
    ("GET", "/api/recipes/{name}"),
    ("PUT", "/api/recipes/{name}"),
    ("DELETE", "/api/recipes/{name}"),
    ("POST", "/api/compare"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
]


@pytest.fixture(scope="module")
def fuzzed(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server and a shelf of its own: recipes are left there. Answers are cut off in a second."""
    home = Path(shutil.copytree(shelf, tmp_path_factory.mktemp("fuzzed") / "home"))
    running = Running(home, "tiny", "--ctx", "512", "--time-limit", "1")
    yield running
    code, said = running.stop()
    assert code == 0, said
    assert "Traceback" not in said


def test_the_description_lists_all_that_is_served(fuzzed: Running) -> None:
    described = fuzzed.get("/openapi.json").json["paths"]
    found = [(method.upper(), path) for path, methods in described.items() for method in methods]
    assert sorted(found) == sorted(OPERATIONS)


BENT = [(method, path) for method, path in OPERATIONS if method in ("POST", "PUT")]
CASES = [(*row, "positive") for row in OPERATIONS] + [(*row, "negative") for row in BENT]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_no_request_gets_a_500(fuzzed: Running, method: str, path: str, mode: str) -> None:
    schema = schemathesis.openapi.from_url(f"{fuzzed.url}openapi.json")
    cases = schema[path][method].as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS, timeout=30)

    check()
