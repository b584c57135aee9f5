"""Readout: a direction used for reading: a score per token, a threshold, its operating point.

Does not know the engine that reads, nor how a read-out is fitted.

A row h of the residual stream behind block `layer` has the score

    (h . direction - centre) / scale

Fitted, the score is 0 halfway between the mean scores of the two sides, +1 at the mean of the
positive side and -1 at that of the negative one. Raw, it is h . u in the units of the residual
stream, with u the vector's direction at unit length: comparable along one text, and nothing more.

A fitted read-out is kept in its vector's file, in `meta["readout"]`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesteer.errors import InputError, LayerError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange, check_layer
from edgesteer.names import check_name
from edgesteer.vector import READOUT_KEY, ControlVector

__all__ = ["OperatingPoint", "Readout", "reading_layer"]

FORMAT = 1
POSITIONS = ("answer", "last", "mean")


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does on texts that it was not chosen on.

    precision and recall are 0 to 1; `false_alarms` is the share of negative texts that pass it. The
    precision holds for as many positive as negative texts as were judged: with rarer positives it
    is lower.
    """

    threshold: float
    precision: float
    recall: float
    false_alarms: float
    n_positive: int
    n_negative: int

    def __post_init__(self) -> None:
        shares = (self.precision, self.recall, self.false_alarms)
        if not all(_is_number(x) and 0 <= x <= 1 for x in shares) or not _is_number(self.threshold):
            raise InputError("an operating point holds no shares of 0 to 1", "fit it again")

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.2f}: recall {self.recall:.2f} of {self.n_positive}, "
            f"false alarms {self.false_alarms:.2f} of {self.n_negative}, "
            f"precision {self.precision:.2f}"
        )


@dataclass(frozen=True, eq=False)
class Readout:
    """A direction used for reading. Make one with `fit_readout`, `Readout.of` or `Readout.raw`.

    name       what it reads, usually its vector's name
    layer      the block whose output is read
    direction  float32 [n_embd], read-only
    centre     the projection that scores 0
    scale      what scores 1 above it; positive
    positions  which tokens it was fitted on: "answer" (mean over an answer), "last" (a prompt's
               last token), "mean" (mean over a prompt); "" when it is raw
    point      its threshold and what that does, None when it is raw
    auroc      on texts that nothing was chosen on: the chance that a positive one scores higher
    model      the model whose residual stream it reads, None when that is not known
    evidence   how it was fitted: plain JSON data

    Raises InputError and LayerError for what makes no sense.
    """

    name: str
    layer: int
    direction: NDArray[np.float32]
    centre: float = 0.0
    scale: float = 1.0
    positions: str = ""
    point: OperatingPoint | None = None
    auroc: float | None = None
    model: ModelIdentity | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_layer(self.layer)
        direction = np.array(self.direction, np.float32)
        if direction.ndim != 1 or not direction.any() or not np.isfinite(direction).all():
            raise InputError(
                f"the read-out {self.name} has no direction to read", "fit it again on its vector"
            )
        direction.setflags(write=False)
        object.__setattr__(self, "direction", direction)
        if not (_is_number(self.centre) and _is_number(self.scale) and self.scale > 0):
            raise InputError(
                f"the read-out {self.name} is centred at {self.centre!r} with the scale "
                f"{self.scale!r}",
                "a centre is a number and a scale a positive one: fit it again",
            )
        if self.positions not in (*POSITIONS, ""):
            raise InputError(
                f"a read-out can not be fitted on {self.positions!r}",
                f"use one of {', '.join(POSITIONS)}",
            )

    def __str__(self) -> str:
        if self.point is None or self.auroc is None:
            return f"at layer {self.layer}, in raw units"
        return f"at layer {self.layer}, AUROC {self.auroc:.2f}; {self.point}"

    @property
    def unit(self) -> str:
        """What a score is counted in: "score" when it is fitted, else "raw"."""
        return "score" if self.point is not None else "raw"

    @property
    def threshold(self) -> float | None:
        """The score at which it fires, None when it is raw."""
        return self.point.threshold if self.point else None

    @property
    def key(self) -> str:
        """Equal for read-outs that give every row the same score."""
        digest = hashlib.sha256(self.direction.astype("<f4").tobytes()).hexdigest()[:32]
        return f"{digest}@{self.layer} {self.centre!r} {self.scale!r}"

    def score(self, rows: ArrayLike) -> NDArray[np.float64]:
        """The scores of rows [..., n_embd] of the residual stream at `layer`: float64 [...]."""
        read = np.asarray(rows, np.float32) @ self.direction
        return (read.astype(np.float64) - self.centre) / self.scale

    def check_fits(self, model: ModelIdentity) -> None:
        """Returns when it reads that model. Raises VectorMismatchError and LayerError."""
        cure = f"fit it on this model: edgesteer monitor {self.name} -m MODEL --fit"
        if len(self.direction) != model.n_embd:
            raise VectorMismatchError(
                f"the read-out {self.name} is {len(self.direction)} wide, the model {model.n_embd}",
                cure,
            )
        if self.layer >= model.n_layer:
            raise LayerError(
                f"the read-out {self.name} reads layer {self.layer} of a model with "
                f"{model.n_layer} layers",
                cure,
            )
        if self.model is not None:
            try:
                model.check_fits(self.model)
            except VectorMismatchError as error:
                raise VectorMismatchError(
                    f"the read-out {self.name} was fitted for another model: {error.message}", cure
                ) from error

    def renamed(self, name: str) -> Readout:
        """The same under another name."""
        return replace(self, name=name)

    # -- where it comes from

    @classmethod
    def raw(cls, vector: ControlVector, layer: int | None = None) -> Readout:
        """A vector's own direction, uncalibrated; without a layer see `reading_layer`.

        Raises LayerError when the vector carries nothing there.
        """
        at = reading_layer(vector) if layer is None else check_layer(layer)
        if at not in vector.directions:
            raise LayerError(
                f"{vector.name or 'the vector'} carries nothing at layer {at}",
                f"it carries the layers {LayerRange.of(vector.layers)}",
            )
        row = vector.directions[at].astype(np.float64)
        norm = float(np.linalg.norm(row))
        return cls(
            name=vector.name or "vector",
            layer=at,
            direction=(row / norm if norm else row).astype(np.float32),
            model=vector.model,
        )

    @classmethod
    def of(cls, vector: ControlVector) -> Readout | None:
        """The read-out that is kept with a vector, None when there is none.

        Raises InputError when it can not be read, or when the vector was turned around since.
        """
        kept = vector.meta.get(READOUT_KEY)
        if kept is None:
            return None
        name = vector.name or "vector"
        found = cls.from_dict(kept, name, vector.model)
        row = vector.directions.get(found.layer)
        if len(found.direction) != vector.n_embd or (
            row is not None and float(row @ found.direction) <= 0
        ):
            raise InputError(
                f"the read-out kept with {name} reads another direction than the vector has now",
                f"fit it again: edgesteer monitor {name} --fit",
            )
        return found

    def kept_with(self, vector: ControlVector) -> ControlVector:
        """The vector with this read-out in its meta, in place of an older one."""
        return vector.with_(meta={**vector.meta, READOUT_KEY: self.to_dict()})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; the direction as base64 of little-endian float32.

        Name and model are the vector's, so they are not repeated.
        """
        return {
            "format": FORMAT,
            "layer": self.layer,
            "direction": base64.b64encode(self.direction.astype("<f4").tobytes()).decode(),
            "centre": self.centre,
            "scale": self.scale,
            "positions": self.positions,
            "point": asdict(self.point) if self.point else None,
            "auroc": self.auroc,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, data: object, name: str, model: ModelIdentity | None = None) -> Readout:
        """The read-out in a dict of `to_dict`. Raises InputError."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise _damaged(name, "its format is not known")
        try:
            raw = base64.b64decode(data["direction"], validate=True)
            point = data["point"]
            known = {key.name for key in fields(OperatingPoint)}
            return cls(
                name=name,
                layer=data["layer"],
                direction=np.frombuffer(raw, "<f4"),
                centre=data["centre"],
                scale=data["scale"],
                positions=data["positions"],
                point=OperatingPoint(**{k: point[k] for k in known}) if point else None,
                auroc=data["auroc"],
                model=model,
                evidence=dict(data["evidence"]),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise _damaged(name, str(error)) from error


def reading_layer(vector: ControlVector) -> int:
    """Where a vector without a read-out is read: where its two sides lie furthest apart.

    That is the layer with the highest d' of held-out texts; where that was not measured, the last
    layer that is recommended, else carried.
    """
    quality = vector.meta.get("quality")
    if isinstance(quality, dict):
        layers, figures = quality.get("layers"), quality.get("discriminability")
        if isinstance(layers, list) and isinstance(figures, list) and len(layers) == len(figures):
            usable = [
                (x, n)
                for x, n in zip(figures, layers, strict=True)
                if _is_number(x) and n in vector.directions
            ]
            if usable:
                return int(max(usable)[1])
    if vector.recommended is not None:
        n_layer = vector.model.n_layer if vector.model else vector.layers[-1] + 1
        kept = set(vector.recommended.resolve(n_layer)).intersection(vector.layers)
        if kept:
            return max(kept)
    return vector.layers[-1]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _damaged(name: str, why: str) -> InputError:
    return InputError(
        f"the read-out kept with {name} can not be read: {why}",
        f"fit it again: edgesteer monitor {name} --fit",
    )
