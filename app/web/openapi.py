"""`/api/v1/openapi.json`: the API for programs that read such descriptions.

Addresses, methods and sentences are those of the routes themselves; what they take stands here,
with the limits of the code that reads it.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, Literal, get_args, get_origin, get_type_hints

from flask import Blueprint, current_app
from werkzeug.routing import Rule

from app.web.asked import MAX_NAME
from app.web.describe import JSON
from app.web.effects_api import MAX_SCORERS
from app.web.own_api import MAX_PATH
from app.web.rows import Part, Value
from app.web.state import MAX_QUERY, ViewState
from app.web.theme import Mode as Ground
from app.web.tiles import MAX_BIN
from app.web.transcripts import GeneRows

openapi_api = Blueprint("openapi", __name__, url_prefix="/api/v1")

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
OBJECT: Schema = {"type": "object"}
LIST: Schema = {"type": "array"}
NAME: Schema = {"type": "string", "maxLength": MAX_NAME}
LONG: Schema = {"type": "string", "maxLength": MAX_QUERY}
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 10**12 - 1}


def _one_of(words: object) -> Schema:
    return {"type": "string", "enum": list(get_args(words))}


_PLACE = {"genome!": NAME, "chrom!": NAME, "start!": NUMBER, "end!": NUMBER}
#: ``docs/api.md`` says what each key of a view means.
_VIEW: dict[str, Schema] = {
    "v": {"type": "integer", "minimum": 1},
    **dict.fromkeys(("genome", "locus", "model", "anchor", "ism"), TEXT),
    **dict.fromkeys(("biosample", "track", "own", "hide", "style"), TEXTS),
    **dict.fromkeys(("variant", "edit", "highlight"), TEXTS),
    **{
        name: _one_of(hint)
        for name, hint in get_type_hints(ViewState).items()
        if get_origin(hint) is Literal
    },
}
#: Query of each route; what must be there is marked ``!``.
_QUERIES: dict[str, dict[str, Schema]] = {
    "search": {"genome!": NAME, "q": TEXT},
    "genes": {**_PLACE, "width": {**NUMBER, "minimum": 1}, "genes": _one_of(GeneRows)},
    "next-gene": {
        **{"genome!": NAME, "chrom!": NAME, "pos!": NUMBER},
        "direction": _one_of(Literal["next", "previous"]),
    },
    "view": {**_VIEW, "width": {**NUMBER, "minimum": 1}, "ground": _one_of(Ground)},
    "tracks": {"genome!": NAME, "model": TEXT, "own": TEXTS},
    "tiles": {
        **{"genome!": NAME, "model": TEXT, "chrom!": NAME},
        "bin!": {"type": "integer", "enum": [2**i for i in range(MAX_BIN.bit_length())]},
        **{"from!": NUMBER, "to!": NUMBER, "tracks!": LONG, "v": TEXT},
        **{"variant": TEXTS, "edit": TEXTS},
    },
    "contacts": {
        **{**_PLACE, "model": TEXT, "row!": LONG, "part": _one_of(Part), "value": _one_of(Value)},
        **{"variant": TEXTS, "edit": TEXTS, "v": TEXT},
    },
    "junctions": {**_PLACE, "model": TEXT, "row!": LONG, "variant": TEXTS, "edit": TEXTS},
    "agreement": {**_VIEW, "points": TEXT},
    "sequence": _PLACE,
    "inserted": _VIEW,
    "ism.tsv": _VIEW,
    "motif": {"id!": NAME},
    "effects.tsv": _VIEW,
    "export.tsv": {**_VIEW, "only": TEXT},
    "export.zip": {**_VIEW, "only": TEXT},
    "export.py": _VIEW,
    "own": {"genome!": NAME, "name!": {"type": "string", "maxLength": MAX_PATH}},
}
#: Body of each route.
_BODIES: dict[str, dict[str, Schema]] = {
    "predict": {"query!": TEXT, "retry": FLAG, "prefetch": FLAG},
    "ism": {"query!": TEXT, "retry": FLAG},
    "edits": {"genome!": TEXT, "text!": TEXT, "edits": TEXTS},
    "own-address": {"genome!": TEXT, "url!": TEXT},
    "clustergram": {"rows!": TEXTS, "columns!": TEXTS, "values!": LIST},
    "effects": {
        **{"query!": TEXT, "scorers": {**TEXTS, "maxItems": MAX_SCORERS}, "retry": FLAG},
    },
}
#: What an answer always holds.
_ANSWERS: dict[str, dict[str, Schema]] = {
    "genomes": {"genomes": LIST},
    "models": {"models": LIST, "problems": LIST},
    "search": {"suggestions": OBJECT},
    "genes": {"genes": LIST, "total": NUMBER, "hidden": NUMBER},
    "next-gene": {"symbol": TEXT, "locus": TEXT},
    "view": {
        **{"query": TEXT, "notices": TEXTS, "genome": OBJECT, "locus": OBJECT},
        **{"rows": LIST, "data": OBJECT, "figure": OBJECT},
    },
    "tracks": {"groups": LIST, "biosamples": LIST},
    "predict": {
        **{"complete": FLAG, "failed": FLAG, "message": TEXT, "ready": TEXT, "spans": LIST},
    },
    "agreement": {"locus": TEXT, "rows": LIST},
    "junctions": {"unit": TEXT, "lists": LIST},
    "ism": {
        **{"complete": FLAG, "failed": FLAG, "message": TEXT, "done": NUMBER, "total": NUMBER},
        **{"bases": TEXT, "places": LIST, "effects": LIST, "contributions": LIST},
    },
    "motif": {"id": TEXT, "name": TEXT, "frequencies": LIST, "source": TEXT},
    "sequence": {"start": NUMBER, "end": NUMBER, "sequence": TEXT},
    "inserted": {"insertions": LIST},
    "edits": {"edits": LIST},
    "effects": {"complete": FLAG, "failed": FLAG, "message": TEXT, "rows": LIST},
    "clustergram": {"data": LIST, "layout": OBJECT},
    "health": {"status": {"const": "OK"}},
    "status": {
        **{"ready": FLAG, "sentence": TEXT, "workers": LIST, "queues": OBJECT},
        **{"stored": OBJECT, "troubles": LIST},
    },
    "own": {"id": TEXT, "row": TEXT, "name": TEXT, "lines": NUMBER, "note": TEXT},
    "openapi.json": {"openapi": TEXT, "paths": OBJECT},
}
#: Answers and bodies that are not JSON.
_MEDIA = {
    "tiles": "application/octet-stream",
    "contacts": "application/octet-stream",
    "effects.tsv": "text/tab-separated-values",
    "ism.tsv": "text/tab-separated-values",
    "pdf": "application/pdf",
    "export.tsv": "text/tab-separated-values",
    "export.zip": "application/zip",
    "export.py": "text/x-python",
}
_BODY_MEDIA = {"pdf": "image/svg+xml", "own": "application/octet-stream"}

_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "suggestion"],
            "properties": {"message": TEXT, "suggestion": {"type": ["string", "null"]}},
        }
    },
}
_ERRORS = {
    "description": "What is wrong and what to do, as a sentence.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def _properties(fields: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": [name[:-1] for name in fields if name.endswith("!")],
        "properties": {name.rstrip("!"): schema for name, schema in fields.items()},
    }


def _parameters(rule: Rule, route: str) -> list[JSON]:
    asked = [
        {"name": name.rstrip("!"), "in": "query", "required": name.endswith("!"), "schema": schema}
        for name, schema in _QUERIES.get(route, {}).items()
    ]
    return asked + [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in sorted(rule.arguments)
    ]


def _operation(rule: Rule, method: str) -> JSON:
    """Describes one route; what the tables above do not tell stays open."""
    route = rule.rule.removeprefix("/api/v1/")
    told = current_app.view_functions[rule.endpoint].__doc__ or route
    summary, _, description = told.partition("\n\n")
    answer = {f"{name}!": schema for name, schema in _ANSWERS.get(route, {}).items()}
    media = _MEDIA.get(route, "application/json")
    schema = _properties(answer) if media == "application/json" else {}
    operation: JSON = {
        "operationId": f"{method} {route}",
        "summary": summary,
        "description": " ".join(description.split()),
        "parameters": _parameters(rule, route),
        "responses": {
            "200": {"description": "As asked.", "content": {media: {"schema": schema}}},
            "4XX": _ERRORS,
            "503": _ERRORS,
        },
    }
    if method == "post":
        body = _BODY_MEDIA.get(route, "application/json")
        schema = _properties(_BODIES[route]) if route in _BODIES else {}
        operation["requestBody"] = {"required": True, "content": {body: {"schema": schema}}}
    return operation


@openapi_api.get("/openapi.json")
def openapi() -> JSON:
    """Describes the API as OpenAPI 3.1."""
    paths: JSON = {}
    for rule in current_app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1/") or rule.endpoint == "api.unknown":
            continue
        path = re.sub("<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for method in sorted({"GET", "POST"} & (rule.methods or set())):
            paths.setdefault(path, {})[method.lower()] = _operation(rule, method.lower())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Locuscope",
            "version": version("locuscope"),
            "description": "Numbers are 0-based half-open. Not for clinical use.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }
