"""Contact maps as the API gives them: against cooler's own reader, counted letters and numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import cooler
import numpy as np
import pandas as pd
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from app.web.server import create_app
from models import registry
from tests.genome.made import write_fasta, write_toml
from tests.inference.helpers import random_sequence, write_model

LENGTH = 12_000
BIN, WIDTH = 128, 2_048
WHOLE = random_sequence(LENGTH, seed=12)
PREDICTED = "paired/CONTACT_MAPS/pairs/."
#: Bins of the measured matrix, 94 in all, that were not measured.
GONE = (4, 11)
FILE_BIN = 128


def counts() -> np.ndarray:
    n = -(-LENGTH // FILE_BIN)
    i, j = np.triu_indices(n)
    values = np.zeros((n, n), np.int64)
    values[i, j] = np.maximum(0, 400 // (1 + j - i) + (7 * i + 31 * j) % 13 - 6)
    for gone in GONE:
        values[gone] = values[:, gone] = 0
    return values


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with one measured matrix, one loop and one domain."""
    folder = tmp_path_factory.mktemp("paired")
    write_fasta(folder / "reference.fa", {"c": WHOLE})
    bins = cooler.binnify(pd.Series({"c": LENGTH}), FILE_BIN)
    one, other = np.nonzero(counts())
    pixels = pd.DataFrame({"bin1_id": one, "bin2_id": other, "count": counts()[one, other]})
    cooler.create_cooler(str(folder / "c.cool"), bins, pixels)
    (folder / "l.bedpe").write_text("c\t200\t300\tc\t1500\t1600\n")
    (folder / "d.bed").write_text("c\t128\t1024\n")
    contacts = {"path": "c.cool", "name": "c", "balancing": "raw", "predicted": PREDICTED}
    write_toml(folder, contacts=[contacts])
    with (folder / "genome.toml").open("a") as file:
        file.write('[[loops]]\npath = "l.bedpe"\nname = "l"\n')
        file.write('[[domains]]\npath = "d.bed"\nname = "d"\n')
    assert Bundle.load(folder).problems == ()
    return folder


@pytest.fixture
def settings(genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    write_model(tmp_path / "weights" / "p", 4096, 1024, (("pairs", BIN), ("gc", 32)), "paired")
    toy = tmp_path / "toy"
    toy.mkdir()
    (toy / "behaviour").write_text("fine")
    (toy / "calls").write_text("")
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("LOCUSCOPE_TOY", str(toy))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    cache, weights = tmp_path / "cache", str(tmp_path / "weights")
    return Settings(genomes=str(genome), weights=weights, cache_dir=cache, device="cpu")


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return create_app(settings).server.test_client()


def compute(settings: Settings, start: int, end: int, *edits: str) -> None:
    """Predicts a region into the store that the application reads."""
    card = registry.cards(settings.weights_dirs)["paired"]
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    predictions = Predictions(settings, InProcessJobs(Engine(settings)), store)
    bundle = Bundle.load(settings.genome_dirs[0])
    haplotype = haplotype_of(parse_edits("\n".join(edits), bundle), "c") if edits else None
    where = Interval("c", start, end)
    for _ in range(2):
        done = predictions.ensure(card, bundle, where, card.tracks, haplotype=haplotype)
    assert done.finished


class Answer(NamedTuple):
    header: dict[str, Any]
    maps: dict[str, np.ndarray]
    headers: Any

    def about(self, part: str) -> dict[str, Any]:
        return next(one for one in self.header["maps"] if one["part"] == part)


def asked(start: int, end: int, part: str, value: str, **more: str) -> dict[str, str]:
    query = {"genome": "toy", "model": "paired", "row": PREDICTED, "chrom": "c", "part": part}
    return query | {"value": value, "start": str(start), "end": str(end)} | more


def ask(client: FlaskClient, start: int, end: int, part: str, value: str, **more: str) -> Answer:
    query = asked(start, end, part, value, **more)
    response = client.get("/api/v1/contacts", query_string=query)
    assert response.status_code == 200, response.json
    length = int.from_bytes(response.data[:4], "little")
    header = json.loads(response.data[4 : 4 + length])
    assert (4 + length) % 4 == 0
    at, maps = 4 + length, {}
    for one in header["maps"]:
        values = np.frombuffer(response.data, "<f4", one["n"] ** 2, at)
        maps[one["part"]] = values.reshape(one["n"], one["n"])
        at += 4 * one["n"] ** 2
    assert at == len(response.data)
    return Answer(header, maps, response.headers)


def gc(sequence: str, start: int, n: int) -> np.ndarray:
    """Share of G and C in each bin by counting letters."""
    bins = [sequence[start + i * BIN : start + (i + 1) * BIN] for i in range(n)]
    return np.array([sum(b.count(x) for x in "GC") / BIN for b in bins])


def counted(sequence: str, start: int, n: int) -> np.ndarray:
    """What the toy predicts of pairs of bins; nothing of a bin with itself."""
    share = gc(sequence, start, n)
    values = np.outer(share, share)
    np.fill_diagonal(values, np.nan)
    return values


def measured() -> np.ndarray:
    """All counts as a symmetric matrix, without the bins that were not measured."""
    half = counts().astype(float)
    values = half + np.triu(half, 1).T
    values[list(GONE)] = np.nan
    values[:, list(GONE)] = np.nan
    return values


def expected_at_distance() -> np.ndarray:
    """Mean count at the distance of each pair over the whole chromosome."""
    values = measured()
    n = len(values)
    mean = np.array([np.nanmean(np.diagonal(values, d)) for d in range(n)])
    return mean[np.abs(np.subtract.outer(np.arange(n), np.arange(n)))]


@pytest.mark.parametrize(("start", "end"), [(512, 1024), (511, 1024), (512, 1025), (600, 700)])
def test_observed_bins_stand_in_their_places(client: FlaskClient, start: int, end: int) -> None:
    found = ask(client, start, end, "observed", "signal")
    about, values = found.about("observed"), found.maps["observed"]
    first = max(0, start - (end - start)) // FILE_BIN
    last = -(-(end + end - start) // FILE_BIN)
    assert (about["start"], about["bin"], about["n"]) == (first * FILE_BIN, FILE_BIN, last - first)
    np.testing.assert_array_equal(values, measured()[first:last, first:last])
    gone = [g - first for g in GONE if first <= g < last]
    assert np.isnan(values[gone]).all()
    assert np.isfinite(np.delete(values, gone, 0)).any()


def test_observed_over_expected(client: FlaskClient) -> None:
    found = ask(client, 0, 6_000, "observed", "ratio")
    n = found.about("observed")["n"]
    assert n == 94
    with np.errstate(divide="ignore"):
        ratio = np.log2(measured() / expected_at_distance())
    np.testing.assert_allclose(found.maps["observed"], ratio, rtol=1e-5, atol=1e-6)
    assert found.about("observed")["unit"] == "log2 observed/expected"


def test_predicted_as_signal_and_as_ratio(client: FlaskClient, settings: Settings) -> None:
    nothing = ask(client, 300, 1_500, "predicted", "signal")
    assert nothing.header["partial"]
    assert np.isnan(nothing.maps["predicted"]).all()
    assert nothing.headers["Cache-Control"] == "no-cache"
    compute(settings, 0, WIDTH)
    found = ask(client, 300, 1_500, "predicted", "signal", v="1")
    about, values = found.about("predicted"), found.maps["predicted"]
    assert (about["start"], about["bin"]) == (0, BIN)
    assert [0, WIDTH] in about["seen"]
    inside = WIDTH // BIN
    np.testing.assert_allclose(values[:inside, :inside], counted(WHOLE, 0, inside), rtol=1e-5)
    assert np.isnan(values[:inside, inside:]).all(), "no window holds both bins"
    ratio = ask(client, 300, 1_500, "predicted", "ratio").maps["predicted"]
    assert np.isfinite(ratio).any()
    known = np.isfinite(values)
    np.testing.assert_array_equal(np.isfinite(ratio), known)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = values / 2.0**ratio
    for distance in range(1, inside):
        on = np.diagonal(expected, distance)
        on = on[np.isfinite(on)]
        assert np.ptp(on) < 1e-5, "one expected value at a distance"
        pool = [
            np.diagonal(values, d)[np.isfinite(np.diagonal(values, d))]
            for d in range(1, inside)
            if distance / 1.1 <= d <= distance * 1.1
        ]
        assert on[0] == pytest.approx(np.concatenate(pool).mean(), rel=1e-4)


def test_difference_and_agreement(client: FlaskClient, settings: Settings) -> None:
    compute(settings, 0, WIDTH)
    both = ask(client, 300, 1_500, "both", "ratio")
    predicted, observed = both.maps["predicted"], both.maps["observed"]
    shift = (both.about("predicted")["start"] - both.about("observed")["start"]) // BIN
    assert shift == 0
    n = min(len(predicted), len(observed))
    difference = ask(client, 300, 1_500, "difference", "ratio").maps["difference"]
    with np.errstate(invalid="ignore"):
        independent = predicted[:n, :n] - observed[:n, :n]
    np.testing.assert_allclose(difference[:n, :n], independent, rtol=1e-4, atol=1e-5)
    # Bins that lie wholly in view: 384 to 1,408.
    inside = slice(3, 11)
    upper = np.triu_indices(8, 1)
    x, y = predicted[inside, inside][upper], observed[inside, inside][upper]
    known = np.isfinite(x) & np.isfinite(y)
    about = both.header["agreement"]
    assert about["n"] == known.sum() > 10
    assert about["pearson"] == pytest.approx(np.corrcoef(x[known], y[known])[0, 1], abs=1e-4)


def test_marks_of_the_region(client: FlaskClient) -> None:
    header = ask(client, 500, 1_500, "observed", "signal").header
    assert header["loops"] == [{"name": "l", "marks": [[200, 300, 1500, 1600]]}]
    assert header["domains"][0]["name"] == "d"
    assert ask(client, 5_000, 6_000, "observed", "signal").header["loops"] == []


def test_substitution_changes_its_own_bin_alone(client: FlaskClient, settings: Settings) -> None:
    at = 5 * BIN  # the first base of a bin
    base = WHOLE[at]
    other = "A" if base in "GC" else "G"
    variant = f"c:{at + 1}:{base}>{other}"
    compute(settings, 0, WIDTH, variant)
    found = ask(client, 300, 1_500, "predicted", "signal", variant=variant)
    assert [one["part"] for one in found.header["maps"]] == ["reference", "alternate", "change"]
    start = found.about("change")["start"]
    n = WIDTH // BIN
    edited = WHOLE[:at] + other + WHOLE[at + 1 :]
    np.testing.assert_allclose(found.maps["reference"][:n, :n], counted(WHOLE, 0, n), rtol=1e-5)
    np.testing.assert_allclose(found.maps["alternate"][:n, :n], counted(edited, 0, n), rtol=1e-5)
    change = found.maps["change"][:n, :n]
    ratio = np.log2(counted(edited, start, n) / counted(WHOLE, start, n))
    np.testing.assert_allclose(change, ratio, atol=1e-5)
    changed = np.zeros((n, n), bool)
    changed[5] = changed[:, 5] = True
    np.fill_diagonal(changed, False)
    np.testing.assert_array_equal(np.nan_to_num(change) != 0, changed)


@pytest.mark.parametrize("length", [1, 128, 200])
def test_deletion_keeps_what_lies_after_it_in_place(
    client: FlaskClient, settings: Settings, length: int
) -> None:
    at = 7 * BIN + 3
    edit = f"c:{at + 1}-{at + length}:del"
    compute(settings, 0, WIDTH, edit)
    found = ask(client, 300, 1_500, "predicted", "signal", edit=edit)
    reference, change = found.maps["reference"], found.maps["change"]
    touched = range(at // BIN, (at + length - 1) // BIN + 1)
    n = WIDTH // BIN
    away = [i for i in range(n) if i not in touched]
    left = [i for i in away if i < touched[0]]
    right = [i for i in away if i > touched[-1]]
    for group in (left, right):
        block = np.ix_(group, group)
        known = np.isfinite(change[block])
        assert known.sum() >= len(group) * (len(group) - 2)
        np.testing.assert_allclose(change[block][known], 0, atol=1e-5)
        assert np.isfinite(reference[block]).any()


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"row": "paired/CAGE/gc/."}, 400, "no contact map"),
        ({"row": "nothing"}, 404, "no track"),
        ({"part": "left"}, 400, "predicted, observed or difference"),
        ({"value": "count"}, 400, "signal or ratio"),
        ({"end": "500"}, 400, "below"),
        ({"model": "", "row": "observed/contact_maps/c/.", "part": "predicted"}, 400, "predicted"),
        ({"variant": "c:100:N>A"}, 400, ""),
    ],
)
def test_bad_questions(
    client: FlaskClient, change: dict[str, str], status: int, words: str
) -> None:
    query = {"genome": "toy", "model": "paired", "row": PREDICTED, "chrom": "c"}
    response = client.get(
        "/api/v1/contacts", query_string=query | {"start": 500, "end": 900} | change
    )
    assert response.status_code == status
    assert words in response.json["error"]["message"]


def test_answer_is_kept_under_a_version_and_known_by_its_tag(
    client: FlaskClient, settings: Settings
) -> None:
    compute(settings, 0, LENGTH)
    found = ask(client, 300, 1_500, "predicted", "signal", v="1")
    assert not found.header["partial"]
    assert "immutable" in found.headers["Cache-Control"]
    query = asked(300, 1_500, "predicted", "signal", v="1")
    tag = {"If-None-Match": found.headers["ETag"]}
    again = client.get("/api/v1/contacts", query_string=query, headers=tag)
    assert (again.status_code, again.data) == (304, b"")


def test_damaged_matrix_says_so_and_the_prediction_stands(genome: Path, settings: Settings) -> None:
    path = genome / "c.cool"
    whole = path.read_bytes()
    client = create_app(settings).server.test_client()
    compute(settings, 0, WIDTH)
    try:
        path.write_bytes(whole[: len(whole) // 3])
        found = ask(client, 300, 1_500, "both", "ratio")
    finally:
        path.write_bytes(whole)
    assert "damaged" in found.about("observed")["error"]
    assert found.about("predicted")["error"] == ""
    assert np.isfinite(found.maps["predicted"]).any()
    assert found.headers["Cache-Control"] == "no-store"
