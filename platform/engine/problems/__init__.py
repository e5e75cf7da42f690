"""Problems: mistakes of users as values, worded per language from catalogues.

Bottom layer: imports nothing of the engine.
"""

from engine.problems.catalogue import codes, hint, text
from engine.problems.problem import Problem, Severity

__all__ = ["Problem", "Severity", "codes", "hint", "text"]
