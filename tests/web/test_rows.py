"""Which rows a view has."""

from __future__ import annotations

from dataclasses import replace

from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.web.rows import (
    FAMILIES,
    LABELS,
    MAX_ROWS,
    ROW_HEIGHT,
    RowStyle,
    all_rows,
    biosamples,
    rows,
    track_groups,
)
from app.web.state import ViewState
from models.card import MODALITIES, ModelCard

LOCUS = Interval("chr1", 0, 1_000)
CD4 = "CD4+ T cells, naive"


def view(**fields: object) -> ViewState:
    return ViewState("toy1", LOCUS, "toy", **fields)


def test_strands_share_a_row_and_measurements_stand_beside_their_prediction(
    bundle: Bundle, card: ModelCard
) -> None:
    row = {row.id: row for row in all_rows(bundle, card)}["toy/CAGE/c1"]
    assert [t.id for t in row.predicted] == ["toy/CAGE/c1/+", "toy/CAGE/c1/-"]
    assert [o.track.id for o in row.observed] == [
        "observed/cage/c1/+",
        "observed/cage/c1/-",
    ]
    assert [(t.strand, o.track.strand) for t, o in row.pairs] == [("+", "+"), ("-", "-")]
    assert (row.strand, row.family, row.height, row.summary) == (
        "+-",
        "transcription",
        ROW_HEIGHT,
        "mean",
    )


def test_every_track_stands_in_exactly_one_row(bundle: Bundle, card: ModelCard) -> None:
    found = all_rows(bundle, card)
    predicted = [t.id for row in found for t in row.predicted]
    observed = [o.track.id for row in found for o in row.observed]
    assert sorted(predicted) == sorted(t.id for t in card.tracks)
    assert sorted(observed) == sorted(bundle.tracks)
    assert len({row.id for row in found}) == len(found)


def test_single_strand_keeps_its_track_id(bundle: Bundle, card: ModelCard) -> None:
    row = next(row for row in all_rows(bundle, card) if row.modality == "SPLICE_SITES")
    assert (row.id, row.strand, row.summary) == ("toy/SPLICE_SITES/donor/+", "+", "max")


def test_measurements_without_a_prediction_have_rows_of_their_own(
    bundle: Bundle, card: ModelCard
) -> None:
    assert {row.id for row in all_rows(bundle, card) if not row.predicted} == {
        "observed/chip_tf/ctcf/."
    }
    alone = all_rows(bundle, None)
    assert [row.id for row in alone] == [
        "observed/dnase/d1/.",
        "observed/cage/c1",
        "observed/chip_tf/ctcf/.",
    ]
    assert all(not row.pairs for row in alone)


def test_second_measurement_of_one_prediction_has_its_own_row(
    bundle: Bundle, card: ModelCard
) -> None:
    first = bundle.tracks["observed/dnase/d1/."]
    second = replace(first, track=replace(first.track, id="observed/again/d1/."))
    twice = replace(bundle, tracks=bundle.tracks | {second.track.id: second})
    by_id = {row.id: row for row in all_rows(twice, card)}
    assert [o.track.id for o in by_id["toy/DNASE/d1/."].observed] == ["observed/dnase/d1/."]
    assert by_id["observed/again/d1/."].predicted == ()


def test_default_rows_are_those_of_the_biosamples_and_of_none(
    bundle: Bundle, card: ModelCard
) -> None:
    shown, notice = rows(view(biosamples=("EFO:0002067",)), bundle, card)
    assert [row.id for row in shown] == [
        "toy/DNASE/d2/.",
        "observed/chip_tf/ctcf/.",
        "toy/SPLICE_SITES/donor/+",
    ]
    assert notice is None


def test_chosen_rows_keep_their_order_and_hidden_ones_are_left_out(
    bundle: Bundle, card: ModelCard
) -> None:
    chosen = ("toy/CAGE/c1", "toy/DNASE/d1/.", "toy/DNASE/d2/.")
    shown, _ = rows(view(tracks=chosen, hidden=("toy/DNASE/d1/.",)), bundle, card)
    assert [row.id for row in shown] == ["toy/CAGE/c1", "toy/DNASE/d2/."]


def test_style_is_that_of_the_view(bundle: Bundle, card: ModelCard) -> None:
    style = RowStyle(height=96, scale="log", summary="max")
    shown, _ = rows(view(biosamples=(CD4,), styles=(("toy/CAGE/c1", style),)), bundle, card)
    assert (shown[0].style, shown[0].height, shown[0].summary) == (style, 96, "max")
    assert shown[1].style == RowStyle()


def test_more_rows_than_fit_are_cut_and_counted(bundle: Bundle, card: ModelCard) -> None:
    one = card.tracks[0]
    many = tuple(replace(one, id=f"toy/DNASE/x{i}/.", name=f"x{i}") for i in range(1_203))
    shown, notice = rows(view(biosamples=("EFO:0001187",)), bundle, replace(card, tracks=many))
    assert [row.id for row in shown] == [t.id for t in many[:MAX_ROWS]]
    # The measurement of d1 belongs to none of these, so it is the 1,204th.
    assert notice == f"Shown are the first {MAX_ROWS} of 1,204 tracks."


def test_groups_follow_the_order_of_modalities(bundle: Bundle, card: ModelCard) -> None:
    groups = track_groups(bundle, card)
    assert {name: len(group) for name, group in groups.items()} == {
        "DNASE": 2,
        "CAGE": 1,
        "CHIP_TF": 1,
        "SPLICE_SITES": 1,
    }
    assert list(groups) == ["DNASE", "CAGE", "CHIP_TF", "SPLICE_SITES"]


def test_biosamples_are_counted_and_those_to_compare_come_first(
    bundle: Bundle, card: ModelCard
) -> None:
    found = biosamples(bundle, card)
    assert [(c.biosample.name, c.predicted, c.observed, c.both) for c in found] == [
        ("HepG2", 1, 1, 1),
        (CD4, 1, 1, 1),
        ("K562", 1, 1, 0),
    ]
    assert found[0].biosample.synonyms == ("Hep G2", "Hep-G2")


def test_every_modality_has_a_family_and_a_label() -> None:
    assert set(FAMILIES) == set(LABELS) == set(MODALITIES)
