"""A view and its link are the same thing, whatever the link holds."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
from alphagenome.data.genome import Interval, Variant
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.genome.bundle_file import SuggestedView
from app.genome.catalogue import Bundle, Catalogue
from app.genome.edits import SequenceEdit, variant_edit
from app.web.rows import RowStyle, all_rows, rows
from app.web.state import MAX_QUERY, Highlight, ViewState, default_card, from_query
from app.web.view import View
from models import registry
from models.card import ModelCard


def documented_keys() -> set[str]:
    """The keys of the link, as the table in the documentation has them."""
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    table = text[text.index("| key | value |") : text.index("The scale `log`")]
    return set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


KEYS = sorted(documented_keys())
Read = tuple[ViewState, list[str]]
quick = hypothesis_settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = draw(st.integers(0, 99_998))
    return Interval("chr1", start, draw(st.integers(start + 1, 100_000)))


def styles() -> st.SearchStrategy[RowStyle]:
    return st.builds(
        RowStyle,
        height=st.integers(20, 400),
        color=st.none() | st.from_regex("#[0-9a-f]{6}", fullmatch=True),
        scale=st.sampled_from(["linear", "log", "symlog"]),
        summary=st.sampled_from([None, "mean", "max"]),
        ymax=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    ).filter(lambda style: style != RowStyle())


@st.composite
def views(draw: st.DrawFn, bundle: Bundle, card: ModelCard) -> ViewState:
    ids = [row.id for row in all_rows(bundle, card)]
    keys = ["EFO:0001187", "EFO:0002067", "CD4+ T cells, naive"]

    def some(values: list[str]) -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(values), unique=True)))

    edits: tuple[SequenceEdit, ...] = ()
    if draw(st.booleans()):
        at = draw(st.integers(0, 99_999))
        ref = bundle.reference.fetch(Interval("chr1", at, at + 1))
        alts = ["A", "C", "G", "T", "AC", "GTT"]
        alt = draw(st.sampled_from([bases for bases in alts if bases != ref]))
        edits = (variant_edit(Variant("chr1", at + 1, ref, alt)),)
    # A note is what people type: any text that can be sent at all, blanks and signs included.
    notes = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    return ViewState(
        genome=bundle.id,
        locus=draw(intervals()),
        model=card.id,
        biosamples=some(keys),
        tracks=some(ids),
        hidden=some(ids),
        styles=tuple((i, draw(styles())) for i in some(ids)),
        mode=draw(st.sampled_from(["stacked", "overlay", "mirror"])),
        edits=edits,
        compare=draw(st.sampled_from(["overlay", "difference", "split", "alternate"])),
        highlights=tuple(
            draw(st.lists(st.builds(Highlight, intervals(), notes), max_size=3, unique_by=str))
        ),
        theme=draw(st.sampled_from(["auto", "light", "dark"])),
        autoscale=draw(st.sampled_from(["group", "each", "modality"])),
        strand=draw(st.sampled_from(["forward", "reverse", "both"])),
        frames=draw(st.sampled_from(["shown", "hidden"])),
        genes=draw(st.sampled_from(["longest", "collapsed", "expanded"])),
        ensemble=draw(st.sampled_from(["off", "on"])),
    )


@quick
@given(data=st.data())
def test_link_restores_the_view(
    data: st.DataObject, catalogue: Catalogue, bundle: Bundle, card: ModelCard
) -> None:
    state = data.draw(views(bundle, card))
    query = state.to_query()
    again, notices = from_query(query, catalogue, {card.id: card})
    assert again == state
    assert notices == []
    assert again.to_query() == query
    assert query.isascii()
    assert " " not in query
    assert "+" not in query


@quick
@given(query=st.text(max_size=300))
def test_any_text_gives_a_view(
    query: str, catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, _ = from_query(query, catalogue, cards)
    assert state.genome == "toy1"
    assert 0 <= state.locus.start < state.locus.end


@quick
@given(
    key=st.sampled_from(KEYS),
    value=st.text(alphabet="chr1:-+;=>/.ACGT0123456789%& ,\x00é", max_size=40),
)
def test_any_value_of_a_known_key_gives_a_view(
    key: str, value: str, catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, _ = from_query(f"{key}={value}", catalogue, cards)
    assert from_query(state.to_query(), catalogue, cards) == (state, [])


def read(query: str, catalogue: Catalogue, cards: dict[str, ModelCard]) -> Read:
    return from_query(query, catalogue, cards)


def test_default_view_is_the_middle_of_the_first_piece_as_wide_as_the_model_reads(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, notices = read("", catalogue, cards)
    assert notices == []
    assert state.locus == Interval("chr1", 47_952, 52_048)
    assert state.model == "toy"
    assert state.to_query().startswith(
        "genome=toy1&locus=chr1:47953-52048&model=toy&biosample=EFO:0001187&biosample="
    )


def test_default_biosamples_show_something_of_every_modality(
    catalogue: Catalogue, bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    state, _ = read("", catalogue, cards)
    shown, _ = rows(state, bundle, cards["toy"])
    offered = {row.modality for row in all_rows(bundle, cards["toy"]) if row.biosample}
    assert {row.modality for row in shown if row.biosample} == offered


def test_a_link_that_chooses_nothing_opens_the_first_view_of_the_genome(
    bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    views = (SuggestedView(title="A", link="locus=chr1:101-200&mode=mirror"),)
    catalogue = Catalogue([replace(bundle, views=views)])
    state, notices = read("theme=dark", catalogue, cards)
    assert (state.locus, state.mode, state.theme) == (Interval("chr1", 100, 200), "mirror", "dark")
    assert notices == []
    chosen, _ = read("locus=chr1:1-50", catalogue, cards)
    assert (chosen.locus, chosen.mode) == (Interval("chr1", 0, 50), "stacked")


def test_locus_in_the_link_is_one_based_and_inclusive(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, _ = read("locus=chr1:1-100", catalogue, cards)
    assert (state.locus.start, state.locus.end) == (0, 100)


def test_gene_and_variant_are_read_as_in_the_locus_box(
    catalogue: Catalogue, bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    state, notices = read("locus=GAMMA", catalogue, cards)
    assert notices == []
    assert (state.locus.chromosome, state.locus.start, state.locus.end) == ("chr2", 0, 1_200)
    ref = bundle.reference.fetch(Interval("chr1", 499, 500))
    alt = "A" if ref != "A" else "C"
    state, _ = read(f"locus=chr1-500-{ref}-{alt}", catalogue, cards)
    assert state.edits[0].variant == Variant("chr1", 500, ref, alt)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("locus=!!!", "not a place"),
        ("locus=chr1:2000-1000", "start is after the end"),
        ("locus=chr1:99000-200000", "100,000 bp"),
        ("locus=NOSUCHGENE", "no gene or chromosome"),
        ("locus=chr77:1-5", "chr77"),
        ("genome=mars", "no genome mars"),
        ("model=oracle", "no model “oracle”"),
        ("track=toy/CAGE/c9/%2B", "no track “toy/CAGE/c9/+”"),
        ("biosample=Hep", "no biosample “Hep”"),
        ("variant=chr1:500", "not a variant"),
        ("edit=chr1:500-400:del", "start is after the end"),
        ("edit=chr1:500-600:del&edit=chr1:590-700:inv", "overlap"),
        ("compare=guess", "overlay, difference, split, reference or alternate"),
        ("highlight=chr1:900000-900001", "100,000 bp"),
        ("mode=sideways", "stacked, overlay or mirror"),
        ("theme=pink", "auto, light or dark"),
        ("style=toy/DNASE/d1/.;height=9999", "20 to 800 px"),
        ("style=toy/DNASE/d1/.;height=tall", "not a number"),
        ("style=toy/DNASE/d1/.;color=red", "hexadecimal"),
        ("style=toy/DNASE/d1/.;ymax=nan", "above 0"),
        ("style=toy/DNASE/d1/.;scale=cubic", "linear, log or symlog"),
        ("style=toy/DNASE/d1/.;shape=round", "triangle or square"),
        ("style=toy/DNASE/d1/.;part=left", "predicted, observed or difference"),
        ("anchor=nowhere", "nowhere"),
        ("colour=blue&shape=round", "“colour”, “shape”"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_view_still_stands(
    query: str, words: str, catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, notices = read(query, catalogue, cards)
    assert len(notices) == 1
    assert words in notices[0]
    assert "None" not in notices[0]
    assert "!" not in notices[0].replace("!!!", "")
    default, _ = read("", catalogue, cards)
    assert (state.genome, state.model) == (default.genome, default.model)
    assert state.biosamples == default.biosamples


def test_tracks_that_the_model_lacks_make_one_notice_that_counts_and_names_a_few(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    names = [f"akita/CONTACT_MAPS/cell{i}/." for i in range(5)]
    query = "&".join(f"track={name}" for name in names)
    query += f"&hide={names[4]}&style={names[0]};height=60&biosample=Hep"
    state, notices = read(query, catalogue, cards)
    tracks, biosample = notices
    assert "5 tracks" in tracks
    assert [name in tracks for name in names] == [True, True, True, False, False]
    assert "and 2 more" in tracks
    assert "no biosample “Hep”" in biosample
    default, _ = read("", catalogue, cards)
    assert state.tracks == default.tracks
    _, two = read(f"track={names[0]}&track={names[1]}", catalogue, cards)
    assert two[0].endswith(f": “{names[0]}”, “{names[1]}”.")


def test_the_nearest_reading_of_an_impossible_interval_is_shown(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, notices = read("locus=chr1:99001-200000", catalogue, cards)
    assert state.locus == Interval("chr1", 99_000, 100_000)
    assert "Shown is chr1:99,001-100,000." in notices[0]


def test_edits_are_one_haplotype_from_left_to_right(
    catalogue: Catalogue, bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    ref = bundle.reference.fetch(Interval("chr1", 499, 500))
    alt = "A" if ref != "A" else "G"
    query = f"edit=chr1:9001-9100:inv&edit=chr1:101-200:del&variant=chr1:500:{ref}>{alt}"
    state, notices = read(query, catalogue, cards)
    assert notices == []
    assert [e.kind for e in state.edits] == ["deletion", "variant", "inversion"]
    assert parse_qs(state.to_query())["edit"] == ["chr1:101-200:del", "chr1:9001-9100:inv"]
    assert parse_qs(state.to_query())["variant"] == [f"chr1:500:{ref}>{alt}"]


def test_a_gene_or_variant_that_nobody_asked_for_is_not_shown(
    catalogue: Catalogue, bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    default, _ = read("", catalogue, cards)
    state, notices = read("locus=GAMM", catalogue, cards)
    assert state.locus == default.locus
    assert "GAMMA" in notices[0]
    ref = bundle.reference.fetch(Interval("chr1", 499, 500))
    wrong, alt = [base for base in "ACGT" if base != ref][:2]
    state, notices = read(f"locus=chr1-500-{wrong}-{alt}", catalogue, cards)
    assert state.edits == ()
    assert state.locus == default.locus
    assert f"The reference has {ref}" in notices[0]


def test_later_version_is_said_first(catalogue: Catalogue, cards: dict[str, ModelCard]) -> None:
    state, notices = read("v=7&hologram=1&locus=chr1:11-20", catalogue, cards)
    assert "later version" in notices[0]
    assert "hologram" in notices[1]
    assert state.locus == Interval("chr1", 10, 20)


def test_a_link_too_long_to_read_gives_the_default_view(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, notices = read("locus=chr1:11-20&x=" + "a" * 100_000, catalogue, cards)
    assert "100,019 characters" in notices[0]
    assert f"{MAX_QUERY:,}" in notices[0]
    assert (state, []) == read("", catalogue, cards)


def test_plus_survives_a_mail_programme_that_made_it_a_blank(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    for sign in ("%2B", "+", "%20"):
        state, notices = read(f"genome=toy1&track=toy/SPLICE_SITES/donor/{sign}", catalogue, cards)
        assert notices == []
        assert state.tracks == ("toy/SPLICE_SITES/donor/+",)


def test_a_track_of_a_strand_pair_names_its_row(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, _ = read("track=toy/CAGE/c1/-&track=toy/CAGE/c1/%2B", catalogue, cards)
    assert state.tracks == ("toy/CAGE/c1",)


def test_biosample_is_found_by_name_too(catalogue: Catalogue, cards: dict[str, ModelCard]) -> None:
    state, _ = read("biosample=K562&biosample=EFO:0001187", catalogue, cards)
    assert state.biosamples == ("EFO:0002067", "EFO:0001187")


def test_no_biosample_and_no_model_are_choices(
    catalogue: Catalogue, cards: dict[str, ModelCard]
) -> None:
    state, notices = read("model=&biosample=", catalogue, cards)
    assert (state.model, state.biosamples, notices) == ("", (), [])
    assert read(state.to_query(), catalogue, cards) == (state, [])


def test_model_for_this_assembly_is_preferred(catalogue: Catalogue, card: ModelCard) -> None:
    other = replace(card, id="other", genomes=("mars",))
    state, _ = from_query("", catalogue, {"other": other, "toy": card})
    assert state.model == "toy"
    state, _ = from_query("", catalogue, {"other": other})
    assert state.model == "other"
    state, _ = from_query("", catalogue, {})
    assert state.model == ""


def test_a_link_that_names_tracks_means_their_biosamples(
    catalogue: Catalogue, bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    row = next(r for r in all_rows(bundle, cards["toy"]) if r.biosample)
    assert row.biosample is not None
    state, _ = read(f"track={quote(row.id)}", catalogue, cards)
    assert (state.tracks, state.biosamples) == ((row.id,), (row.biosample.key,))


def test_a_simulated_genome_gets_no_model_of_a_real_one_unless_asked(
    bundle: Bundle, cards: dict[str, ModelCard]
) -> None:
    human = {"human": replace(cards["toy"], id="human", genomes=("hg38",))}
    catalogue = Catalogue([replace(bundle, simulated=True)])
    assert read("", catalogue, human)[0].model == ""
    assert read("model=human", catalogue, human)[0].model == "human"
    assert read("", Catalogue([bundle]), human)[0].model == "human"


#: The key of each field of a view, where that is not its name.
KEY_OF = {
    "biosamples": "biosample",
    "tracks": "track",
    "hidden": "hide",
    "styles": "style",
    "highlights": "highlight",
    "version": "v",
}


def test_every_part_of_a_view_has_a_key_that_is_documented() -> None:
    names = {field.name for field in fields(ViewState)} - {"edits"}
    assert {KEY_OF.get(name, name) for name in names} | {"variant", "edit"} == documented_keys()


def test_simulated_model_reads_a_real_genome_only_if_it_is_asked_for(bundle, cards, catalogue):
    known = registry.cards([])
    assert known["teaching"].simulated
    assert not bundle.simulated
    assert default_card(bundle, {"teaching": known["teaching"]}) is None
    assert default_card(bundle, known | cards).simulated is False
    state, notices = from_query("genome=toy1&model=teaching", catalogue, known)
    assert (state.model, notices) == ("teaching", [])
    assert View(state, bundle, known["teaching"], [], []).simulated
    assert not View(state, bundle, cards["toy"], [], []).simulated
