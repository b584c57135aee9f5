"""ControlVector: one direction of the residual stream per layer, with where it came from.

Does not know files (gguf_file does) and does not know how it is applied (the engine does).
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesteer.calibration import Calibration
from edgesteer.errors import InputError, LayerError, VectorFileError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import FIRST_LAYER, LayerRange, as_layers, check_layer
from edgesteer.names import check_name
from edgesteer.plain import plain_dict

if TYPE_CHECKING:
    from edgesteer.steering import Steering

__all__ = ["READOUT_KEY", "Calibration", "ControlVector"]

READOUT_KEY = "readout"  #: where `meta` keeps the read-out that was fitted for the vector
Floats = NDArray[np.float32]


class ControlVector:
    """An immutable control vector: float32 directions, all of one width, at layers >= 1.

    directions   {layer: array of shape [n_embd]}; copied to float32, in residual-stream units
    model        the model that it belongs to, None when that is not known
    recommended  the layers to steer when a steering names none; None means all that it carries
    calibration  the usable band of strengths, None when it was not measured
    meta         further facts, plain JSON data (method, token position, hashes, ...)

    Raises LayerError for a layer below 1 or outside the model, VectorFileError for directions that
    are missing, ragged, not 1-D or not finite, VectorMismatchError for a width that is not the
    model's, and InputError for the rest.

    >>> v = ControlVector({1: [0.0, 2.0], 2: [3.0, 0.0]}, name="calm")
    >>> str(v.at("1-2") * 0.5)
    'calm=0.5@1-2'
    """

    __slots__ = (
        "__weakref__",
        "_digest",
        "_directions",
        "_layers",
        "_matrix",
        "_meta",
        "calibration",
        "model",
        "name",
        "recommended",
    )

    name: str
    model: ModelIdentity | None
    recommended: LayerRange | None
    calibration: Calibration | None
    _layers: tuple[int, ...]
    _matrix: Floats
    _directions: Mapping[int, Floats]
    _meta: dict[str, Any]
    _digest: str

    def __init__(
        self,
        directions: Mapping[int, ArrayLike],
        model: ModelIdentity | None = None,
        *,
        name: str = "",
        recommended: LayerRange | str | int | Iterable[int] | None = None,
        calibration: Calibration | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        layers, matrix = _stack(directions)
        if model is not None:
            _check_model(model, layers, matrix.shape[1])
        matrix.setflags(write=False)
        values = {
            "_layers": layers,
            "_matrix": matrix,
            "_directions": MappingProxyType(dict(zip(layers, matrix, strict=True))),
            "_meta": plain_dict(meta or {}, "meta"),
            "_digest": "",
            "name": check_name(name) if name else "",
            "model": model,
            "recommended": None if recommended is None else as_layers(recommended),
            "calibration": calibration,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("a ControlVector does not change: use .with_(...)")

    def __delattr__(self, key: str) -> None:
        raise AttributeError("a ControlVector does not change: use .with_(...)")

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it carries a direction for, ascending."""
        return self._layers

    @property
    def n_embd(self) -> int:
        """The width of the residual stream."""
        return int(self._matrix.shape[1])

    @property
    def matrix(self) -> Floats:
        """All directions, float32 [len(layers), n_embd], one row a layer; read-only, no copy."""
        return self._matrix

    @property
    def directions(self) -> Mapping[int, Floats]:
        """{layer: float32 [n_embd]}, read-only, no copies."""
        return self._directions

    @property
    def meta(self) -> dict[str, Any]:
        """A copy of the further facts."""
        return copy.deepcopy(self._meta)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of layers and directions: equal for what steers equally."""
        if not self._digest:
            head = np.asarray((self.n_embd, *self._layers), "<u4").tobytes()
            data = self._matrix.astype("<f4", copy=False)
            digest = hashlib.sha256(head)
            digest.update(data.reshape(-1).data)
            object.__setattr__(self, "_digest", digest.hexdigest())
        return self._digest

    def norms(self) -> dict[int, float]:
        """The Euclidean norm of each direction."""
        wide = self._matrix.astype(np.float64)
        return dict(zip(self._layers, np.linalg.norm(wide, axis=1).tolist(), strict=True))

    def cosine(self, other: ControlVector) -> dict[int, float]:
        """The cosine to another vector at each layer that both carry; 0.0 where one is zero.

        Raises VectorMismatchError when the widths differ.
        """
        if other.n_embd != self.n_embd:
            raise _widths(self, other)
        found: dict[int, float] = {}
        for layer in sorted(self._directions.keys() & other._directions.keys()):
            a = self._directions[layer].astype(np.float64)
            b = other._directions[layer].astype(np.float64)
            scale = float(np.linalg.norm(a) * np.linalg.norm(b))
            found[layer] = float(np.clip(a @ b / scale, -1.0, 1.0)) if scale else 0.0
        return found

    def dense(self, n_layer: int) -> Floats:
        """A new float32 [n_layer-1, n_embd] buffer, zero where no direction is carried.

        Raises LayerError when it carries a layer that a model with `n_layer` layers lacks.
        """
        LayerRange.of(self._layers).resolve(n_layer)
        buffer = np.zeros((n_layer - 1, self.n_embd), np.float32)
        buffer[np.asarray(self._layers) - FIRST_LAYER] = self._matrix
        return buffer

    def with_(self, **changes: Any) -> ControlVector:
        """A copy with other directions, model, name, recommended, calibration or meta."""
        values: dict[str, Any] = {
            "directions": self._directions,
            "model": self.model,
            "name": self.name,
            "recommended": self.recommended,
            "calibration": self.calibration,
            "meta": self._meta,
        }
        unknown = changes.keys() - values.keys()
        if unknown:
            raise TypeError(f"a ControlVector has no {', '.join(sorted(unknown))}")
        return ControlVector(**(values | changes))

    def renamed(self, name: str) -> ControlVector:
        """The same vector under another name."""
        return self.with_(name=name)

    def scaled(self, factor: float) -> ControlVector:
        """All directions times `factor`; the calibrated band shrinks by it.

        A read-out that is kept with it goes with a negative factor: it would read the other way.
        Raises InputError when the factor is 0 or not finite, VectorFileError on overflow.
        """
        if not math.isfinite(factor) or factor == 0:
            raise InputError(
                f"a vector can not be scaled by {factor}", "take a number other than 0"
            )
        with np.errstate(over="ignore"):
            rows = self._matrix * np.float32(factor)
        band = self.calibration.scaled(factor) if self.calibration else None
        directions = dict(zip(self._layers, rows, strict=True))
        meta = {k: v for k, v in self._meta.items() if factor > 0 or k != READOUT_KEY}
        return self.with_(directions=directions, calibration=band, meta=meta)

    def restricted(self, layers: LayerRange | str | int | Iterable[int]) -> ControlVector:
        """The same vector with the directions of these layers only; nothing else is recommended.

        It is no longer calibrated: a band holds for the layers that it was measured on.
        Percentages are of the model's depth, or of the highest layer when the model is not known.
        Raises LayerError when it carries none of them.
        """
        n_layer = self.model.n_layer if self.model else self._layers[-1] + 1
        wanted = set(as_layers(layers).resolve(n_layer))
        kept = {n: row for n, row in self._directions.items() if n in wanted}
        if not kept:
            raise LayerError(
                f"{self.name or 'the vector'} carries nothing at {as_layers(layers)}",
                f"it carries the layers {LayerRange.of(self._layers)}",
            )
        return self.with_(directions=kept, recommended=None, calibration=None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ControlVector:
        """The vector in a control-vector GGUF file. Raises NotFoundError and VectorFileError."""
        from edgesteer.gguf_file import load_vector

        return load_vector(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a control-vector GGUF file, all or nothing. Raises FileWriteError."""
        from edgesteer.gguf_file import save_vector

        save_vector(self, path)

    def at(self, layers: LayerRange | str | int | Iterable[int]) -> Steering:
        """A steering of strength 1.0 by this vector at these layers."""
        return self._steering(layers=as_layers(layers))

    def _steering(self, strength: float = 1.0, layers: LayerRange | None = None) -> Steering:
        from edgesteer.steering import Steering, Term

        return Steering((Term(self.name or "vector", strength, layers, vector=self),))

    def __mul__(self, factor: float) -> Steering:
        return self._steering() * factor

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Steering:
        return self._steering() / divisor

    def __neg__(self) -> Steering:
        return self._steering(-1.0)

    def __add__(self, other: ControlVector | Steering) -> Steering:
        return self._steering() + other

    def __radd__(self, other: object) -> Steering:
        return self._steering().__radd__(other)

    def __sub__(self, other: ControlVector | Steering) -> Steering:
        return self._steering() - other

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, ControlVector):
            return NotImplemented
        return self.digest == other.digest and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.digest, self.name))

    def __repr__(self) -> str:
        layers, name = LayerRange.of(self._layers), self.name or "unnamed"
        made_for = f", for {self.model}" if self.model else ""
        return f"<ControlVector {name}: layers {layers}, {self.n_embd} wide{made_for}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self._directions), self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "name": self.name,
            "recommended": self.recommended,
            "calibration": self.calibration,
            "meta": self._meta,
        }


def _restore(directions: dict[int, Floats], facts: dict[str, Any]) -> ControlVector:
    return ControlVector(directions, **facts)


def _stack(directions: Mapping[int, ArrayLike]) -> tuple[tuple[int, ...], Floats]:
    """Layers ascending and their directions as one new float32 [k, n_embd], checked."""
    if not directions:
        raise VectorFileError("the vector carries no direction", "it needs one layer at least")
    rows: dict[int, NDArray[Any]] = {}
    for key, value in directions.items():
        layer = check_layer(key)
        try:
            row = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise _bad(layer, f"is no array: {error}", "give float32 numbers") from error
        if row.dtype.kind not in "fiu":
            raise _bad(layer, f"holds {row.dtype}, not numbers", "give float32 numbers")
        if row.ndim != 1 or row.size == 0:
            raise _bad(layer, f"has the shape {row.shape}", "a direction is 1-D, [n_embd]")
        rows[layer] = row
    widths = {row.size for row in rows.values()}
    if len(widths) > 1:
        raise VectorFileError(
            f"the directions have different widths: {', '.join(map(str, sorted(widths)))}",
            "all directions of a vector are as wide as the model's residual stream",
        )
    layers = tuple(sorted(rows))
    with np.errstate(over="ignore"):
        matrix = np.stack([rows[layer] for layer in layers]).astype(np.float32, order="C")
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        layer = layers[int(np.argmin(finite))]
        raise _bad(layer, "holds NaN or infinity", "extract the vector again")
    return layers, matrix


def _bad(layer: int, why: str, hint: str) -> VectorFileError:
    return VectorFileError(f"the direction of layer {layer} {why}", hint)


def _check_model(model: ModelIdentity, layers: tuple[int, ...], width: int) -> None:
    if width != model.n_embd:
        raise VectorMismatchError(
            f"the directions are {width} wide, the model {model} is {model.n_embd} wide",
            "name the model that the directions come from",
        )
    LayerRange.of(layers).resolve(model.n_layer)


def _widths(a: ControlVector, b: ControlVector) -> VectorMismatchError:
    return VectorMismatchError(
        f"{a!r} and {b!r} have different widths", "compare vectors of one model"
    )
