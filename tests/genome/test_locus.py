from __future__ import annotations

import time
from pathlib import Path

import pytest
from alphagenome.data.genome import Interval, Variant
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import (
    BadInputError,
    LimitError,
    LocuscopeError,
    NotFoundError,
    ReferenceMismatchError,
    SequenceUnavailableError,
)
from app.genome.catalogue import Bundle
from app.genome.locus import (
    GENE_MARGIN,
    POSITION_FLANK,
    Locus,
    format_interval,
    format_position,
    format_width,
    parse_locus,
    parse_region,
)
from tests.genome.made import write_fasta, write_toml

# 10,000 bp in which base 5,001 (1-based) is G and base 5,002 is T; the last 100 are N.
CHR1 = "A" * 5_000 + "GT" + "A" * 4_898 + "N" * 100
GENES = (
    "#NAME\tCHROM\tSTRAND\tTX_START\tTX_END\tEXON_START\tEXON_END\n"
    "ABC1\t1\t+\t1000\t2000\t1000,1800,\t1200,2000,\n"
    "ABC2\t1\t-\t2500\t2600\t2500,\t2600,\n"
    "NKX2-1\t1\t-\t4000\t4100\t4000,\t4100,\n"
    "EDGE\t1\t+\t50\t9950\t50,\t9950,\n"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Two whole chromosomes."""
    folder = tmp_path_factory.mktemp("whole")
    write_fasta(folder / "reference.fa", {"chr1": CHR1, "chrM": "ACGT" * 10})
    (folder / "genes.txt").write_text(GENES)
    return Bundle.load(write_toml(folder, genes={"path": "genes.txt", "format": "spliceai"}))


@pytest.fixture(scope="module")
def hg38(hg38_windows: Path) -> Bundle:
    """Pieces of hg38."""
    return Bundle.load(hg38_windows)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("chr1:1,001-2,000", 1_000, 2_000),
        ("chr1:1001-2000", 1_000, 2_000),
        ("1:1001..2000", 1_000, 2_000),
        ("1:1001...2000", 1_000, 2_000),
        ("CHR1:1001-2000", 1_000, 2_000),
        ("  chr1 : 1001 - 2000\n", 1_000, 2_000),
        ("chr1:1001\u20132000", 1_000, 2_000),
        ("chr1:1001\u22122000", 1_000, 2_000),
        ("chr1:1\u00a0001-2\u202f000", 1_000, 2_000),
        ("chr1:1 001-2 000", 1_000, 2_000),
        ("chr1:1_001-2_000", 1_000, 2_000),
        ("chr1:1'001-2'000", 1_000, 2_000),
        ("chr1 1001-2000", 1_000, 2_000),
        ("chr1-1001-2000", 1_000, 2_000),
        ("chr1:1k-2k", 999, 2_000),
        ("chr1:1.001K-2 kb", 1_000, 2_000),
        ("chr1:0.001M-0.002Mb", 999, 2_000),
        ("chr1:1001bp-2000bp", 1_000, 2_000),
        ("chr1:1-10,000", 0, 10_000),
        ("chr1:10000-10000", 9_999, 10_000),
    ],
)
def test_1_based_intervals(whole: Bundle, text: str, start: int, end: int) -> None:
    found = parse_locus(text, whole)
    assert found == Locus(Interval("chr1", start, end), "interval", found.label)
    assert found.label == f"chr1:{start + 1:,}-{end:,}"


@pytest.mark.parametrize(
    "text", ["chr1 1000 2000", "chr1\t1000\t2000", "1\t1000\t2000\tname\t0\t+", "chr1 1,000 2,000"]
)
def test_three_fields_are_bed_and_count_from_0(whole: Bundle, text: str) -> None:
    found = parse_locus(text, whole)
    assert found.interval == Interval("chr1", 1_000, 2_000)
    assert found.label == "chr1:1,001-2,000 (read as BED, which counts from 0)"


@pytest.mark.parametrize("text", ["chr1:5,001", "1:5001", "chr1 5001", "chr1:5.001k", "chr1:5 001"])
def test_one_position_is_shown_with_what_is_around(whole: Bundle, text: str) -> None:
    found = parse_locus(text, whole)
    assert found.kind == "position"
    assert found.interval == Interval("chr1", 5_000 - POSITION_FLANK, 5_001 + POSITION_FLANK)
    assert found.label == "chr1:5,001, 1 kb around it"


def test_around_a_position_at_the_end_nothing_is_made_up(whole: Bundle) -> None:
    assert parse_locus("chr1:1", whole).interval == Interval("chr1", 0, 1 + POSITION_FLANK)
    assert parse_locus("MT:40", whole).interval == Interval("chrM", 0, 40)


@pytest.mark.parametrize("text", ["chr1", "1", " CHR1 "])
def test_a_whole_chromosome(whole: Bundle, text: str) -> None:
    found = parse_locus(text, whole)
    assert found == Locus(Interval("chr1", 0, 10_000), "chromosome", "all of chr1")


def test_a_gene_has_a_margin_of_a_tenth(whole: Bundle) -> None:
    found = parse_locus("abc1", whole)
    assert found.kind == "gene"
    assert found.gene is not None
    assert found.gene.symbol == "ABC1"
    assert GENE_MARGIN == 0.1
    assert found.interval == Interval("chr1", 900, 2_100)
    assert found.label == "gene ABC1"
    assert parse_locus("NKX2-1", whole).interval == Interval("chr1", 3_990, 4_110)
    assert parse_locus("EDGE", whole).interval == Interval("chr1", 0, 10_000)


@pytest.mark.parametrize(
    "text",
    [
        "chr1-5001-G-C", "1-5001-g-c", "chr1:5001:G>C", "chr1:5,001 G>C", "chr1:5001G>C",
        "chr1:5001:G:C", "chr1_5001_G_C", "chr1 5001 G C", "chr1:g.5001G>C", "chr1:5001-G/C",
    ],
)  # fmt: skip
def test_variants(whole: Bundle, text: str) -> None:
    found = parse_locus(text, whole)
    assert found.kind == "variant"
    assert found.variant == Variant("chr1", 5_001, "G", "C")
    assert found.interval == Interval("chr1", 5_000 - POSITION_FLANK, 5_001 + POSITION_FLANK)
    assert found.label == "variant chr1:5,001 G>C"


def test_indels(whole: Bundle) -> None:
    deletion = parse_locus("chr1-5000-AGT-A", whole)
    assert deletion.variant == Variant("chr1", 5_000, "AGT", "A")
    assert deletion.interval == Interval("chr1", 4_999 - POSITION_FLANK, 5_002 + POSITION_FLANK)
    assert parse_locus("chr1-5001-G-GAAA", whole).variant == Variant("chr1", 5_001, "G", "GAAA")


@pytest.mark.parametrize(
    ("text", "there", "suggestion"),
    [
        ("chr1-5001-T-C", "G", "chr1:5,001 G>C"),
        ("chr1-5000-G-C", "A", "chr1:5,000 A>C"),  # what a 0-based reading would find
        ("chr1-5002-G-C", "T", "chr1:5,002 T>C"),
        ("chr1-5000-GGT-G", "AGT", "chr1:5,000 AGT>G"),
        ("chr1-5001-T-G", "G", None),  # alleles swapped: the suggestion would change nothing
        ("chr1-9999-A-C", "N", None),
    ],
)
def test_a_wrong_ref_is_told_with_the_right_base(
    whole: Bundle, text: str, there: str, suggestion: str | None
) -> None:
    with pytest.raises(ReferenceMismatchError, match=f"The reference has {there} at") as caught:
        parse_locus(text, whole)
    assert caught.value.suggestion == suggestion
    if suggestion:
        assert parse_locus(suggestion, whole).kind == "variant"


def test_hgvs_accessions_belong_to_an_assembly(hg38: Bundle) -> None:
    found = parse_locus("NC_000022.11:g.21750000A>G", hg38)
    assert found.variant == Variant("chr22", 21_750_000, "A", "G")
    with pytest.raises(BadInputError, match=r"NC_000022\.10 is chr22 of hg19.* is hg38"):
        parse_locus("NC_000022.10:g.21750000A>G", hg38)
    with pytest.raises(NotFoundError, match=r"NC_000022\.9 is not known"):
        parse_locus("NC_000022.9:g.21750000A>G", hg38)
    with pytest.raises(BadInputError, match="only substitutions"):
        parse_locus("chr22:g.21750000del", hg38)


@pytest.mark.parametrize(
    ("text", "error", "message", "suggestion"),
    [
        ("", BadInputError, "Type a place", None),
        (" \t ", BadInputError, "Type a place", None),
        ("what is this?", BadInputError, "not a place", None),
        ("chr1:abc-def", BadInputError, "not a place", None),
        ("<script>alert(1)</script>", BadInputError, "not a place", None),
        ("chr1:2000-1000", BadInputError, "start is after the end", "chr1:1,000-2,000"),
        ("chr1 2000 1000", BadInputError, "start is after the end", "chr1:1,000-2,001"),
        ("chr1 1000 1000", BadInputError, "would be empty", None),
        ("chr1:0-1000", BadInputError, "Positions start at 1", "chr1:1-1,000"),
        ("chr1:0", BadInputError, "Positions start at 1", "chr1:1"),
        ("chr1:9000-10001", BadInputError, "chr1 has 10,000 bp", "chr1:9,000-10,000"),
        ("chr1:20000-21000", BadInputError, "chr1 has 10,000 bp", "chr1:9,000-10,000"),
        ("chr1:10001", BadInputError, "chr1 has 10,000 bp", "chr1:10,000"),
        ("chr1-10001-A-G", BadInputError, "chr1 has 10,000 bp", "chr1:10,000"),
        ("chr1:1.00001k-2k", BadInputError, "not a whole number", None),
        ("chr1-5001-G-G", BadInputError, "changes nothing", None),
        ("chr1-5001-G-X", BadInputError, "letters other than", None),
        ("rs12345", BadInputError, "rs numbers are not known", None),
        ("chr11:1-10", NotFoundError, "no chromosome chr11", "chr1"),
        ("Q:1-10", NotFoundError, "no chromosome Q", None),
        ("ABC", NotFoundError, "Did you mean ABC1 or ABC2", "ABC1"),
        ("ABD1", NotFoundError, "Did you mean ABC1", "ABC1"),
        ("ZZZZZZZ", NotFoundError, "is no gene or chromosome of this genome. Try", None),
    ],
)
def test_errors_say_what_is_wrong_and_suggest(
    whole: Bundle, text: str, error: type[LocuscopeError], message: str, suggestion: str | None
) -> None:
    with pytest.raises(error) as caught:
        parse_locus(text, whole)
    assert message in caught.value.message
    assert caught.value.suggestion == suggestion
    assert "!" not in caught.value.message
    assert "None" not in caught.value.message
    if suggestion and error is BadInputError:
        parse_locus(suggestion, whole)


def test_long_texts_are_refused_at_once(whole: Bundle) -> None:
    with pytest.raises(LimitError, match="1,000 characters"):
        parse_locus("A" * 1_001, whole)


@pytest.mark.parametrize(
    "text",
    ["1" * 1_000, "1," * 500, "chr1:" + "1 " * 490, "a:" * 500, "a-" * 500, "1 000" * 200,
     " " * 999 + "x", "chr1:" + "9" * 990, "x" * 1_000, "\u0661" * 500, "A>" * 500, "\ufdfa" * 999],
)  # fmt: skip
def test_hostile_texts_fail_fast(whole: Bundle, text: str) -> None:
    start = time.process_time()
    with pytest.raises(LocuscopeError):
        parse_locus(text, whole)
    assert time.process_time() - start < 1


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_a_place_or_an_error_for_people(whole: Bundle, text: str) -> None:
    try:
        found = parse_locus(text, whole)
    except LocuscopeError as error:
        sentence = error.message
    else:
        sentence = f"Understood as {found.label}."
        assert found.interval.width > 0
    assert sentence.endswith((".", "?"))


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, 9_999), width=st.integers(1, 10_000))
def test_what_is_formatted_reads_back(whole: Bundle, start: int, width: int) -> None:
    interval = Interval("chr1", start, min(start + width, 10_000))
    assert parse_locus(format_interval(interval), whole).interval == interval
    assert parse_region(format_interval(interval).replace(",", "")) == interval
    around = parse_locus(format_position("chr1", start), whole).interval
    assert around.start <= start < around.end


def test_places_outside_the_pieces(hg38: Bundle) -> None:
    """The window of MAPK1 is chr22:21,691,453-21,822,524."""
    edge = parse_locus("chr22:21,691,453-21,822,524", hg38)
    assert edge.interval == Interval("chr22", 21_691_452, 21_822_524)
    for text in ("chr22:21,691,452-21,822,524", "chr22:21,800,000-21,900,000"):
        over = parse_locus(text, hg38)
        assert format_interval(over.interval) == text
        assert over.label.endswith("in part beyond the sequence of this genome")
    for text, suggestion in {
        "chr22:1-100": "chr22:21,691,453-21,822,524",
        "chr22:21,822,525": "chr22:21,691,453-21,822,524",
        "chr5:81,600,000": "chr5:81,403,248-81,534,319",
    }.items():
        with pytest.raises(SequenceUnavailableError, match="does not cover") as caught:
            parse_locus(text, hg38)
        assert caught.value.suggestion == suggestion
    with pytest.raises(BadInputError, match="chr22 has 50,818,468 bp"):
        parse_locus("chr22:50,818,469", hg38)


def test_genes_are_cut_to_the_piece_and_say_so(hg38: Bundle) -> None:
    ypel = parse_locus("YPEL1", hg38)
    assert ypel.gene is not None
    cut = parse_locus("PPIL2", hg38)
    assert cut.interval.start == 21_691_452
    assert cut.label == "gene PPIL2, the part that this genome covers"
    with pytest.raises(SequenceUnavailableError, match=r"TP53 lies at chr17:7,668,402-7,687,538"):
        parse_locus("TP53", hg38)
    with pytest.raises(NotFoundError) as caught:
        parse_locus("TP54", hg38)
    assert caught.value.suggestion == "TP53"


def test_a_chromosome_in_pieces_is_its_first_piece(hg38: Bundle) -> None:
    found = parse_locus("chr1", hg38)
    assert found.interval == Interval("chr1", 1_863_940, 1_995_012)
    assert found.label == "the first of 5 pieces of chr1 that this genome has"
    assert parse_locus("22", hg38).label == "the only piece of chr22 that this genome has"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (1, "1 bp"), (999, "999 bp"), (1_000, "1 kb"), (1_001, "1 kb"), (1_234, "1.23 kb"),
        (131_072, "131 kb"), (999_499, "999 kb"), (999_999, "1 Mb"), (1_200_000, "1.2 Mb"),
        (248_956_422, "249 Mb"), (3_100_000_000, "3,100 Mb"),
    ],
)  # fmt: skip
def test_widths(width: int, text: str) -> None:
    assert format_width(width) == text


@pytest.mark.parametrize(
    "name", ["chr1", "chr1:5-", "chr1:0-5", "chr1:6-5", "HLA-A*01:01", "a:1,0-2"]
)
def test_names_that_are_no_regions(name: str) -> None:
    assert parse_region(name) is None
