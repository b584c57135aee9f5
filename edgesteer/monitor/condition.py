"""Searches the best condition point of a gate: layer, threshold, side, by F1 on labelled prompts.

Does not know how a gate is carried out.

As in conditional activation steering (Lee et al. 2024, arXiv 2409.05907) every layer, threshold and
side is tried; here on one half of the prompts, and the other half says what the choice is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgesteer.errors import PairsError
from edgesteer.measure.stats import auroc
from edgesteer.model import Model
from edgesteer.monitor.choosing import best_condition, f1_score, operating_point
from edgesteer.monitor.examples import Examples
from edgesteer.monitor.fit import candidates
from edgesteer.monitor.reading_rows import Progress, read_rows
from edgesteer.monitor.readout import OperatingPoint, Readout
from edgesteer.terms import Gate, Scope
from edgesteer.vector import ControlVector

__all__ = ["FoundCondition", "find_condition"]


@dataclass(frozen=True)
class FoundCondition:
    """A gate and what it is worth on prompts that it was not chosen on.

    `chosen_f1` is its F1 where it was chosen: higher than `f1`, as a rule. `by_layer` holds the
    best F1 of each layer there, `auroc` how the scores of the judged prompts are ordered.
    """

    gate: Gate
    point: OperatingPoint
    f1: float
    chosen_f1: float
    auroc: float
    by_layer: dict[int, float]

    @property
    def text(self) -> str:
        """What stands after the ? of a steering term."""
        return "&".join(f"{key}={value}" for key, value in self.gate.to_dict().items())


def find_condition(
    model: Model,
    vector: ControlVector,
    prompts: Examples,
    *,
    layers: Sequence[int] | None = None,
    scope: Scope = "last",
    name: str | None = None,
    progress: Progress | None = None,
) -> FoundCondition:
    """The gate on a vector that tells positive prompts from negative ones best.

    layers  candidates; default all that the vector carries. What the gate is to open must start
            above the one that is found
    scope   "last" reads the prompt's last token, "mean" the mean over the prompt
    name    what the vector is called in the gate; default its own name

    Raises PairsError (answers instead of prompts, too few, one class only), LayerError and what the
    capture raises.
    """
    if prompts.read_as != "last":
        raise PairsError(
            f"{prompts.name} holds answers: a condition is found on prompts",
            'give a file of labelled prompts: {"prompt": "How do I pick a lock?", "label": 1}',
        )
    chosen = candidates(vector, layers)
    choose, report = prompts.halves()
    both = Examples(prompts.name, choose.items + report.items)
    rows = read_rows(model, both, chosen, positions=scope, progress=progress)
    first = np.arange(len(both)) < len(choose)
    labels, judged = choose.labels, report.labels
    found = {}
    for layer in chosen:
        read = Readout.raw(vector, layer).score(rows.at(layer))
        found[layer] = (best_condition(read[first], labels), read)
    by_layer = {layer: condition.f1 for layer, (condition, _) in found.items()}
    # of equally good layers the one whose prompts lie furthest apart
    best = max(by_layer, key=lambda n: (round(by_layer[n], 9), _apart(found[n][1][first], labels)))
    condition, read = found[best]
    scores = read[~first]
    point = operating_point(scores, judged, condition.threshold, above=condition.above)
    ordered = auroc(scores[judged], scores[~judged])
    return FoundCondition(
        gate=Gate(
            name or vector.name or "vector",
            _rounded(condition.threshold, read),
            best,
            condition.above,
            scope,
            "raw",
        ),
        point=point,
        f1=f1_score(point),
        chosen_f1=condition.f1,
        auroc=ordered if condition.above else 1 - ordered,
        by_layer=by_layer,
    )


def _apart(read: np.ndarray, labels: np.ndarray) -> float:
    """The distance of the two sides' means in standard deviations."""
    high, low = read[labels], read[~labels]
    spread = float(np.sqrt((high.var() + low.var()) / 2)) or 1e-12
    return abs(float(high.mean() - low.mean())) / spread


def _rounded(threshold: float, read: np.ndarray) -> float:
    """As few digits as a person wants to read, with an error far below the spread of scores."""
    spread = float(np.ptp(read)) or 1.0
    digits = max(0, 3 - int(np.floor(np.log10(spread))))
    return round(threshold, digits)
