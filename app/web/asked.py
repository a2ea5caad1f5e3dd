"""What a request says: its parameters, read with their limits."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from alphagenome.data.genome import Interval
from flask import request
from werkzeug.exceptions import BadRequest

from app.errors import BadInputError, LimitError
from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.genome.haplotype import Haplotype

#: No genome, chromosome or gene has a longer name.
MAX_NAME = 100


def view_query(*own: str) -> str:
    """Returns the request's query without the keys that belong to the route, not to the view."""
    pairs = parse_qsl(request.query_string.decode("latin-1"), keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0] not in own], quote_via=quote)


def asked_text(name: str, longest: int = MAX_NAME) -> str:
    """Returns a parameter that must be there.

    Raises:
        BadInputError: It is missing.
        LimitError: It is longer than ``longest``.
    """
    text = request.args.get(name, "")
    if not text:
        raise BadInputError(f"“{name}” is missing.")
    if len(text) > longest:
        raise LimitError(f"“{name}” has {len(text):,} characters; at most {longest:,} are read.")
    return text


def asked_integer(name: str, default: int | None = None) -> int:
    """Returns a whole number that is not negative.

    Raises:
        BadInputError: It is missing and has no default, or is no such number.
    """
    text = asked_text(name) if default is None else request.args.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise BadInputError(f"“{name}” must be a whole number of at most 12 digits.")
    return int(text)


def asked_word(name: str, words: tuple[str, ...], default: str) -> str:
    """Returns one of some words.

    Raises:
        BadInputError: It is another one.
    """
    text = request.args.get(name, default)
    if text not in words:
        raise BadInputError(f"“{name}” is {', '.join(words[:-1])} or {words[-1]}.")
    return text


def asked_interval(bundle: Bundle) -> Interval:
    """Returns the interval that ``chrom``, ``start`` and ``end`` name, 0-based half-open.

    Raises:
        BadInputError: One of them is missing or no number, or there is nothing between them.
        NotFoundError: There is no such chromosome.
    """
    start, end = asked_integer("start"), asked_integer("end")
    if start >= end:
        raise BadInputError("“start” must be below “end”.")
    return Interval(bundle.reference.resolve(asked_text("chrom")), start, end)


def asked_json(*texts: str) -> dict[str, Any]:
    """Returns the body of a request.

    Args:
        texts: Keys that must be there and hold texts.

    Raises:
        BadInputError: It is not JSON, or one of them is missing.
    """
    try:
        body = request.get_json()
    except (BadRequest, RecursionError):  # of JSON nested too deep
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in texts):
        raise BadInputError(f"The body must be JSON with {' and '.join(f'“{t}”' for t in texts)}.")
    return body


def asked_haplotype(bundle: Bundle, chromosome: str) -> Haplotype | None:
    """Returns what the edits of a request make of a chromosome; None where there are none."""
    texts = [*request.args.getlist("variant"), *request.args.getlist("edit")]
    return haplotype_of(parse_edits("\n".join(texts), bundle), chromosome) if texts else None
