"""The API does what its description says, whatever is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.settings import Settings
from app.web import openapi
from app.web.server import create_app
from tests.inference.helpers import Broker
from tests.web.conftest import Worker

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 30
#: Schemathesis leaves out the description itself.
DESCRIBED = sorted(
    {*openapi._QUERIES, *openapi._BODIES, *openapi._ANSWERS, *openapi._MEDIA} - {"openapi.json"}
)


@pytest.fixture(scope="module")
def described(
    genome: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[schemathesis.BaseSchema, Worker]]:
    """The description as it is served, with broker and worker behind it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        its = Settings(
            genomes=str(genome),
            weights=str(weights),
            cache_dir=tmp_path_factory.mktemp("cache"),
            rate=1e6,
        )
        broker = Broker(its)
        app = create_app(its).server
        yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app), Worker(its)
        broker.stop()


def operations(schema: schemathesis.BaseSchema) -> dict[str, schemathesis.APIOperation]:
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.path.removeprefix("/api/v1/"): operation for operation in found}


def test_description_is_openapi_and_knows_every_route(
    described: tuple[schemathesis.BaseSchema, Worker],
) -> None:
    schema, _ = described
    schema.validate()
    assert set(DESCRIBED) <= operations(schema).keys()
    for operation in operations(schema).values():
        assert operation.definition.raw["summary"]


def test_docs_name_every_route_and_every_key_of_a_view(
    described: tuple[schemathesis.BaseSchema, Worker],
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    schema, _ = described
    routes = {f"{one.method.upper()} {name}" for name, one in operations(schema).items()}
    assert set(re.findall(r"^\| `((?:GET|POST) [\w.-]+)", text, re.MULTILINE)) == routes | {
        "GET openapi.json"
    }
    keys = set(re.findall(r"^\| `(\w+)`(?: \(repeated\))? \|", text, re.MULTILINE))
    assert keys == openapi._VIEW.keys()


def check(operation: schemathesis.APIOperation, worker: Worker, examples: int) -> None:
    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case) -> None:
        worker.show()
        case.call_and_validate(checks=CHECKS)

    run()


@pytest.mark.parametrize("route", DESCRIBED)
def test_route_answers_as_described(
    route: str, described: tuple[schemathesis.BaseSchema, Worker]
) -> None:
    schema, worker = described
    check(operations(schema)[route], worker, EXAMPLES)


def test_other_routes_never_fail(described: tuple[schemathesis.BaseSchema, Worker]) -> None:
    schema, worker = described
    for route, operation in operations(schema).items():
        if route not in DESCRIBED:
            check(operation, worker, 10)
