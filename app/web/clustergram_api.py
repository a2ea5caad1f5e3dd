"""``/api/v1/clustergram``: a table of scores, ordered and joined by likeness."""

from __future__ import annotations

import math

import numpy as np
from flask import Blueprint, Response

from app.errors import BadInputError, LimitError
from app.web.asked import asked_json

clustergram_api = Blueprint("clustergram", __name__, url_prefix="/api/v1")

#: Most rows and most columns.
MAX_SIDE = 200
#: Share of the height and of the width that the dendrograms take.
DENDROGRAM = 0.14


@clustergram_api.post("/clustergram")
def clustergram() -> Response:
    """Clusters a table by rows and by columns, and returns the figure for plotly.js.

    Distances are Euclidean, clusters are joined by complete linkage, and nothing is standardised.
    """
    asked = asked_json()
    rows, columns = _names(asked.get("rows")), _names(asked.get("columns"))
    values = _numbers(asked.get("values"), len(rows), len(columns))
    # dash-bio takes seconds to import, which no page that has no clustergram should wait for.
    import dash_bio

    # Its components are not used, and Dash would load their scripts on every page from now on.
    dash_bio._js_dist.clear()
    top = max(abs(value) for row in values for value in row)
    figure = dash_bio.Clustergram(
        data=np.array(values),
        row_labels=rows,
        column_labels=columns,
        center_values=False,
        display_range=top,
        display_ratio=DENDROGRAM,
    )
    return Response(figure.to_json(), mimetype="application/json")


def _names(given: object) -> list[str]:
    """Reads the names of one side.

    Raises:
        BadInputError: They are no texts, or fewer than two.
        LimitError: They are too many.
    """
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise BadInputError("“rows” and “columns” are lists of texts.")
    if len(given) < 2:
        raise BadInputError("Two rows and two columns at least can be clustered.")
    if len(given) > MAX_SIDE:
        raise LimitError(f"{len(given):,} are too many to cluster; {MAX_SIDE} is the most.")
    return given


def _numbers(given: object, n_rows: int, n_columns: int) -> list[list[float]]:
    """Reads the values, row by row.

    Raises:
        BadInputError: They are not one finite number for each row and column, or all zero.
    """
    fits = (
        isinstance(given, list)
        and len(given) == n_rows
        and all(isinstance(row, list) and len(row) == n_columns for row in given)
    )
    if not fits or not all(_is_number(value) for row in given for value in row):  # type: ignore[attr-defined]
        raise BadInputError("“values” has one finite number for each row and column.")
    values: list[list[float]] = given  # type: ignore[assignment]
    if not any(value for row in values for value in row):
        raise BadInputError("Every value is 0, so there is nothing to cluster.")
    return values


def _is_number(value: object) -> bool:
    """Tells finite numbers whose squares are finite, too, from all else."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) < 1e100  # type: ignore[arg-type]
