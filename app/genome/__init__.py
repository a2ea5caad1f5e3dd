"""What is known: loci, reference sequence, genes, measured signals, contacts, the catalogue."""
