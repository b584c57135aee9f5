"""Whether a term fits a model: widths, identities, layers, gates, calibrated bands.

Does not know the engine: a model is its identity here.
"""

from __future__ import annotations

from edgesteer.compose import check_width, vector_of
from edgesteer.errors import EdgesteerWarning, FitWarning, LayerError, StrengthWarning
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.terms import Term
from edgesteer.vector import ControlVector

__all__ = ["check_term"]


def check_term(term: Term, identity: ModelIdentity) -> list[EdgesteerWarning]:
    """What is doubtful about a term that fits; raises as `Steering.check` says when it does not."""
    vector = vector_of(term)
    found: list[EdgesteerWarning] = []
    for used in (vector, term.toward_vector, term.gate_vector):
        if used is not None:
            found += _check_fits(used, identity)
    found += _check_layers(term, vector, identity.n_layer)
    band = vector.calibration
    if band and term.operation in ("add", "keepnorm") and not band.holds(term.strength):
        text = (
            f"{term.name}={term.strength:g} lies outside its calibrated band "
            f"{band.low:g} to {band.high:g}: the text may suffer"
        )
        found.append(StrengthWarning(text))
    return found


def _check_fits(vector: ControlVector, identity: ModelIdentity) -> list[EdgesteerWarning]:
    check_width(vector, identity.n_embd)
    if vector.model is not None:
        identity.check_fits(vector.model)
        return []
    foreign = vector.meta.get("foreign")
    hint = foreign.get("model_hint") if isinstance(foreign, dict) else None
    if not hint or hint == identity.architecture:
        return []
    text = (
        f"{vector.name or 'the vector'} names the model type {str(hint)[:40]!r}, this model is "
        f"{identity.architecture!r}: it may belong to another model"
    )
    return [FitWarning(text)]


def _check_layers(term: Term, vector: ControlVector, n_layer: int) -> list[EdgesteerWarning]:
    kept = term.resolved_layers(n_layer)
    if term.gate:
        term.gate_layer(n_layer)
    if term.toward_vector is not None:
        missing = set(kept).difference(term.toward_vector.layers)
        if missing:
            raise LayerError(
                f"{term.toward} carries nothing at the layers {LayerRange.of(missing)}",
                f"it carries the layers {LayerRange.of(term.toward_vector.layers)}",
            )
    if term.layers is not None and term.layers.spans:
        named = {n for first, last in term.layers.spans for n in range(first, last + 1)}
        if lost := named.difference(vector.layers):
            text = f"{term.name} carries nothing at the layers {LayerRange.of(lost)}: they are not "
            return [FitWarning(text + "steered")]
    return []
