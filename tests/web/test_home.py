"""The pictures on the cards of the first page."""

from __future__ import annotations

import numpy as np
from alphagenome.data.genome import Interval
from dash import html
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle
from app.web.pages.home import PREVIEW_BINS, _picture, _preview_row
from app.web.services import services
from app.web.view import read_view
from tests.web.conftest import RESOLUTION, Worker
from tests.web.test_api import D1, predict


def test_the_card_of_an_edited_view_shows_what_the_edit_does(
    client: FlaskClient, worker: Worker, bundle: Bundle
) -> None:
    start = 43_008
    end = start + PREVIEW_BINS * RESOLUTION  # a bin of the toy is a step of the picture
    at = 45_024
    letters = bundle.reference.fetch(Interval("chr1", start, end))
    ref = letters[at - start]
    alt = "A" if ref in "GC" else "G"
    query = f"genome=toy1&locus=chr1:{start + 1}-{end}&model=toy&track={D1}"
    query += f"&variant=chr1:{at + 1}:{ref}>{alt}"
    predict(client, query, prefetch=False)
    worker.work()
    assert predict(client, query, prefetch=False)["complete"]
    with client.application.test_request_context():
        seen = read_view(query)
        row = _preview_row(seen.rows[0], seen.state, seen.bundle, seen.card, services())
    edited = letters[: at - start] + alt + letters[at - start + 1 :]
    share = np.isin(list(edited), ["G", "C"]).reshape(-1, RESOLUTION).mean(1)
    np.testing.assert_allclose(row.predicted, share, atol=1e-6)


def test_a_card_without_anything_to_draw_says_so_until_there_is(
    client: FlaskClient, worker: Worker
) -> None:
    def picture(query: str) -> html.Img | html.P:
        with client.application.test_request_context():
            seen = read_view(query)
            return _picture(seen.state, seen.bundle, services())

    assert isinstance(picture(f"genome=toy1&locus=chr1:40001-50000&model=toy&track={D1}"), html.Img)
    query = f"genome=toy1&locus=chr2:2001-6000&model=toy&track={D1}"
    before = picture(query)
    assert isinstance(before, html.P)
    assert "open it to predict" in before.children
    predict(client, query, prefetch=False)
    worker.work()
    assert predict(client, query, prefetch=False)["complete"]
    assert isinstance(picture(query), html.Img)
