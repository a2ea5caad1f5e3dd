"""Locuscope: the genome browser for sequence models."""
