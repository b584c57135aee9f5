"""Whether terms fit a model: widths, identities, layers, gates, calibrated bands.

Does not know the engine: a model is its identity here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from edgesteer.compose import check_width, vector_of
from edgesteer.errors import EdgesteerWarning, FitWarning, LayerError, StrengthWarning
from edgesteer.gate import gate_readout
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.terms import Term
from edgesteer.vector import ControlVector

__all__ = ["check_strengths", "check_term"]


def check_term(term: Term, identity: ModelIdentity) -> list[EdgesteerWarning]:
    """What is doubtful about a term that fits; raises as `Steering.check` says when it does not."""
    vector = vector_of(term)
    found: list[EdgesteerWarning] = []
    for used in (vector, term.toward_vector, term.gate_vector):
        if used is not None:
            found += _check_fits(used, identity)
    return found + _check_gate(term, identity) + _check_layers(term, vector, identity.n_layer)


def check_strengths(terms: Sequence[Term], n_layer: int) -> list[StrengthWarning]:
    """One warning for each vector that is outside its calibrated band, or away from its layers.

    Terms that add the same vector everywhere count together; any other term counts alone.
    """
    groups: dict[object, list[Term]] = defaultdict(list)
    for number, term in enumerate(terms):
        if term.operation in ("add", "keepnorm") and vector_of(term).calibration:
            groups[vector_of(term).digest if term.static else number].append(term)
    found = []
    for group in groups.values():
        shares: dict[int, list[float]] = defaultdict(list)
        for term in group:
            for layer in term.resolved_layers(n_layer):
                shares[layer].append(term.strength)
        name, vector = group[0].name, vector_of(group[0])
        band = vector.calibration
        sums = {layer: math.fsum(parts) for layer, parts in shares.items()}
        if band is None or not any(sums.values()):
            continue
        if not (wrong := [total for total in sums.values() if not band.holds(total)]):
            measured = Term(name, vector=vector).resolved_layers(n_layer)
            if sums.keys() != set(measured):
                text = (
                    f"{name} was calibrated on the layers {LayerRange.of(measured)}, not on "
                    f"{LayerRange.of(sums)}, where another strength than 1 may be the right one"
                )
                found.append(StrengthWarning(text))
            continue
        text = f"{name}={max(wrong, key=abs):g}"
        if len(group) > 1:
            text += f", the sum of {len(group)} terms,"
        text += f" lies outside its calibrated band {band.low:g} to {band.high:g}"
        found.append(StrengthWarning(f"{text}: the text may suffer"))
    return found


def _check_fits(vector: ControlVector, identity: ModelIdentity) -> list[EdgesteerWarning]:
    check_width(vector, identity.n_embd)
    if vector.model is not None:
        identity.check_fits(vector.model)
        return []
    foreign = vector.meta.get("foreign")
    if not isinstance(foreign, dict):  # made in Python: whoever made it knows
        return []
    name, hint = vector.name or "the vector", foreign.get("model_hint")
    offset = ""
    if foreign.get("layer_count_type") == "i32":
        offset = " --layer-offset -1"
        text = (
            f"{name} looks like a file of llama.cpp's cvector-generator, whose directions sit one "
            "layer too high"
        )
    elif hint and hint != identity.architecture:
        text = (
            f"{name} names the model type {str(hint)[:40]!r}, this model is "
            f"{identity.architecture!r}: it may belong to another model"
        )
    else:
        text = f"{name} does not say which model it was made for, and may belong to another"
    cure = f"edgesteer vectors import FILE -m MODEL{offset}"
    return [FitWarning(f"{text}; {cure} binds it to one")]


def _check_gate(term: Term, identity: ModelIdentity) -> list[EdgesteerWarning]:
    """A score must be of this model, and means little on other tokens than it was fitted on."""
    if term.gate is None or term.gate_vector is None:
        return []
    readout = gate_readout(term.gate, term.gate_vector)
    if readout is None:
        return []
    readout.check_fits(identity)
    name, scope = term.gate.vector, term.gate.scope
    fits = ("answer", "") if scope == "token" else (scope, "")
    if readout.positions in fits:
        return []
    reads = {
        "last": "a prompt's last token",
        "mean": "the mean over a prompt",
        "token": "each token",
    }
    fitted = "answers" if readout.positions == "answer" else reads[readout.positions]
    text = (
        f"the gate {term.gate} reads {reads[scope]}, but the read-out of {name} was fitted on "
        f"{fitted}, where its scores lie elsewhere"
    )
    return [FitWarning(f"{text}; edgesteer monitor {name} --find-condition FILE finds a threshold")]


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
