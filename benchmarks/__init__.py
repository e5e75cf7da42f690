"""The generated application against a hand-written one, in one interleaved run: ``make bench``."""
