"""Scores of edits, checked by counting letters of two sequences that are written out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from app.errors import BadInputError, LimitError, ReferenceMismatchError
from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.effect_table import COLUMNS, effect_table
from app.inference.effects import EffectScoring
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from models import registry

from .helpers import COLUMNS as CARD_COLUMNS
from .helpers import random_sequence, write_model

LENGTH, BIN = 12_000, 128
LETTERS = random_sequence(LENGTH, seed=23)
#: Input 4,096 bp, output 2,048 bp, centred on the edits.
HALF = 1_024
CENTRE = 6_000
TRACKS = (
    ("CAGE", "starts", ".", 1),
    ("CHIP_TF", "bound", ".", BIN),
    ("RNA_SEQ", "rna", "+", 1),
    ("RNA_SEQ", "rna", "-", 1),
    ("SPLICE_SITES", "donor", "+", 1),
    ("SPLICE_JUNCTIONS", "introns", "+", 1),
    ("CONTACT_MAPS", "pairs", ".", BIN),
)
#: Name, strand, exons of each transcript, 0-based half-open.
GENES = (
    ("WHOLE", "+", [[(5_400, 5_700), (5_900, 6_100), (6_300, 6_400)], [(5_400, 5_800)]]),
    ("MINUS", "-", [[(5_500, 5_600), (6_200, 6_310)]]),
    ("CUT", "+", [[(6_900, 6_950), (7_000, 8_000)]]),
    ("OUTSIDE", "+", [[(4_000, 4_100), (6_000, 6_050)]]),
)


def _gtf() -> str:
    lines = []
    for name, strand, transcripts in GENES:
        for number, exons in enumerate(transcripts):
            tags = f'gene_id "{name}"; gene_name "{name}"; transcript_id "{name}.{number}";'
            span = ("transcript", exons[0][0], exons[-1][1])
            for kind, start, end in (span, *(("exon", *exon) for exon in exons)):
                place = ("c", "t", kind, start + 1, end, ".", strand, ".", tags)
                lines.append("\t".join(map(str, place)))
    return "\n".join(lines) + "\n"


class Scene:
    """A chromosome with genes, and the toy, which counts G and C in each bin of each track."""

    def __init__(self, folder: Path, letters: str = LETTERS) -> None:
        model = folder / "weights" / "toy"
        write_model(model, 4_096, 1_024, (("x", 1),))
        rows = [CARD_COLUMNS.split()]
        for modality, name, strand, resolution in TRACKS:
            row = [f"toy/{modality}/{name}/{strand}", modality, name, strand, str(resolution), "u"]
            rows.append(row + [""] * (len(rows[0]) - len(row)))
        (model / "tracks.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
        settings = Settings(weights=str(folder / "weights"), cache_dir=folder / "cache")
        self.card = registry.cards(settings.weights_dirs)["toy"]
        store = ResultStore(folder / "store", 2**26)
        self.predictions = Predictions(settings, InProcessJobs(Engine(settings)), store)
        genome = folder / "genome"
        genome.mkdir()
        (genome / "r.fa").write_text(f">c\n{letters}\n")
        (genome / "genes.gtf").write_text(_gtf())
        (genome / "genome.toml").write_text(
            '[genome]\nid = "toy"\nname = "Toy"\n[reference]\npath = "r.fa"\n'
            '[genes]\npath = "genes.gtf"\n'
        )
        self.bundle = Bundle.load(genome)

    def prepared(self, text: str, *scorers: str) -> EffectScoring:
        made = parse_edits(text, self.bundle)
        edits = haplotype_of(made, "c")
        assert edits is not None
        return EffectScoring.of(self.card, self.bundle, made, edits, scorers)

    def scores(self, text: str, *scorers: str) -> dict[tuple[str, str, str], float]:
        """Returns scores by measure, track and gene."""
        scoring = self.prepared(text, *scorers)
        for _ in range(2):  # computes, then stores
            assert not scoring.ensure(self.predictions).error
        found = scoring.score(self.predictions)
        return {
            (e.scorer.name, f"{e.track.name}{e.track.strand}", e.gene.symbol if e.gene else ""): (
                e.score
            )
            for e in found
        }


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    toy = tmp_path / "toy"
    toy.mkdir()
    (toy / "behaviour").write_text("fine")
    monkeypatch.setenv("LOCUSCOPE_TOY", str(toy))
    return Scene(tmp_path)


def is_gc(letters: str) -> np.ndarray:
    return np.array([letter in "GC" for letter in letters], float)


def change(at: int) -> str:
    """Returns a base that counts otherwise than the one of the chromosome."""
    return "A" if LETTERS[at] in "GC" else "C"


def the_score(scores: dict[tuple[str, str, str], float], track: str, gene: str = "") -> float:
    [score] = [v for (_, t, g), v in scores.items() if (t, g) == (track, gene)]
    return score


def test_substitution_is_scored_around_itself(scene: Scene) -> None:
    at = CENTRE
    text = f"c:{at + 1}:{LETTERS[at]}>{change(at)}"
    edited = LETTERS[:at] + change(at) + LETTERS[at + 1 :]
    scores = scene.scores(text, "CAGE", "CHIP_TF")
    ref, alt = (is_gc(x)[at - 250 : at + 251].sum() for x in (LETTERS, edited))
    assert the_score(scores, "starts.") == pytest.approx(math.log2((1 + alt) / (1 + ref)), rel=1e-5)
    output = scene.prepared(text).window.output
    assert (output.end - output.start, abs(output.start + HALF - at) <= BIN // 2) == (2_048, True)
    first = (at - output.start) // BIN - 2  # four bins are the first 501 bp and more
    low = output.start + first * BIN
    before, after = (is_gc(x)[low : low + 4 * BIN].sum() / BIN for x in (LETTERS, edited))
    expected = math.log2((1 + after) / (1 + before))
    assert the_score(scores, "bound.") == pytest.approx(expected, rel=1e-4)


def exon_bases(name: str, low: int, high: int) -> list[int]:
    [transcripts] = [t for n, _, t in GENES if n == name]
    bases = {i for exons in transcripts for start, end in exons for i in range(start, end)}
    return sorted(i for i in bases if low <= i < high)


INDELS = {
    "substitution": (6_050, LETTERS[6_050], change(6_050)),
    "insertion": (6_049, LETTERS[6_049], LETTERS[6_049] + "GCGCGGC"),
    "deletion": (6_049, LETTERS[6_049:6_062], LETTERS[6_049]),
}


def edited_values(at: int, ref: str, alt: str, low: int, high: int) -> np.ndarray:
    """GC of the edited chromosome by base of the reference, as the SDK aligns it."""
    made = is_gc(LETTERS[:at] + alt + LETTERS[at + len(ref) :])[low:high].tolist()
    anchor, more = at + min(len(ref), len(alt)) - 1 - low, len(alt) - len(ref)
    if more > 0:
        pooled = max(made[anchor : anchor + more + 1])
        made = made[:anchor] + [pooled] + made[anchor + more + 1 :] + [math.nan] * more
    return np.array((made[: anchor + 1] + [0.0] * max(-more, 0) + made[anchor + 1 :])[: high - low])


@pytest.mark.parametrize("kind", INDELS)
def test_genes_are_scored_over_their_exons_on_their_strand(scene: Scene, kind: str) -> None:
    at, ref, alt = INDELS[kind]
    text = f"c:{at + 1}:{ref}>{alt}"
    output = scene.prepared(text).window.output
    low, high = output.start, output.end
    scores = scene.scores(text, "RNA_SEQ", "RNA_SEQ_ACTIVE", "SPLICE_SITES")
    before, after = is_gc(LETTERS)[low:high], edited_values(at, ref, alt, low, high)
    assert {(t, g) for _, t, g in scores} == {
        *(("rna+", "WHOLE"), ("rna+", "CUT"), ("rna-", "MINUS")),
        *(("donor+", "WHOLE"), ("donor+", "CUT")),
    }, "OUTSIDE starts outside of the window, and strands do not mix"
    for gene, track in (("WHOLE", "rna+"), ("CUT", "rna+"), ("MINUS", "rna-")):
        places = np.array(exon_bases(gene, low, high)) - low
        places = places[np.isfinite(after[places])]
        means = before[places].mean(), after[places].mean()
        lfc = math.log(means[1] + 1e-3) - math.log(means[0] + 1e-3)
        got = {
            name.partition("(")[0]: v
            for (name, t, g), v in scores.items()
            if (t, g) == (track, gene)
        }
        assert got["GeneMaskLFCScorer"] == pytest.approx(lfc, abs=1e-6)
        assert got["GeneMaskActiveScorer"] == pytest.approx(max(means), rel=1e-6)
    assert "CUT" in {g for _, _, g in scores}
    assert exon_bases("CUT", low, high)[-1] == high - 1, "it is cut by the window"
    whole = np.array(exon_bases("WHOLE", low, high)) - low
    largest = np.nanmax(np.abs(after - before)[whole])
    assert the_score(scores, "donor+", "WHOLE") == pytest.approx(largest, abs=1e-6)


def test_masks_are_cut_where_the_chromosome_ends(scene: Scene) -> None:
    at = 40
    scores = scene.scores(f"c:{at + 1}:{LETTERS[at]}>{change(at)}", "CAGE:DIFF_SUM:501")
    assert the_score(scores, "starts.") == pytest.approx(1 if change(at) == "C" else -1)
    far = scene.scores(f"c:{at + 1}:{LETTERS[at]}>{change(at)}", "CAGE:ACTIVE_SUM:501")
    most = max(is_gc(LETTERS)[: at + 251].sum() + n for n in (0, 1 if change(at) == "C" else -1))
    assert the_score(far, "starts.") == pytest.approx(most)


def test_unknown_bases_count_in_neither_allele(tmp_path: Path, scene: Scene) -> None:
    gap = LETTERS[:6_100] + "N" * 50 + LETTERS[6_150:]
    other = Scene(tmp_path / "gap", gap)
    at = CENTRE
    scores = other.scores(f"c:{at + 1}:{LETTERS[at]}>{change(at)}", "CAGE:ACTIVE_MEAN:501")
    known = [i for i in range(at - 250, at + 251) if gap[i] != "N"]
    ref = is_gc(gap)[known].sum()
    most = max(ref, ref + (1 if change(at) == "C" else -1)) / len(known)
    assert the_score(scores, "starts.") == pytest.approx(most, rel=1e-6)


def test_junctions_within_an_edited_gene_are_compared(scene: Scene) -> None:
    """The toy has an intron of 100 bp from each GTA; its value is the number of the last letter."""
    at = next(i for i in range(5_450, 6_200) if LETTERS[i : i + 3] == "GTA")
    last = at + 99
    other = next(letter for letter in "GT" if letter != LETTERS[last])
    scores = scene.scores(f"c:{last + 1}:{LETTERS[last]}>{other}", "SPLICE_JUNCTIONS")
    values = {letter: i + 1e-7 for i, letter in enumerate("ACGT")}
    expected = abs(math.log(values[other]) - math.log(values[LETTERS[last]]))
    lost = [i for i in range(last - 2, last + 1) if LETTERS[i : i + 3] == "GTA"]
    assert not lost
    assert the_score(scores, "introns+", "WHOLE") == pytest.approx(expected, rel=1e-5)


def test_contacts_of_the_edited_bin_are_compared(scene: Scene) -> None:
    at = CENTRE
    text = f"c:{at + 1}:{LETTERS[at]}>{change(at)}"
    output = scene.prepared(text).window.output
    edited = LETTERS[:at] + change(at) + LETTERS[at + 1 :]
    ref, alt = (
        is_gc(x)[output.start : output.end].reshape(-1, BIN).mean(1) for x in (LETTERS, edited)
    )
    row = (at - output.start) // BIN
    pairs = [abs(alt[row] * alt[j] - ref[row] * ref[j]) for j in range(len(ref)) if j != row]
    scores = scene.scores(text, "CONTACT_MAPS")
    assert the_score(scores, "pairs.") == pytest.approx(sum(pairs) / len(pairs), rel=1e-3)


def test_polyadenylation_takes_the_ends_of_transcripts(scene: Scene) -> None:
    at, ref, alt = INDELS["insertion"]
    text = f"c:{at + 1}:{ref}>{alt}"
    output = scene.prepared(text).window.output
    low, high = output.start, output.end
    scores = scene.scores(text, "POLYADENYLATION")
    before, after = is_gc(LETTERS)[low:high], edited_values(at, ref, alt, low, high)
    ratios = [
        after[end - 400 - low : end - low].sum() / before[end - 400 - low : end - low].sum()
        for end in (5_800, 6_400)
    ]
    assert set(scores) == {("PolyadenylationScorer()", "rna+", "WHOLE")}, "MINUS has but one end"
    assert the_score(scores, "rna+", "WHOLE") == pytest.approx(
        abs(math.log2(ratios[0] / ratios[1])), abs=1e-5
    )


def test_several_edits_are_scored_together(scene: Scene) -> None:
    places = (5_950, 6_010)
    text = "\n".join(f"c:{p + 1}:{LETTERS[p]}>{change(p)}" for p in places)
    scores = scene.scores(text, "CAGE:L2_DIFF:501")
    assert the_score(scores, "starts.") == pytest.approx(math.sqrt(2), rel=1e-6)


def test_all_recommended_scorers_of_the_model_are_used_if_none_is_named(scene: Scene) -> None:
    scoring = scene.prepared(f"c:6001:{LETTERS[6_000]}>{change(6_000)}")
    names = {s.requested_output.name for s in scoring.scorers}
    assert names == {modality for modality, *_ in TRACKS}
    assert scoring.tracks == list(scene.card.tracks)
    assert scoring.card.precision == "fp32"


def test_a_wrong_reference_base_is_refused_with_the_right_one(scene: Scene) -> None:
    wrong = next(letter for letter in "ACGT" if letter != LETTERS[6_000])
    with pytest.raises(ReferenceMismatchError, match=f"has {LETTERS[6_000]} at"):
        scene.prepared(f"c:6001:{wrong}>{LETTERS[6_000]}")


def test_edits_wider_than_a_window_are_refused(scene: Scene) -> None:
    texts = (f"c:{p + 1}:{LETTERS[p]}>{change(p)}" for p in (3_000, 6_000))
    with pytest.raises(LimitError, match="Score them one by one"):
        scene.prepared("\n".join(texts))


def test_scorers_of_what_the_model_does_not_predict_are_refused(scene: Scene) -> None:
    with pytest.raises(BadInputError, match="predicts nothing"):
        scene.prepared(f"c:6001:{LETTERS[6_000]}>{change(6_000)}", "ATAC")


def test_table_has_the_columns_of_the_sdk(scene: Scene) -> None:
    scoring = scene.prepared(f"c:6001:{LETTERS[6_000]}>{change(6_000)}")
    for _ in range(2):
        scoring.ensure(scene.predictions)
    found = scoring.score(scene.predictions)
    table = effect_table("v", scoring.window.output, found)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(found)
    rna = table[table.output_type == "RNA_SEQ"]
    assert set(rna.gene_name) <= {"WHOLE", "MINUS", "CUT"}
    assert (rna.gene_strand == rna.track_strand).all()
    introns = table[table.output_type == "SPLICE_JUNCTIONS"]
    assert (introns.junction_End - introns.junction_Start == 100).all()
