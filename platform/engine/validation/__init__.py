"""Validation: is this record sound, and what do the rules make of it? Pure, compiled once.

``compile_validator(model, entity, bind)`` gives a Validator; ``check(record, env)`` runs both
phases in their order. Conditions of the schema run in `conditions`, `x-rules` in `rules`.
"""

from engine.validation.rules import Effect
from engine.validation.validator import Checked, Validator, compile_validator

__all__ = ["Checked", "Effect", "Validator", "compile_validator"]
