"""What is written is what is read: locus, variant, edit and view, for anything that can be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

import pytest
from alphagenome.data.genome import Interval, Variant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import LocuscopeError
from app.genome.catalogue import Bundle, Catalogue
from app.genome.edits import parse_edit, parse_edits, variant_edit
from app.genome.locus import format_interval, format_variant, parse_locus
from app.web.state import from_query
from models.card import ModelCard

T = TypeVar("T")

LENGTH = 100_000
BASES = st.text("ACGT", min_size=1, max_size=12)
quick = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def intervals(draw: st.DrawFn, widest: int = 2_000) -> Interval:
    start = draw(st.integers(0, LENGTH - 1))
    return Interval("chr1", start, draw(st.integers(start + 1, min(start + widest, LENGTH))))


def read_or_refused(read: Callable[[str, Bundle], T], text: str, bundle: Bundle) -> T | None:
    """Returns what is read, or None where it is refused with a sentence."""
    try:
        return read(text, bundle)
    except LocuscopeError as error:
        message = error.message
    assert message[-1] in ".?”"
    return None


@quick
@given(interval=intervals(LENGTH))
def test_locus(interval: Interval, bundle: Bundle) -> None:
    text = format_interval(interval)
    assert parse_locus(text, bundle).interval == interval
    assert format_interval(parse_locus(text, bundle).interval) == text


@quick
@given(start=st.integers(0, LENGTH - 20), width=st.integers(1, 9), alt=BASES)
def test_variant(start: int, width: int, alt: str, bundle: Bundle) -> None:
    ref = bundle.reference.fetch(Interval("chr1", start, start + width))
    if ref == alt:
        return
    variant = Variant("chr1", start + 1, ref, alt)
    for text in (format_variant(variant), variant_edit(variant).text):
        read = parse_locus(text, bundle).variant
        assert read is not None
        assert variant_edit(read).text == variant_edit(variant).text


@st.composite
def edit_texts(draw: st.DrawFn) -> str:
    place = draw(intervals())
    where = f"chr1:{place.start + 1}-{place.end}"
    match draw(st.sampled_from(["del", "inv", "dup", "shuffle", "ins"])):
        case "ins":
            return f"chr1:{place.start + 1}:ins:{draw(BASES)}"
        case "shuffle":
            return f"{where}:shuffle:{draw(st.integers(0, 999))}"
        case kind:
            return f"{where}:{kind}"


@quick
@given(text=edit_texts())
def test_edit(text: str, bundle: Bundle) -> None:
    edit = read_or_refused(parse_edit, text, bundle)
    if edit is None:
        return
    assert parse_edit(edit.text, bundle) == edit
    assert parse_edit(edit.text, bundle).text == edit.text


ANYTHING = st.text(max_size=80) | st.text("chr1:0123456789-,.>ACGTdelinsvup;*²٣ \t\n", max_size=60)


@quick
@given(text=ANYTHING)
def test_whatever_is_typed_is_read_or_refused_with_a_sentence(text: str, bundle: Bundle) -> None:
    for read in (parse_locus, parse_edit, parse_edits):
        read_or_refused(read, text, bundle)


@quick
@given(
    interval=intervals(50_000),
    marked=st.lists(st.tuples(intervals(), st.text("abc é;&=+%/#", max_size=20)), max_size=3),
    words=st.tuples(
        st.sampled_from(["stacked", "overlay", "mirror"]), st.sampled_from(["auto", "dark"])
    ),
)
def test_view(
    interval: Interval,
    marked: list[tuple[Interval, str]],
    words: tuple[str, str],
    catalogue: Catalogue,
    cards: dict[str, ModelCard],
) -> None:
    first, _ = from_query("genome=toy1&model=toy", catalogue, cards)
    query = replace(first, locus=interval, mode=words[0], theme=words[1]).to_query()
    for place, note in marked:
        text = format_interval(place).replace(",", "") + (f";{note}" if note.strip() else "")
        query += "&highlight=" + quote(text)
    state, notices = from_query(query, catalogue, cards)
    assert notices == []
    assert (state.locus, state.mode, state.theme) == (interval, *words)
    again, notices = from_query(state.to_query(), catalogue, cards)
    assert (again, notices) == (state, [])
    assert again.to_query() == state.to_query()


@pytest.mark.parametrize("text", ["chr1:1-" + "9" * 5_000, "9" * 5_000, "chr1:" + "1," * 4_000])
def test_numbers_too_long_for_python_are_refused(text: str, bundle: Bundle) -> None:
    for read in (parse_locus, parse_edit):
        with pytest.raises(LocuscopeError):
            read(text, bundle)
