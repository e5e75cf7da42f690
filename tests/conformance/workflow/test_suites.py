"""Our interpreter plays the public SCXML suites: exactly the tests of the manifest pass.

Every test that is left out stands in the manifest under its reason. A test that begins to pass, or
stops passing, is a difference that somebody has to look at. After a look:
``python -P -m tests.conformance.workflow.test_suites`` writes the names anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from unittest import mock

import pytest
from tests.conformance.workflow.suites import MANIFEST, manifest, verdicts

from engine.workflow import interpreter

SUITES = tuple(manifest()["suites"])
BY_DESIGN = {
    "more-parallel/test10": "a transition to a region of an active parallel state stays inside it",
    "more-parallel/test10b": "a transition to a region of an active parallel state stays inside it",
}
UNDONE = "an error in an expression undoes the whole step"


def played(name: str) -> tuple[list[str], dict[str, list[str]]]:
    """The tests that pass, and the others by reason."""
    passed: list[str] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    # the suites count to a hundred by transitions that follow of themselves; our limit stops there
    with mock.patch.object(interpreter, "MAX_MICROSTEPS", 1_000):
        found = verdicts(manifest()["suites"][name])
    for test, verdict in found.items():
        if verdict == "passed":
            passed.append(test)
        elif verdict.startswith("unsupported: "):
            left_out[verdict.removeprefix("unsupported: ")].append(test)
        else:
            left_out[BY_DESIGN.get(test) or (UNDONE if name == "w3c" else verdict)].append(test)
    return passed, dict(sorted(left_out.items()))


@pytest.mark.parametrize("name", SUITES)
def test_exactly_the_tests_of_the_manifest_pass(name: str) -> None:
    suite = manifest()["suites"][name]
    passed, left_out = played(name)
    assert passed == suite["passed"]
    assert left_out == suite["left_out"]
    assert not [reason for reason in left_out if reason.startswith("failed")]


if __name__ == "__main__":
    document = manifest()
    for name, suite in document["suites"].items():
        suite["passed"], suite["left_out"] = played(name)
    MANIFEST.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
