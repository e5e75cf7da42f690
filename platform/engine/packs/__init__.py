"""Packs as a whole: definitions, their expressions and workflows checked together; sample data."""

from engine.packs.checks import check_model
from engine.packs.load import check_sources, load_company

__all__ = ["check_model", "check_sources", "load_company"]
