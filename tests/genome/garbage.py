"""Feeds damaged files to a reader; run as a program, so that a crash of a library is seen as one.

Usage: python -m tests.genome.garbage READER COUNT. It ends with code 0 if the reader read or
refused, with an error for people, all of them, and prints how many it refused.
"""

from __future__ import annotations

import gzip
import random
import re
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pysam
from alphagenome.data.genome import Interval

from app.errors import LocuscopeError
from app.genome.annotation import read_annotation
from app.genome.cytobands import read_cytobands
from app.genome.marks import Marks
from app.genome.reference import Reference
from app.genome.signals import ObservedTrack
from app.inference.vcf import read_records
from models.card import Track
from tests.genome.made import write_bigwig, write_fasta

LENGTH = 10_000
#: Seconds of processor time and bytes of memory beyond which the program is ended.
SECONDS = 240
MEMORY = 8 * 2**30
FIELDS = (
    *(b"", b"-1", b"0", b"1e9", b"nan", b"inf", b"0x1", b"9" * 20, b"9" * 5_000, b"None", b"*"),
    *(b".", b"\xff\xfe", b"\x00", b"a" * 70_000, "²".encode(), "٣".encode(), b"<b>", b"\t", b"\n"),
)

TEXTS = {
    "bed": "chr1\t100\t200\nchr1\t300\t450\tname\t5\t+\n" * 3,
    "bedpe": "#chr1\tx1\tx2\nchr1\t100\t200\tchr1\t5000\t5100\nchr1\t1\t2\tchr1\t3\t4\tn\t1\n" * 3,
    "bands": "chr1\t0\t4000\tp1\tgneg\nchr1\t4000\t10000\tq1\tgpos50\n",
    "bed12": "chr1\t1000\t9000\tA\t0\t+\t2000\t8000\t0\t2\t1500,1500\t0,6500\n" * 3,
    "gtf": 'chr1\tx\texon\t100\t200\t.\t+\t.\tgene_id "g"; transcript_id "t"; gene_name "G";\n' * 3,
    "gff3": (
        "##gff-version 3\nchr1\tx\tgene\t1\t900\t.\t-\t.\tID=g;Name=G\n"
        "chr1\tx\tmRNA\t1\t900\t.\t-\t.\tID=t;Parent=g\n"
        "chr1\tx\texon\t1\t300\t.\t-\t.\tID=e;Parent=t\n"
    ),
    "spliceai": (
        "#NAME\tCHROM\tSTRAND\tTX_START\tTX_END\tEXON_START\tEXON_END\n"
        "ABC1\t1\t+\t1000\t2000\t1000,1800,\t1200,2000,\n"
    ),
    "vcf": (
        "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=10000>\n"
        '##INFO=<ID=A,Number=1,Type=Integer,Description="a">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "chr1\t100\t.\tA\tC,G\t.\t.\tA=1\nchr1\t200\trs1\tAT\tA\t5\tPASS\t.\n"
    ),
}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Returns a file with one to four faults: of bytes, of fields, of its length."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(7):
            case 0:  # other bytes
                data = data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at + 4 :]
            case 1:  # cut off
                data = data[:at]
            case 2:  # a piece is missing
                data = data[:at] + data[to:]
            case 3:  # a piece comes twice
                data = data[:to] + data[at : at + 200] + data[to:]
            case 4:  # one bit
                data = (
                    data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
                    if (at < len(data))
                    else data
                )
            case _:  # a word
                words = list(re.finditer(rb"[^\t\n ;,=]+", data[:5_000]))
                if words:
                    word = chance.choice(words)
                    data = data[: word.start()] + chance.choice(FIELDS) + data[word.end() :]
    return data


def reader_of(name: str, reference: Reference) -> Callable[[Path], object]:
    """Returns what reads such a file to its end."""
    track = Track("observed/x/x/.", "DNASE", "x", ".", 32, "coverage")

    def bigwig(path: Path) -> None:
        opened = ObservedTrack.open(track, path, reference)
        opened.values(Interval("chr1", 0, 9_984))
        opened.summarise("chr1", 0, LENGTH, 50)

    match name:
        case "vcf":
            pysam.set_verbosity(0)
            return lambda path: [len(record.alts or ()) for record in read_records(path)]
        case "bed":
            return lambda path: Marks.open("domains", "x", path, reference)
        case "bedpe":
            return lambda path: Marks.open("loops", "x", path, reference)
        case "bands":
            return lambda path: read_cytobands(path, reference)
        case "bigwig":
            return bigwig
        case _:
            return lambda path: read_annotation(path, name)  # type: ignore[arg-type]


def main(name: str, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chance = random.Random(name)
    with tempfile.TemporaryDirectory() as folder:
        reference = Reference(write_fasta(Path(folder, "r.fa"), {"chr1": "ACGTA" * (LENGTH // 5)}))
        path = Path(folder, f"x.{'bw' if name == 'bigwig' else name}")
        if name == "bigwig":
            steps = [("chr1", i, i + 32, i / 7) for i in range(0, 9_000, 64)]
            whole = write_bigwig(path, {"chr1": LENGTH}, steps).read_bytes()
        else:
            whole = TEXTS[name].encode()
        read, refused = reader_of(name, reference), 0
        path.write_bytes(whole)
        read(path)  # it can be read where nothing is wrong
        for i in range(count):
            data = damaged(whole, chance)
            zipped = name not in ("bigwig", "vcf") and i % 5 == 0
            place = path.with_name(path.name + ".gz") if zipped else path
            if zipped:
                data = gzip.compress(data, 1)
                data = damaged(data, chance) if i % 10 == 0 else data
            place.write_bytes(data)
            try:
                read(place)
            except LocuscopeError:
                refused += 1
            except BaseException:
                sys.stderr.write(f"{name} {i}: {data[:300]!r}\n")
                raise
    print(refused)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
