"""LayerRange: which layers a steering term acts on, as text, as a value and as numbers.

Does not know models, vectors or files: the number of layers is given to it.

The layer convention of the whole project is stated here and nowhere else:

- Blocks (transformer layers) are counted from 0, as in the model's own weights.
- The direction of layer l is added to the OUTPUT of block l, before block l+1 reads it.
- Layer 0 can not be steered: llama.cpp keeps no vector for it and ignores one without a word.
- The steerable layers of a model with n_layer blocks are therefore 1 .. n_layer-1, both included.
- A full buffer is float32 [n_layer-1, n_embd]; layer l is its row l - FIRST_LAYER.

Text forms, joined by commas where several are wanted:

    8           one layer
    8-16        both ends included
    40%-80%     every layer l with 40 <= 100*l/(n_layer-1) <= 80
    all         every steerable layer
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index

from edgesteer.errors import LayerError

__all__ = ["ALL", "FIRST_LAYER", "LayerRange", "as_layers", "check_layer"]

FIRST_LAYER = 1
"""The lowest layer that can be steered."""

_NUMBER = re.compile(r"[0-9]{1,6}")
_SPAN = re.compile(r"([0-9]{1,6})\s*-\s*([0-9]{1,6})")
_PERCENT = r"([0-9]{1,3}(?:\.[0-9]{1,6})?)"
_BAND = re.compile(rf"{_PERCENT}\s*%?\s*-\s*{_PERCENT}\s*%")
_FORMS = "write 8, 8-16, 40%-80%, 8,10,12-14 or all"
_WHY_NOT_ZERO = (
    "the first steerable layer is 1: a direction is added to the output of its block, and "
    "llama.cpp keeps none for block 0"
)
_MILLION = 1_000_000


@dataclass(frozen=True)
class LayerRange:
    """A set of layers, independent of the model until it is resolved.

    `spans` are (first, last) layer numbers, both included; `bands` are (low, high) percentages of
    depth. Both are sorted and merged, so that equal sets written differently are equal values.

    Raises LayerError for an empty range, a layer below 1, or ends in the wrong order.

    >>> str(LayerRange.parse("14,8,9,10"))
    '8-10,14'
    >>> LayerRange.parse("40%-80%").resolve(11)
    (4, 5, 6, 7, 8)
    """

    spans: tuple[tuple[int, int], ...] = ()
    bands: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not self.spans and not self.bands:
            raise LayerError("the layer range is empty", _FORMS)
        for first, last in self.spans:
            _check_span(first, last)
        for low, high in self.bands:
            _check_band(low, high)
        object.__setattr__(self, "spans", _merge_spans(self.spans))
        bands = ((round(float(low), 6), round(float(high), 6)) for low, high in self.bands)
        object.__setattr__(self, "bands", _merge_bands(bands))

    @classmethod
    def parse(cls, text: str) -> LayerRange:
        """Reads "8-16", "40%-80%", "8,10,12-14" or "all". Raises LayerError."""
        spans: list[tuple[int, int]] = []
        bands: list[tuple[float, float]] = []
        for raw in text.split(","):
            item = raw.strip()
            if item.lower() == "all":
                bands.append((0.0, 100.0))
            elif _NUMBER.fullmatch(item):
                spans.append((int(item), int(item)))
            elif span := _SPAN.fullmatch(item):
                spans.append((int(span[1]), int(span[2])))
            elif band := _BAND.fullmatch(item):
                bands.append((float(band[1]), float(band[2])))
            else:
                raise LayerError(f"{_clip(text)} is not a layer range", _FORMS)
        return cls(tuple(spans), tuple(bands))

    @classmethod
    def of(cls, layers: Iterable[int]) -> LayerRange:
        """The range that holds exactly these layer numbers. Raises LayerError."""
        return cls(tuple((number, number) for number in map(_whole, layers)))

    def __str__(self) -> str:
        if self == ALL:
            return "all"
        spans = [str(a) if a == b else f"{a}-{b}" for a, b in self.spans]
        bands = [f"{_percent(a)}-{_percent(b)}" for a, b in self.bands]
        return ",".join(spans + bands)

    def resolve(self, n_layer: int) -> tuple[int, ...]:
        """The layer numbers in a model with `n_layer` blocks: sorted, unique, never empty.

        Raises LayerError when a number lies outside 1..n_layer-1, or when no layer is left.
        """
        if n_layer < 2:
            raise LayerError(
                f"a model with {n_layer} layer(s) has no steerable layer",
                "use a model with two layers or more",
            )
        last = n_layer - 1
        found: set[int] = set()
        for first, end in self.spans:
            if end > last:
                raise LayerError(
                    f"layer {end} does not exist: the model has layers {FIRST_LAYER} to {last}",
                    f"stay within {FIRST_LAYER}-{last}, or write percentages such as 40%-80%",
                )
            found.update(range(first, end + 1))
        for low, high in self.bands:
            # Whole millionths of a percent: no rounding decides whether a layer is in.
            lo, hi = round(low * _MILLION) * last, round(high * _MILLION) * last
            found.update(n for n in range(FIRST_LAYER, n_layer) if lo <= 100 * n * _MILLION <= hi)
        if not found:
            raise LayerError(
                f"the range {self} holds no layer of a model with {n_layer} layers",
                f"take a wider band, or layer numbers within {FIRST_LAYER}-{last}",
            )
        return tuple(sorted(found))


def as_layers(layers: LayerRange | str | int | Iterable[int]) -> LayerRange:
    """Anything that names layers, as a LayerRange. Raises LayerError."""
    if isinstance(layers, LayerRange):
        return layers
    if isinstance(layers, str):
        return LayerRange.parse(layers)
    if isinstance(layers, Iterable) and not isinstance(layers, (bytes, bytearray)):
        return LayerRange.of(layers)
    return LayerRange.of((_whole(layers),))


def check_layer(layer: int, n_layer: int | None = None) -> int:
    """The layer itself, when it is a steerable one. Raises LayerError.

    Without `n_layer` only the lower end is checked.
    """
    number = _whole(layer)
    LayerRange(((number, number),))
    if n_layer is not None:
        LayerRange(((number, number),)).resolve(n_layer)
    return number


def _check_span(first: int, last: int) -> None:
    if first < FIRST_LAYER or last < FIRST_LAYER:
        raise LayerError(f"layer {min(first, last)} can not be steered", _WHY_NOT_ZERO)
    if first > last:
        raise LayerError(f"the range {first}-{last} runs backwards", f"write {last}-{first}")


def _check_band(low: float, high: float) -> None:
    if not (0 <= low <= 100 and 0 <= high <= 100):
        raise LayerError(f"{low:g}%-{high:g}% leaves 0%-100%", "percentages are shares of depth")
    if low > high:
        raise LayerError(
            f"the range {low:g}%-{high:g}% runs backwards", f"write {high:g}%-{low:g}%"
        )


def _merge_spans(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _merge_bands(bands: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(bands):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _whole(value: object) -> int:
    if not isinstance(value, bool):
        try:
            return index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise LayerError(f"{_clip(value)} is not a layer number", "layer numbers are whole numbers")


def _percent(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") + "%"


def _clip(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


ALL = LayerRange(bands=((0.0, 100.0),))
"""Every steerable layer."""
