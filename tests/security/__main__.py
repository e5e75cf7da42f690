"""`python -m tests.security`: the larger run of the proof page, with its figures.

Arguments are handed on to pytest.
"""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["DOUGONG_SECURITY"] = "full"
    sys.exit(pytest.main(["-q", "-s", "--show-capture=no", "tests/security", *sys.argv[1:]]))
