"""`edgesteer compare`: the strengths that are really used are held against the calibrated band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgesteer import Library

from .conftest import Invoke

Opened = list[tuple[str, Mapping[str, Any]]]


def test_compare_warns_of_each_column(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    asked = ("compare", "-s", "calm=1", "Rain?", "--strengths")
    for strengths, told in (("3", "calm=3 lies"), ("-2,2", "calm=-2 lies"), ("-1,0,2", "")):
        shown = invoke(*asked, strengths).stderr
        assert shown.count("Warning: ") == bool(told)
        assert told in shown
    assert "Warning" not in invoke("compare", "-s", "calm=9", "Rain?", "--strengths", "0.1").stderr
    assert invoke("compare", "-s", "calm=9", "Rain?").stderr.count("Warning: ") == 1
