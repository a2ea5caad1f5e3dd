"""The band over an ensemble of readings of an edited view, through the routes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle
from tests.web.conftest import RESOLUTION, Worker
from tests.web.test_api import D1, predict, tiles_url
from tests.web.test_tiles import unpack

#: The first base of a bin of the toy, so that an offset of 1 bp moves it to the bin before.
AT = 45_024
START, END = 43_008, 46_080
#: The ways in which a window is read, of which the share of G and C is the same on both strands.
OFFSETS = (0, -1, 1) * 2


def share(letters: str, offset: int) -> np.ndarray:
    """Share of G and C of the bins of the view, read ``offset`` bp to the right of their places."""
    is_gc = np.isin(list(letters[START + offset : END + offset]), ["G", "C"])
    return is_gc.reshape(-1, RESOLUTION).mean(1)


@pytest.fixture
def letters(bundle: Bundle) -> str:
    return bundle.reference.fetch(Interval("chr1", 0, 100_000))


def test_both_alleles_and_their_difference_have_a_band(
    client: FlaskClient, worker: Worker, letters: str
) -> None:
    ref = letters[AT]
    alt = "A" if ref in "GC" else "G"
    variant = f"chr1:{AT + 1}:{ref}>{alt}"
    query = f"genome=toy1&locus=chr1:43009-46080&model=toy&track={D1}&variant={variant}&ensemble=on"
    view = client.get(f"/api/v1/view?{query}&width=1000").json
    assert view["notices"] == []
    assert view["ensemble"] == "on"
    tracks = [edge + of + D1 for edge, of in product(("low:", "high:"), ("", "alt:", "diff:"))]
    url = tiles_url(tracks, bin=1, **{"from": 42, "to": 44}, variant=variant)
    assert not predict(client, query, prefetch=False)["complete"]
    header, arrays = unpack(client.get(url).data)
    assert header["partial"] is True
    assert all(np.isnan(values).all() for values in arrays.values())
    worker.work()
    assert predict(client, query, prefetch=False)["complete"]

    header, arrays = unpack(client.get(url).data)
    assert header["partial"] is False
    edited = letters[:AT] + alt + letters[AT + 1 :]
    reference = np.stack([share(letters, offset) for offset in OFFSETS])
    alternate = np.stack([share(edited, offset) for offset in OFFSETS])
    assert np.ptp(alternate - reference) > 0
    for of, members in (
        ("", reference),
        ("alt:", alternate),
        ("diff:", alternate - reference),
    ):
        mean, sd = members.mean(0), members.std(0, ddof=1)
        for edge, expected in (("low:", mean - sd), ("high:", mean + sd)):
            found = arrays[edge + of + D1].ravel()[::RESOLUTION]
            np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=edge + of)
