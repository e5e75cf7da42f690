"""Packs as a whole: definitions, their expressions and workflows checked together; sample data."""

from engine.packs.checks import check_model, check_predicate
from engine.packs.load import check_sources, load_company
from engine.packs.loading import load_samples
from engine.packs.samples import SampleError, generate
from engine.packs.specs import read_spec

__all__ = [
    "SampleError",
    "check_model",
    "check_predicate",
    "check_sources",
    "generate",
    "load_company",
    "load_samples",
    "read_spec",
]
