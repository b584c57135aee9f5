"""Hypothesis strategies for the values: names, ranges, vectors, terms and steerings.

Does not know what is tested with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgesteer.calibration import Calibration
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.names import OPERATIONS
from edgesteer.terms import Gate, Term
from edgesteer.vector import ControlVector

MOST_LAYERS = 12

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAMES = st.one_of(
    st.sampled_from(
        ["calm", "my calm", "C:\\x\\calm.gguf", "ablate:x", 'say "hi"', "a=b@c?d", "#2"]
    ),
    st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable() and name.strip()),
)
LAYERS = st.sets(st.integers(1, MOST_LAYERS - 1), min_size=1).map(LayerRange.of)
TEXT = st.text(max_size=20).filter(lambda text: text.isprintable())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | NUMBERS | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FACTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)
BANDS = st.tuples(NUMBERS, NUMBERS).map(sorted)


@st.composite
def vectors(draw: st.DrawFn, elements: st.SearchStrategy[float] = FLOATS) -> ControlVector:
    width = draw(st.integers(1, 6))
    layers = draw(st.sets(st.integers(1, MOST_LAYERS - 1), min_size=1))
    rows = {n: draw(hnp.arrays(np.float32, width, elements=elements)) for n in layers}
    model = draw(
        st.none()
        | st.builds(
            ModelIdentity,
            st.sampled_from(["llama", "qwen2"]),
            st.integers(MOST_LAYERS, 80),
            st.just(width),
            TEXT,
            st.sampled_from(["", "ab" * 32]),
        )
    )
    band = draw(st.none() | BANDS)
    return ControlVector(
        rows,
        model,
        name=draw(st.just("") | NAMES),
        recommended=draw(st.none() | LAYERS | st.just(LayerRange.parse("40%-80%"))),
        calibration=Calibration(*band, draw(FACTS)) if band else None,
        meta=draw(FACTS),
    )


@st.composite
def gates(draw: st.DrawFn) -> Gate:
    threshold, above = draw(NUMBERS), draw(st.booleans())
    scope = draw(st.sampled_from(["last", "mean", "token"]))
    close = None
    if scope == "token" and draw(st.booleans()):
        ends = (None, threshold) if above else (threshold, None)
        close = draw(st.floats(*ends, allow_nan=False, allow_infinity=False))
    hold = draw(st.integers(0, 10**6)) if scope == "token" else 0
    layer, unit = (
        draw(st.none() | st.integers(1, 99)),
        draw(st.sampled_from([None, "score", "raw"])),
    )
    return Gate(draw(NAMES), threshold, layer, above, scope, unit, close, hold)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    operation = draw(st.sampled_from(OPERATIONS))
    window = st.tuples(st.integers(0, 99), st.integers(0, 99)).map(sorted)
    positions = st.one_of(
        st.sampled_from(["all", "prompt", "generated"]),
        st.integers(1, 99).map(lambda n: f"last:{n}"),
        window.map(lambda ends: f"{ends[0]}-{ends[1]}"),
    )
    if operation == "ablate" and draw(st.booleans()):
        layers = draw(st.none() | LAYERS)
        return Term(draw(NAMES), draw(st.floats(0, 1)), layers, "ablate", by="weights")
    values: dict[str, Any] = {
        "strength": draw(st.floats(0, 1) if operation == "ablate" else NUMBERS),
        "layers": draw(st.none() | LAYERS | st.just(LayerRange.parse("all"))),
        "operation": operation,
        "positions": draw(positions),
        "decay": draw(st.none() | st.integers(1, 10**6)),
        "after": draw(st.integers(0, 10**6)),
        "gate": draw(st.none() | gates()),
        "toward": draw(NAMES) if operation == "rotate" else None,
    }
    return Term(draw(NAMES), **values)
