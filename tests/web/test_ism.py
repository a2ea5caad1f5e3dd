"""In silico mutagenesis through link and API, against the toy, whose every number is known."""

from __future__ import annotations

import time
from urllib.parse import quote

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.inference.broker import PREFIX
from app.inference.compute import Engine
from app.inference.requests import MotifRequest
from app.web.ism import mask_choices, masks
from app.web.state import from_query
from models import registry
from models.base import SequenceModel

D1 = "toy/DNASE/d1/."


def bases_of(bundle, start, end, chrom="chr1"):
    return bundle.reference.fetch(Interval(chrom, start, end))


def read(query, catalogue, cards):
    return from_query(query, catalogue, cards)


def test_interval_alone_gets_read_out_and_score(catalogue, cards):
    state, notices = read("genome=toy1&ism=chr1:50001-50200", catalogue, cards)
    assert notices == []
    assert state.ism.to_text() == f"chr1:50001-50200;track={D1};mask=chr1:49101-51101;score=lfc"


@pytest.mark.parametrize(
    "text",
    [
        f"chr1:50001-50200;track={D1};mask=chr1:50001-50200;score=difference",
        f"chr1:2001-2100;track={D1};mask=exons:ALPHA;score=lfc;by=gradient;show=heat",
        f"chr1:29951-30000;track={D1};mask=tss:BETA+1;score=lfc;by=gradient;on=alternate",
        "chr1:2001-2001;track=toy/CAGE/c1/-;mask=tss:ALPHA;score=lfc;show=lollipop",
    ],
)
def test_link_survives_a_round_trip(text, catalogue, cards):
    state, notices = read(f"genome=toy1&ism={quote(text)}", catalogue, cards)
    assert notices == []
    assert state.ism.to_text() == text
    again, _ = read(state.to_query(), catalogue, cards)
    assert again.ism == state.ism


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("chr1:50001-50501", "takes 500 bp at most, not 501"),
        ("chr1:50001-50200;track=toy/DNASE/none/.", "no track"),
        ("chr1:50001-50200;score=best", "no score of in silico mutagenesis; it is lfc or"),
        ("chr1:50001-50200;by=magic", "ism, gradient or deeplift"),
        (
            "chr1:50001-50200;by=deeplift",
            "Toy is not explained by DeepLIFT. Choose ism",
        ),
        ("chr1:50001-50200;mask=chr2:1-100", "Both must be on one chromosome"),
        ("chr1:50001-50200;mask=exons:NONE", "no gene"),
        ("nowhere:1-2", "nowhere"),
        ("chr1:99999-200000", "chr1"),
    ],
)
def test_what_cannot_be_read_is_a_notice_and_the_view_stands(text, says, catalogue, cards):
    state, notices = read(f"genome=toy1&ism={quote(text)}", catalogue, cards)
    assert state.ism is None
    assert len(notices) == 1
    assert says in notices[0]


def test_transcribed_tracks_are_read_out_at_the_nearest_gene_of_their_strand(catalogue, cards):
    def mask(track: str, where: str) -> str:
        state, _ = read(f"genome=toy1&ism={quote(f'{where};track={track}')}", catalogue, cards)
        return state.ism.mask

    # GAMMA, plus strand, is the only gene that fits into one window of the toy.
    assert mask("toy/CAGE/c1/+", "chr2:801-900") == "tss:GAMMA"
    assert mask("toy/CAGE/c1/-", "chr2:801-900") == "chr2:1-1851"
    assert mask(D1, "chr2:801-900") == "chr2:1-1851"


TEACHING = registry.cards([])["teaching"]
ARCS = "teaching/SPLICE_JUNCTIONS/neuron-junctions/+"


def read_junction(text, catalogue):
    query = f"genome=toy1&model=teaching&ism={quote(text)}"
    return read(query, catalogue, {TEACHING.id: TEACHING})


def test_junction_is_read_out_at_its_intron(catalogue, bundle):
    """ALPHA's one intron, chr1:2,501-7,500, is the default; any other may be named."""
    state, _ = read_junction(f"chr1:2401-2600;track={ARCS}", catalogue)
    wanted = f"chr1:2401-2600;track={ARCS};mask=junction:2501-7500;score=lfc"
    assert state.ism.to_text() == wanted
    assert masks(state.ism, bundle) == [(2_500, 7_500)]
    assert mask_choices(state.ism, bundle, TEACHING) == [("junction:2501-7500", "chr1:2,501-7,500")]
    named = wanted.replace("2501-", "2601-").replace("lfc", "difference")
    state, _ = read_junction(named, catalogue)
    assert state.ism.to_text() == named
    again, _ = read(state.to_query(), catalogue, {TEACHING.id: TEACHING})
    assert again.ism == state.ism
    assert masks(state.ism, bundle) == [(2_600, 7_500)]
    offered = [mask for mask, _ in mask_choices(state.ism, bundle, TEACHING)]
    assert offered == ["junction:2601-7500", "junction:2501-7500"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"track={ARCS};mask=junction:7500-2501", "Did you mean chr1:2,501-7,500"),
        (f"track={ARCS};mask=junction:0-2501", "chr1"),
        (f"track={ARCS};mask=junction:ALPHA", "junction:START-END"),
        (f"track={ARCS};mask=junction:2501-200000", "chr1 has 100,000 bp"),
        (f"track={ARCS};mask=exons:ALPHA", "at one intron"),
        (f"track={ARCS};mask=chr1:2501-7500", "at one intron"),
        ("track=teaching/ATAC/neuron-ATAC/.;mask=junction:2501-7500", "at one intron"),
        (f"track={ARCS[:-1]}-", "No annotated intron lies near chr1:2,401-2,600"),
    ],
)
def test_what_is_no_junction_is_refused_in_words(text, says, catalogue):
    state, notices = read_junction(f"chr1:2401-2600;{text}", catalogue)
    assert state.ism is None
    assert any(says in notice for notice in notices), notices


def test_view_has_a_row_for_it_on_its_chromosome_alone(client):
    ism = quote(f"chr1:50001-50200;track={D1}")
    seen = client.get(f"/api/v1/view?genome=toy1&locus=chr1:50001-50200&ism={ism}").json
    assert (seen["ism"]["start"], seen["ism"]["end"]) == (50_000, 50_200)
    place = seen["figure"]["geometry"]["ism"]
    assert place["top"] + place["height"] < seen["figure"]["geometry"]["rows"][0]["top"]
    other = client.get(f"/api/v1/view?genome=toy1&locus=chr2:1-200&ism={ism}").json
    assert other["figure"]["geometry"]["ism"] is None
    assert other["ism"] == seen["ism"]


class _Toy(SequenceModel):
    """The toy as a network: the share of G and C in each bin."""

    def load(self, device):
        pass

    def predict(self, one_hot, tracks):
        inner = one_hot[:, 1024:-1024, 1:3].sum(-1).unflatten(1, (-1, 32)).mean(-1)
        return dict.fromkeys((track.id for track in tracks), inner)


@pytest.fixture
def answers(settings, worker, card, monkeypatch):
    """Does what a worker would, with the toy as a network."""
    engine = Engine(settings)
    engine._models["toy"] = _Toy(card, {})

    def work():
        start = f"{PREFIX}job:"
        for key in list(worker.redis.scan_iter(f"{start}*")):
            id_ = key.decode().removeprefix(start)
            claim = worker.desk.claim(id_)
            # Motifs take seconds to compile: tests/inference/test_explanations.py names them.
            if claim is not None and not isinstance(claim.request, MotifRequest):
                arrays = engine.compute(claim.request, claim.sequence)
                worker.desk.finish(id_, "toy", arrays, 0.1)

    return work


def ask(client, query, **more):
    return client.post("/api/v1/ism", json={"query": query, **more})


def computed(client, query, answers):
    """Waits until every base is there, and the motifs are being named."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = ask(client, query).json
        if answer["message"].startswith("Naming motifs"):
            assert not answer["complete"]
            return answer
        answers()
    raise TimeoutError(answer)


def test_effects_are_those_of_the_share_of_g_and_c(client, bundle, answers):
    where, mask = (50_000, 50_040), (49_984, 50_048)  # whole bins of 32 bp
    text = f"chr1:50001-50040;track={D1};mask=chr1:{mask[0] + 1}-{mask[1]};score=lfc"
    answer = computed(client, f"genome=toy1&locus=chr1:50001-50040&ism={quote(text)}", answers)
    bases = bases_of(bundle, *where)
    assert answer["bases"] == bases
    assert answer["places"] == list(range(*where))
    share = np.isin(list(bases_of(bundle, *mask)), ["G", "C"]).mean()
    assert answer["value"] == pytest.approx(share, rel=1e-5)
    is_gc = np.isin(list(bases), ["G", "C"]).astype(float)
    change = (np.array([0, 1, 1, 0])[None] - is_gc[:, None]) / (mask[1] - mask[0])
    wanted = np.log(share + change + 0.001) - np.log(share + 0.001)
    np.testing.assert_allclose(np.array(answer["effects"]), wanted, atol=2e-5)
    np.testing.assert_allclose(answer["contributions"], -wanted.sum(1) / 3, atol=2e-5)
    assert (answer["done"], answer["total"]) == (40, 40)


def test_gradient_of_the_alternate_has_the_places_of_the_reference(client, bundle, answers):
    at = 50_010
    ref = bases_of(bundle, at, at + 1)
    text = (
        f"chr1:50001-50040;track={D1};mask=chr1:49985-50048;score=difference"
        ";by=gradient;on=alternate"
    )
    query = f"genome=toy1&locus=chr1:50001-50040&ism={quote(text)}"
    refused = ask(client, query)
    assert refused.status_code == 400
    assert "There is no edit on this chromosome" in refused.json["error"]["message"]
    answer = computed(client, f"{query}&variant=chr1:{at + 1}:{ref}>{ref}GG", answers)
    bases = bases_of(bundle, 50_000, at + 1) + "GG" + bases_of(bundle, at + 1, 50_040)
    assert answer["bases"] == bases
    assert answer["places"] == [*range(50_000, at + 1), None, None, *range(at + 1, 50_040)]
    assert answer["reference"][11:13] == [None, None]
    # The sum over bins of 32 bp: G or C adds 1/32; less the mean over the four bases, 1/64.
    wanted = np.where(np.isin(list(bases), ["G", "C"]), 1, -1) / 64
    np.testing.assert_allclose(answer["contributions"], wanted, atol=1e-6)


def test_file_of_effects_has_positions_as_people_count_and_says_what_they_are(
    client, bundle, answers
):
    at = 50_010
    ref = bases_of(bundle, at, at + 1)
    text = f"chr1:50001-50020;track={D1};mask=chr1:49985-50048;score=difference;on=alternate"
    query = f"genome=toy1&locus=chr1:50001-50040&ism={quote(text)}"
    query += f"&variant=chr1:{at + 1}:{ref}>{ref}GG"
    early = client.get(f"/api/v1/ism.tsv?{query}")
    assert early.status_code == 429
    assert "0 of 22 bases are computed" in early.json["error"]["message"]
    found = computed(client, query, answers)
    response = client.get(f"/api/v1/ism.tsv?{query}")
    assert response.status_code == 200
    assert "ism.tsv" in response.headers["Content-Disposition"]
    comments, rows = [], []
    for line in response.text.splitlines():
        (comments if line.startswith("#") else rows).append(line)
    for said in (
        "# model: toy",
        f"# read-out: {D1} over chr1:49,985-50,048",
        "# effect: sum minus the sum of the unchanged sequence",
        "# sequence: alternate: chr1:50011",
        "# coordinates: 1-based",
        "# unit: ",
        "# notice: not for clinical use",
    ):
        assert any(line.startswith(said) for line in comments), said
    head, *rows = [row.split("\t") for row in rows]
    assert len(rows) == 22 * 3
    table = [dict(zip(head, row, strict=True)) for row in rows]
    positions = [row["position"] for row in table[::3]]
    assert positions == [*map(str, range(50_001, at + 2)), "", "", *map(str, range(at + 2, 50_021))]
    for i, row in enumerate(table):
        base, change = row["base"], row["changed_to"]
        assert base == found["bases"][i // 3] != change
        # A bin of 32 bp gains or loses the share of one base.
        wanted = ((change in "GC") - (base in "GC")) / 32
        assert float(row["effect"]) == pytest.approx(wanted, abs=1e-5)


def test_no_worker_is_said_and_so_is_a_link_without_a_region(client):
    answer = ask(client, "genome=toy1&locus=chr1:50001-50040&ism=chr1:50001-50040").json
    assert answer["failed"]
    assert not answer["complete"]
    refused = ask(client, "genome=toy1&locus=chr1:50001-50040")
    assert refused.status_code == 400
    assert "names no region" in refused.json["error"]["message"]
    assert client.post("/api/v1/ism", json={}).status_code == 400


def test_matrix_of_jaspar(client):
    """CTCF, MA0139.2, as JASPAR has it: 15 columns, CC before AG at the core."""
    about = client.get("/api/v1/motif?id=MA0139.2").json
    assert about["name"] == "CTCF"
    np.testing.assert_allclose(np.sum(about["frequencies"], axis=1), 1, atol=1e-3)
    best = "".join("ACGT"[i] for i in np.argmax(about["frequencies"], axis=1))
    assert "CCAG" in best or "CTGG" in best
    assert "CC BY 4.0" in about["source"]
    assert client.get("/api/v1/motif?id=../x").status_code == 404
    assert client.get("/api/v1/motif").status_code == 400
