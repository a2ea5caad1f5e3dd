"""Reading frames of the minus strand against a published protein."""

from pathlib import Path

from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.translation import frames

#: Residues of MAPK1 (UniProt P28482) by the exons from the third to the eighth; codons that an
#: intron cuts are left out.
EXONS = (
    "DLMETDLYKLLKTQHLSNDHICYFLYQILRGLKYIHSANVLHRDLKPSNLLLNTTCDLK",
    "ICDFGLARVADPDHDHTGFLTEYVATRWYRAPEIMLNSK",
    "GYTKSIDIWSVGCILAEMLSNRPIFPGKHYLDQLNHILG",
    "ILGSPSQEDLNCIINLKARNYLLSLPHKNKVPWNRLFPNADSK",
    "ALDLLDKMLTFNPHKRIEVEQALAHPYLEQYYDPSDE",
    "PIAEAPFKFDMELDDLPKEKLKELIFEETARFQPGYRS*",
)


def test_exons_of_mapk1_translate_to_its_protein(hg38_windows: Path) -> None:
    bundle = Bundle.load(hg38_windows)
    (piece,) = bundle.reference.pieces_on("chr22")
    bases = bundle.reference.fetch(Interval("chr22", piece.start, piece.end))
    read = [one.amino_acids[::-1] for one in frames(bases, piece.start, "-")]
    places = []
    for exon in EXONS:
        (protein,) = (one for one in read if exon in one)
        places.append(protein.index(exon))
    # From the right of the chromosome to the left, as the gene lies.
    assert places == sorted(places)
