"""LayerRange: text forms, the convention 1..n_layer-1, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.errors import LayerError
from edgesteer.layers import ALL, FIRST_LAYER, LayerRange, as_layers, check_layer

LAYER = st.integers(1, 200)
PERCENT = st.integers(0, 100_000_000).map(lambda millionths: millionths / 1_000_000)
SPANS = st.lists(st.tuples(LAYER, LAYER).map(lambda ends: (min(ends), max(ends))), max_size=5)
BANDS = st.lists(st.tuples(PERCENT, PERCENT).map(lambda ends: (min(ends), max(ends))), max_size=3)


def ranges() -> st.SearchStrategy[LayerRange]:
    pairs = st.tuples(SPANS, BANDS).filter(lambda pair: bool(pair[0] or pair[1]))
    return pairs.map(lambda pair: LayerRange(tuple(pair[0]), tuple(pair[1])))


@pytest.mark.parametrize(
    ("text", "canonical", "layers"),
    [
        ("8", "8", (8,)),
        ("8-16", "8-16", tuple(range(8, 17))),
        (" 8 - 16 ", "8-16", tuple(range(8, 17))),
        ("8,10,12-14", "8,10,12-14", (8, 10, 12, 13, 14)),
        ("12-14,8,9,10,13-15", "8-10,12-15", (8, 9, 10, 12, 13, 14, 15)),
        ("40%-80%", "40%-80%", tuple(range(12, 25))),
        ("40-80%", "40%-80%", tuple(range(12, 25))),
        ("0%-3.4%", "0%-3.4%", (1,)),
        ("33.333334%-100%,1", "1,33.333334%-100%", (1, *range(11, 31))),
        ("all", "all", tuple(range(1, 31))),
        ("ALL", "all", tuple(range(1, 31))),
        ("0%-100%", "all", tuple(range(1, 31))),
        ("5,all", "5,0%-100%", tuple(range(1, 31))),
        ("30", "30", (30,)),
    ],
)
def test_text_forms(text: str, canonical: str, layers: tuple[int, ...]) -> None:
    found = LayerRange.parse(text)
    assert str(found) == canonical
    assert found.resolve(31) == layers


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "8,", "8--9", "-8", "8-", "a", "8-b", "1.5", "40%", "40%-", "8:16", "8..16",
     "1e3", "٣", "9999999", "1-9999999", "+8", "101%-102%", "nan%-5%", "1 2", "8-16-20"],
)  # fmt: skip
def test_bad_text_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(LayerError) as caught:
        LayerRange.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["0", "0-5", "3,0", "00"])
def test_layer_0_is_refused_and_says_why(text: str) -> None:
    with pytest.raises(LayerError, match="layer 0 can not be steered") as caught:
        LayerRange.parse(text)
    assert "block 0" in caught.value.hint


@pytest.mark.parametrize(("text", "cure"), [("16-8", "8-16"), ("80%-40%", "40%-80%")])
def test_a_range_that_runs_backwards_is_refused(text: str, cure: str) -> None:
    with pytest.raises(LayerError, match="backwards") as caught:
        LayerRange.parse(text)
    assert cure in caught.value.hint


@pytest.mark.parametrize("text", ["31", "8-31", "1,40", "999999"])
def test_layers_past_the_model_are_refused(text: str) -> None:
    with pytest.raises(LayerError, match="1 to 30") as caught:
        LayerRange.parse(text).resolve(31)
    assert caught.value.hint


def test_an_empty_band_is_refused() -> None:
    with pytest.raises(LayerError, match="no layer"):
        LayerRange.parse("1%-2%").resolve(5)


@pytest.mark.parametrize("n_layer", [1, 0, -3])
def test_a_model_of_one_layer_can_not_be_steered(n_layer: int) -> None:
    with pytest.raises(LayerError, match="no steerable layer"):
        ALL.resolve(n_layer)


@given(ranges())
def test_text_and_value_are_the_same_thing(layers: LayerRange) -> None:
    assert LayerRange.parse(str(layers)) == layers
    assert hash(LayerRange.parse(str(layers))) == hash(layers)


@given(st.integers(2, 300), PERCENT, PERCENT)
def test_a_band_holds_what_its_definition_says(n_layer: int, one: float, two: float) -> None:
    low, high = sorted((one, two))
    lo, hi = Fraction(round(low * 10**6), 10**6), Fraction(round(high * 10**6), 10**6)
    expected = [n for n in range(1, n_layer) if lo <= Fraction(100 * n, n_layer - 1) <= hi]
    try:
        assert list(LayerRange(bands=((low, high),)).resolve(n_layer)) == expected
    except LayerError:
        assert not expected


@given(st.sets(LAYER, min_size=1))
def test_numbers_come_back(layers: set[int]) -> None:
    assert LayerRange.of(layers).resolve(201) == tuple(sorted(layers))


@given(ranges(), st.integers(202, 400))
def test_resolved_layers_are_steerable_sorted_and_unique(layers: LayerRange, n_layer: int) -> None:
    try:
        found = layers.resolve(n_layer)
    except LayerError:
        return
    assert list(found) == sorted(set(found))
    assert FIRST_LAYER <= found[0] <= found[-1] <= n_layer - 1


def test_anything_that_names_layers_is_taken() -> None:
    expected = LayerRange.parse("3-5")
    assert as_layers("3-5") == expected
    assert as_layers(expected) is expected
    assert as_layers([5, 4, 3, 3]) == expected
    assert as_layers(range(3, 6)) == expected
    assert as_layers(np.array([3, 4, 5])) == expected
    assert as_layers(7) == LayerRange.parse("7")
    assert as_layers(np.int64(7)) == LayerRange.parse("7")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, 1.0, None, [], [0], [-1], [1.5], ["3"], [True], b"3"])
def test_what_names_no_layers_is_refused(value: object) -> None:
    with pytest.raises(LayerError) as caught:
        as_layers(value)  # type: ignore[arg-type]
    assert caught.value.hint


def test_check_layer() -> None:
    assert check_layer(3, 4) == 3
    for layer, n_layer in [(0, None), (-1, None), (4, 4), (1, 1)]:
        with pytest.raises(LayerError):
            check_layer(layer, n_layer)
