"""Errors: the message, the hint that a traceback shows too, copies."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from edgesteer.errors import Cancelled, EdgesteerError, InputError


@pytest.mark.parametrize(
    "error", [InputError("it is wrong", "mend it"), InputError("it is wrong"), Cancelled()]
)
def test_an_error_survives_copying(error: EdgesteerError) -> None:
    for same in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(same) is type(error)
        assert (same.message, same.hint, str(same)) == (error.message, error.hint, str(error))
        assert traceback.format_exception(same) == traceback.format_exception(error)


def test_a_traceback_shows_the_hint_once() -> None:
    shown = "".join(traceback.format_exception(InputError("it is wrong", "mend it")))
    assert shown.endswith("it is wrong\nHint: mend it\n")
    assert "Hint" not in "".join(traceback.format_exception(InputError("it is wrong")))
