"""Builds the genome bundle hg19-chr20 out of the real data folder.

One million bases of hg19 with contacts and domains of GM12878 and the genes of the SpliceAI table::

    python -m tests.realdata.hg19_chr20 OUT_DIR [--realdata DIR]

Akita reads 1,048,576 bp, which is more than there is: the sequence is centred in as many, and what
is missing on either side is N. Its output lies wholly within the million known bases.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from tests.realdata.bundles import build_once, command, gene_table, link, toml

#: The known bases, 0-based half-open, and the piece with N on either side.
KNOWN = (1_000_000, 2_000_000)
PIECE = (975_712, 2_024_288)
CONTACTS = "GM12878_hg19_chr20_25kb.cool"
DOMAINS = "GM12878_hg19_chr20-22_arrowhead_TADs.bed"
PREDICTED = "akita-v1/CONTACT_MAPS/GM12878/."
VIEW = {
    "title": "Contacts predicted and measured on chromosome 20",
    "about": "Akita's contact map of GM12878 from one million bases, and Hi-C of the same cells.",
    "link": link(
        locus="chr20:1041249-1958752",
        model="akita-v1",
        biosample=["EFO:0002784"],
        track=[PREDICTED],
    ),
}


def _sequence(realdata: Path) -> Path:
    return realdata / "sequence" / "hg19_chr20_1000001-2000000.fa.gz"


def _copied(realdata: Path) -> dict[str, Path]:
    """Returns the files that are taken as they are, by their names in the bundle."""
    contacts = {name: realdata / "contacts" / name for name in (CONTACTS, DOMAINS)}
    return contacts | {"genes.tsv": gene_table("grch37")}


def known_bases(realdata: Path) -> str:
    """Returns the sequence of ``KNOWN``."""
    with gzip.open(_sequence(realdata), "rt") as file:
        return file.read().partition("\n")[2].replace("\n", "")


def build(folder: Path, realdata: Path) -> None:
    """Builds the bundle, unless a complete one made of the same things is there already."""
    sources = (Path(__file__), _sequence(realdata), *_copied(realdata).values())
    build_once(folder, sources, lambda made: _write(made, realdata))


def _write(folder: Path, realdata: Path) -> None:
    folder.mkdir(parents=True)
    for name, source in _copied(realdata).items():
        shutil.copyfile(source, folder / name)
    flanks = "N" * (KNOWN[0] - PIECE[0]), "N" * (PIECE[1] - KNOWN[1])
    bases = known_bases(realdata).join(flanks)
    lines = "\n".join(bases[i : i + 60] for i in range(0, len(bases), 60))
    (folder / "reference.fa").write_text(f">chr20:{PIECE[0] + 1}-{PIECE[1]}\n{lines}\n")
    genome = {
        "id": "hg19-chr20",
        "name": "Human hg19, 1 Mb of chr20",
        "assembly": "hg19",
        "organism": "Homo sapiens",
    }
    measured = {
        "path": CONTACTS,
        "name": "GM12878",
        "biosample": "GM12878",
        "curie": "EFO:0002784",
        "synonyms": ["lymphoblastoid cell line"],
        "assay": "in situ Hi-C",
        "predicted": PREDICTED,
    }
    domains = {"path": DOMAINS, "name": "Arrowhead domains", "curie": "EFO:0002784"}
    parts = [
        toml("[genome]", genome),
        toml("[reference]", {"path": "reference.fa"}),
        toml("[genes]", {"path": "genes.tsv", "format": "spliceai"}),
        toml("[[views]]", VIEW),
        toml("[[contacts]]", measured),
        toml("[[domains]]", domains),
    ]
    (folder / "genome.toml").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    command("hg19-chr20", build)()
