"""Edits as people write them, and what they make of the sequence."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from alphagenome.data.genome import Interval

from app.errors import BadInputError, LimitError, LocuscopeError, NotFoundError
from app.errors import ReferenceMismatchError as Mismatch
from app.genome.catalogue import Bundle
from app.genome.edits import (
    MAX_EDITS,
    check_edits,
    haplotype_of,
    parse_edit,
    parse_edits,
)
from app.genome.shuffle import dinucleotide_shuffle
from tests.genome.made import write_fasta, write_toml

LETTERS = "".join(random.Random(4).choices("ACGT", k=30_000))
LETTERS = LETTERS[:99] + "ACCTG" + LETTERS[104:]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("edits")
    write_fasta(folder / "reference.fa", {"chr1": LETTERS, "chr2": LETTERS})
    write_toml(folder, genome={"id": "e", "name": "E"})
    return Bundle.load(folder)


def edited(bundle: Bundle, *texts: str) -> str:
    """The whole of chr1 with these edits."""
    haplotype = haplotype_of([parse_edit(text, bundle) for text in texts], "chr1")
    assert haplotype is not None
    return haplotype.bases(lambda a, b: LETTERS[max(a, 0) : b], 0, len(LETTERS) + haplotype.shift)


def other_strand(bases: str) -> str:
    return bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


CTCF = "TGGCCACCAGGGGGCGCTA"  # what most people quote as the core of the CTCF site


@pytest.mark.parametrize(
    ("text", "canonical", "expected"),
    [
        ("chr1:100:A>G", "chr1:100:A>G", lambda s: s[:99] + "G" + s[100:]),
        ("1-100-A-G", "chr1:100:A>G", lambda s: s[:99] + "G" + s[100:]),
        ("chr1:g.100A>G", "chr1:100:A>G", lambda s: s[:99] + "G" + s[100:]),
        ("chr1\t100\trs1\tA\tG\t50\tPASS\t.", "chr1:100:A>G", lambda s: s[:99] + "G" + s[100:]),
        ("chr1 100 . acc a", "chr1:100:ACC>A", lambda s: s[:100] + s[102:]),
        ("chr1:100:A>ATT", "chr1:100:A>ATT", lambda s: s[:100] + "TT" + s[100:]),
        ("chr1:100:ACC>TTT", "chr1:100:ACC>TTT", lambda s: s[:99] + "TTT" + s[102:]),
        ("chr1:100:ACCT>GGTTT", "chr1:100:ACCT>GGTTT", lambda s: s[:99] + "GGTTT" + s[103:]),
        ("chr1:101-200:del", "chr1:101-200:del", lambda s: s[:100] + s[200:]),
        ("chr1:101-200 delete", "chr1:101-200:del", lambda s: s[:100] + s[200:]),
        ("chr1:g.101_200del", "chr1:101-200:del", lambda s: s[:100] + s[200:]),
        ("1:101..200 DELETION", "chr1:101-200:del", lambda s: s[:100] + s[200:]),
        ("chr1:101:del", "chr1:101-101:del", lambda s: s[:100] + s[101:]),
        (
            "chr1:1,001-1,200:inv",
            "chr1:1001-1200:inv",
            lambda s: s[:1000] + other_strand(s[1000:1200]) + s[1200:],
        ),
        (
            "chr1:1001-1200 duplicate",
            "chr1:1001-1200:dup",
            lambda s: s[:1200] + s[1000:1200] + s[1200:],
        ),
        ("chr1:100 ins ggg", "chr1:100:ins:GGG", lambda s: s[:100] + "GGG" + s[100:]),
        ("chr1:g.100_101insGGG", "chr1:100:ins:GGG", lambda s: s[:100] + "GGG" + s[100:]),
    ],
)
def test_spellings(bundle: Bundle, text: str, canonical: str, expected) -> None:
    edit = parse_edit(text, bundle)
    assert edit.text == canonical
    assert parse_edit(canonical, bundle) == edit
    assert edited(bundle, text) == expected(LETTERS)


def test_shuffle_keeps_dinucleotides_and_is_named_by_its_seed(bundle: Bundle) -> None:
    one, same, other = (
        edited(bundle, f"chr1:2001-2300:shuffle{seed}") for seed in ("", ":1", ":2")
    )
    assert one == same != other
    for made in (one, other):
        assert (made[:2_000], made[2_300:]) == (LETTERS[:2_000], LETTERS[2_300:])
        assert Counter(itertools.pairwise(made)) == Counter(itertools.pairwise(LETTERS))
        assert sum(a != b for a, b in zip(made, LETTERS, strict=True)) > 150
    assert parse_edit("chr1:2001-2300:shuffle", bundle).text == "chr1:2001-2300:shuffle:1"


def test_every_walk_is_drawn_equally_often() -> None:
    """All words with the dinucleotides, first and last letter of one word, by enumeration."""
    word = "AACGAGCA"
    pairs = Counter(itertools.pairwise(word))
    words = {
        "A" + "".join(p) + "A"
        for p in itertools.permutations(word[1:-1])
        if Counter(itertools.pairwise("A" + "".join(p) + "A")) == pairs
    }
    drawn = Counter(dinucleotide_shuffle(word, seed) for seed in range(4_000))
    assert set(drawn) == words
    mean = 4_000 / len(words)
    assert all(abs(n - mean) < 5 * mean**0.5 for n in drawn.values()), drawn


def test_motif_is_inserted_on_either_strand_and_named(bundle: Bundle) -> None:
    plus, minus = (parse_edit(f"chr1:5000:ins:{name}", bundle) for name in ("ctcf", "CTCF-"))
    assert plus.note.startswith("CTCF MA")
    assert CTCF[3:15] in plus.alternate or CTCF[3:15] in minus.alternate
    assert minus.alternate == other_strand(plus.alternate)
    accession = plus.note.split()[1]
    assert parse_edit(f"chr1:5000:ins:{accession}", bundle) == plus
    assert parse_edit(f"chr1:5000:ins:{accession.split('.')[0]}", bundle) == plus
    assert parse_edit(plus.text, bundle) == plus, "the link does not depend on the collection"
    assert plus.label.startswith("CTCF")
    assert plus.label.endswith("inserted after chr1:5,000")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", BadInputError, "Type a variant"),
        ("chr1:100:C>G", Mismatch, "The reference has A at chr1:100, not C."),
        ("chr1:100:A>A", BadInputError, "changes nothing"),
        ("chr1:40000:A>G", BadInputError, "chr1 has 30,000 bp"),
        ("chr1:29990-30005:del", BadInputError, "chr1 has 30,000 bp"),
        ("chr7:100:A>G", NotFoundError, "chr7"),
        ("chr1:100-90:del", BadInputError, "start is after the end"),
        ("chr1:100-200", BadInputError, "not a variant or an edit"),
        ("chr1:100-200:ins:A", BadInputError, "follows one base"),
        ("chr1:100:ins", BadInputError, "Say what to insert"),
        ("chr1:100:ins:NOSUCH", NotFoundError, "neither bases"),
        ("chr1:100-200:del:7", BadInputError, "cannot be read"),
        ("chr1:100-200:shuffle:x", BadInputError, "seed"),
        ("chr1:100-200:shuffle:9999999999999", BadInputError, "seed"),
        ("chr1:101-100:inv", BadInputError, "start is after the end"),
        ("chr1:1-10001:dup", LimitError, "This duplication has 10,001 bp; 10,000 bp"),
        ("chr1 100 . A G,T", BadInputError, "several ALT"),
        ("chr1:100:ins:" + "A" * 10_001, LimitError, "takes 4,000"),
        ("chr1:100:A>" + "A" * 10_001, LimitError, "takes 4,000"),
    ],
)
def test_what_cannot_be_done_is_said(
    bundle: Bundle, text: str, error: type[LocuscopeError], words: str
) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")) as caught:
        parse_edit(text, bundle)
    assert "!" not in caught.value.message


def test_palindrome_cannot_be_inverted(bundle: Bundle) -> None:
    at = LETTERS.index("ACGT")
    with pytest.raises(BadInputError, match="changes nothing"):
        parse_edit(f"chr1:{at + 1}-{at + 4}:inv", bundle)


@pytest.mark.parametrize(
    "texts",
    [
        ("chr1:100:A>G", "chr1:100:A>T"),
        ("chr1:100:A>G", "chr1:50-150:inv"),
        ("chr1:100:ins:A", "chr1:100:ins:C"),
        ("chr1:100:ins:A", "chr1:50-150:del"),
        ("chr1:100:ACC>A", "chr1:101-200:del"),
        ("chr1:100:A>G", "chr1:50-150:dup"),
    ],
)
def test_overlapping_edits_are_refused(bundle: Bundle, texts: tuple[str, ...]) -> None:
    for order in (texts, texts[::-1]):
        with pytest.raises(BadInputError, match="overlap"):
            parse_edits("\n".join(order), bundle)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("chr1:100:A>G", "chr1:101:C>G"), lambda s: s[:99] + "GG" + s[101:]),
        (("chr1:101-200:del", "chr1:200:ins:GG"), lambda s: s[:100] + "GG" + s[200:]),
        (("chr1:100:ins:GG", "chr1:101-200:del"), lambda s: s[:100] + "GG" + s[200:]),
        (
            ("chr1:301-400:inv", "chr1:100:A>ATT", "chr2:100:A>G"),
            lambda s: s[:100] + "TT" + s[100:300] + other_strand(s[300:400]) + s[400:],
        ),
    ],
)
def test_edits_that_touch_or_lie_apart_are_one_haplotype(
    bundle: Bundle, texts: tuple[str, ...], expected
) -> None:
    check_edits(parse_edits("\n".join(texts), bundle))
    assert edited(bundle, *texts) == expected(LETTERS)


def test_vcf_can_be_pasted(bundle: Bundle) -> None:
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\n\nchr1\t100\t.\tA\tG\t.\t.\t.\nchr2\t100\t.\tA\tT\n"
    assert [e.text for e in parse_edits(text, bundle)] == ["chr1:100:A>G", "chr2:100:A>T"]


def test_too_many_edits_are_refused(bundle: Bundle) -> None:
    text = "\n".join(f"chr1:{i}:ins:A" for i in range(1, MAX_EDITS + 2))
    with pytest.raises(LimitError, match="21 edits are too many; 20"):
        parse_edits(text, bundle)


def test_positions_are_found_again(bundle: Bundle) -> None:
    haplotype = haplotype_of(
        [parse_edit(t, bundle) for t in ("chr1:101-110:del", "chr1:200:ins:GGG")], "chr1"
    )
    assert haplotype is not None
    alternate = haplotype.bases(lambda a, b: LETTERS[max(a, 0) : b], 0, 400)
    for position, letter in enumerate(alternate):
        there = haplotype.to_reference(position)
        assert letter == ("G" if there is None else LETTERS[there])
    assert [haplotype.to_reference(p) for p in (99, 100, 189, 190, 192, 193)] == [
        99, 110, 199, None, None, 200,
    ]  # fmt: skip


def test_variant_of_the_sdk_is_kept(bundle: Bundle) -> None:
    variant = parse_edit("chr1:100:ACC>A", bundle).variant
    assert variant is not None
    assert (variant.position, variant.reference_bases, variant.alternate_bases) == (100, "ACC", "A")
    assert bundle.reference.fetch(Interval("chr1", variant.start, variant.end)) == "ACC"
