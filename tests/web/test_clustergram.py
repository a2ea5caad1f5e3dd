"""``/api/v1/clustergram`` against scipy, and what it refuses."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from flask.testing import FlaskClient
from scipy.cluster.hierarchy import leaves_list, linkage

ROWS = [f"chr1:{i}:A>G" for i in range(1, 7)]
COLUMNS = ["liver", "brain", "blood", "skin"]


def ask(client: FlaskClient, **table: object):
    return client.post("/api/v1/clustergram", json=table)


def heat_map(figure: dict) -> tuple[np.ndarray, list[str], list[str]]:
    """Returns values, and the names of rows and columns, as they are drawn."""
    [trace] = [one for one in figure["data"] if one["type"] == "heatmap"]
    axes = [
        figure["layout"][trace[f"{which}axis"].replace(which, f"{which}axis")] for which in "yx"
    ]
    z = trace["z"]
    if isinstance(z, dict):
        shape = [int(n) for n in z["shape"].split(",")]
        z = np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"]).reshape(shape)
    return np.array(z), *(list(axis["ticktext"]) for axis in axes)


def test_rows_and_columns_stand_in_the_order_of_their_clusters(client: FlaskClient) -> None:
    values = np.random.default_rng(7).normal(size=(len(ROWS), len(COLUMNS)))
    response = ask(client, rows=ROWS, columns=COLUMNS, values=values.tolist())
    z, rows, columns = heat_map(response.get_json())
    down, across = (leaves_list(linkage(side, "complete")) for side in (values, values.T))
    assert rows == [ROWS[i] for i in down]
    assert columns == [COLUMNS[i] for i in across]
    np.testing.assert_allclose(z, values[np.ix_(down, across)])


def test_pages_load_no_script_of_dash_bio(client: FlaskClient) -> None:
    assert (
        ask(client, rows=["a", "b"], columns=["c", "d"], values=[[1, 2], [3, 4]]).status_code == 200
    )
    scripts = re.findall('<script[^>]* src="([^"]*)"', client.get("/").get_data(as_text=True))
    assert any("dash_core_components" in script for script in scripts)
    assert not [script for script in scripts if "dash_bio" in script]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"rows": ["a"]}, 400, "Two rows and two columns"),
        ({"rows": "ab"}, 400, "lists of texts"),
        ({"columns": [1, 2]}, 400, "lists of texts"),
        ({"columns": [str(i) for i in range(201)]}, 413, "200 is the most"),
        ({"values": [[1, 2]]}, 400, "one finite number"),
        ({"values": [[1, 2], [3]]}, 400, "one finite number"),
        ({"values": [[1, 2], [3, None]]}, 400, "one finite number"),
        ({"values": [[1, 2], [3, True]]}, 400, "one finite number"),
        ({"values": [[1, 2], [3, 1e200]]}, 400, "one finite number"),
        ({"values": [[0, 0], [0, 0]]}, 400, "nothing to cluster"),
    ],
)
def test_what_cannot_be_clustered_is_refused(
    client: FlaskClient, change: dict[str, object], status: int, words: str
) -> None:
    table = {"rows": ["a", "b"], "columns": ["c", "d"], "values": [[1, 2], [3, 4]]}
    response = ask(client, **(table | change))
    assert response.status_code == status
    assert words in response.get_json()["error"]["message"]
