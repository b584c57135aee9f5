"""A sweep as plain JSON data: settings, raw numbers, and the figures made of them.

Does not know how it is shown. Every figure can be computed again from `m`, `plain` and `strengths`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgesteer.measure.candidate import Measured
from edgesteer.measure.jobs import Result
from edgesteer.measure.sweep import Sweep
from edgesteer.measure.weights import LayerWeights

__all__ = ["note", "to_dict"]

_FORMAT = 1


def to_dict(found: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    """The record; `about` names vector, model and items, and stands at its top."""
    work = found.work
    return {
        "format": _FORMAT,
        **about,
        "settings": {
            "kl": work.kl,
            "mode": work.mode,
            "score": work.score,
            "answers": work.n_answers,
            "answer_tokens": work.n_tokens,
            "n_layer": found.n_layer,
            "validation_items": len(work.parts["validation"].items),
            "test_items": len(work.parts["test"].items),
            "test_items_seen": found.seen,
            "key": dict(work.key),
        },
        "chosen": _weights(found.chosen),
        "candidates": [
            {
                **_weights(c.weights),
                "stage": c.stage,
                **_figures(c.measured),
                "raw": _raw(c.result),
            }
            for c in found.candidates
        ],
        "test": [
            {
                "role": t.role,
                **_weights(t.weights),
                **_figures(t.measured),
                "effect_interval": t.effect.to_dict(),
                "gain_interval": t.gain.to_dict() if t.gain else None,
                "raw": _raw(t.result),
            }
            for t in found.tested
        ],
    }


def note(found: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    """What a vector's file keeps of the sweep that chose its layers."""
    best = found.choice
    told: dict[str, Any] = {
        "chosen": _weights(found.chosen),
        "kl": found.work.kl,
        "mode": found.work.mode,
        "candidates": len(found.candidates),
        "items": about.get("items", ""),
        "singles": {
            str(one.weights.layers[0]): round(one.measured.effect, 4) for one in found.singles
        },
        "validation": {"effect": round(best.measured.effect, 4), "wrong": best.measured.wrong},
    }
    tested = found.test("chosen")
    if tested is not None:
        told["test"] = {
            "effect": tested.effect.to_dict(),
            "items_seen": found.seen,
            "wrong": tested.measured.wrong,
            "gain": tested.gain.to_dict() if tested.gain else None,
        }
    return told


def _weights(weights: LayerWeights) -> dict[str, Any]:
    return {"label": weights.label, "weights": weights.to_dict()}


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "strength": measured.strength,
        "effect": measured.effect,
        "effects": list(measured.effects),
        "wrong": measured.wrong,
        "monotone": measured.monotone,
        "residual": measured.residual,
        "kl": measured.kl,
        "cross_entropy": measured.cross_entropy,
        "repetition": measured.repetition,
        "score": measured.score,
    }


def _raw(result: Result) -> Result:
    return dict(result)
