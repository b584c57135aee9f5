"""Audits a read-out: what it tells that length and words do not, and whether that carries over.

Does not know how the findings are shown (report/audit_page.py) nor put into words (verdict.py).

Families are kinds of text. The first is the read-out's own. Where it was fitted on that family, it
is judged there on the half that the fit did not choose on, less what its vector was made of; where
nothing is known of the family's part in it, its figure there may be in-sample, and is not compared.
On every other family it is judged as it is.
Beside it stand, trained on the same texts of its own family, two baselines that need no model: the
length of a text, and a bag of words. Further rows train a direction (the mean difference) and both
baselines on each other family. Where a row meets its own family, texts are left out by folds.

All figures are AUROC: the chance that a positive text scores higher than a negative one. Intervals
are from a bootstrap over groups (pairs), with both scores of a text drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import PairsError
from edgesteer.measure.stats import Interval, auroc, bootstrap, spearman
from edgesteer.model import Model
from edgesteer.monitor.baselines import length_of
from edgesteer.monitor.detectors import (
    ReadFamily,
    bag_of,
    direction_of,
    left_out,
    length_of_family,
)
from edgesteer.monitor.examples import Examples
from edgesteer.monitor.findings import Audit, Cell, Curve, Family
from edgesteer.monitor.reading_rows import Progress, read_rows
from edgesteer.monitor.readout import Readout
from edgesteer.vector import ControlVector

__all__ = ["audit", "difference"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RESAMPLES = 500
SEED = 20251
LEAST = 4  # of either class, in every family


def audit(
    model: Model,
    vector: ControlVector,
    readout: Readout,
    families: Sequence[Examples],
    *,
    layers: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """The audit of a read-out on labelled texts of one or several kinds.

    families  the first is the read-out's own, with the texts that its vector was made of marked
              as seen, where they are known
    layers    for the curves; default all that the vector carries

    Raises PairsError (families of one name, prompts mixed with answers, too few texts) and what the
    reading raises.
    """
    _check(families)
    positions = readout.positions or families[0].read_as
    wanted = sorted({readout.layer, *(vector.layers if layers is None else layers)})
    read = []
    for number, examples in enumerate(families):
        rows = read_rows(
            model, examples, wanted, positions=positions, progress=_named(progress, examples.name)
        )
        read.append(ReadFamily(examples, rows))
        if progress is not None:
            progress(number + 1, len(families), "families")
    own, others = read[0], read[1:]
    apart = _apart(vector, readout, own)
    cells = list(_stored(readout, own, others, apart=apart))
    curves = [_curve_of(vector, own, others, wanted)]
    for family in others:
        cells += _trained(family, read, readout.layer)
        curves.append(_curve(family, read, wanted))
    return Audit(
        name=readout.name,
        model=model.name,
        layer=readout.layer,
        positions=positions,
        fitted=readout.point is not None,
        own=own.name,
        families=tuple(_about(family, readout) for family in read),
        cells=tuple(cells),
        curves=tuple(curves),
        words={x.name: bag_of(x, x.everything).telling() for x in read},
        apart=apart,
    )


def _check(families: Sequence[Examples]) -> None:
    names = [examples.name for examples in families]
    if len(set(names)) < len(names):
        raise PairsError(f"two families are called {names[0]!r}", "give files of different names")
    if len({examples.read_as for examples in families}) > 1:
        raise PairsError("some families are prompts and some are answers", "audit them apart")
    for examples in families:
        fresh = examples.only([not item.seen for item in examples.items])
        if not len(fresh):
            raise PairsError(
                f"{examples.name}: the vector was made of all of it", "keep some apart"
            )
        fresh.check(LEAST)


def _apart(vector: ControlVector, readout: Readout, own: ReadFamily) -> bool:
    """Whether the texts of `_judging` are known to have had no part in the read-out.

    Without a fit nothing is known: a raw read-out's layer was chosen on held-out pairs.
    """
    made_of = vector.meta.get("pairs")
    marked = not own.fresh.all()
    known = made_of == own.name if marked else isinstance(made_of, str) and made_of != own.name
    return known and readout.evidence.get("texts") == own.name


def _judging(readout: Readout, own: ReadFamily) -> Bools:
    """The texts of its own family that the read-out is judged on. Raises PairsError."""
    if readout.evidence.get("texts") != own.name:
        return own.fresh
    _, report = own.examples.halves()
    report.check(LEAST)
    groups = set(report.groups)
    items = own.examples.items
    return np.array([not item.seen and item.group in groups for item in items], bool)


def _named(progress: Progress | None, name: str) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, _what: progress(done, total, f"reading {name}")


# -- the detectors' scores


def _stored(
    readout: Readout, own: ReadFamily, others: Sequence[ReadFamily], *, apart: bool
) -> list[Cell]:
    """The read-out as it is, and what length and words make of the same texts."""
    cells = []
    scores = _baselines_within(own)
    for family in (own, *others):
        if family is not own:
            scores = _baselines_across(own, family)
        scores["readout"] = readout.score(family.rows.at(readout.layer))
        chosen = _judging(readout, own) if family is own else family.fresh
        found = _cells(scores, "readout", own, family, chosen)
        cells += found if apart or family is not own else [replace(x, beats=None) for x in found]
    return cells


def _trained(family: ReadFamily, read: Sequence[ReadFamily], layer: int) -> list[Cell]:
    """A direction and both baselines, trained on one family and judged on each."""
    direction = direction_of(family, family.everything, layer)
    cells = []
    for other in read:
        if other is family:
            scores = _baselines_within(family)
            scores["direction"] = _direction_within(family, layer)
        else:
            scores = _baselines_across(family, other)
            scores["direction"] = direction(other.rows.at(layer))
        cells += _cells(scores, "direction", family, other, other.everything)
    return cells


def _direction_within(family: ReadFamily, layer: int) -> Floats:
    def train(chosen: Bools) -> Callable[[Bools], Floats]:
        score = direction_of(family, chosen, layer)
        return lambda out: score(family.rows.at(layer)[out])

    return left_out(family, train)


def _baselines_within(family: ReadFamily) -> dict[str, Floats]:
    def by_length(chosen: Bools) -> Callable[[Bools], Floats]:
        length = length_of_family(family, chosen)
        return lambda out: length.scores(family.texts_of(out))

    def by_words(chosen: Bools) -> Callable[[Bools], Floats]:
        bag = bag_of(family, chosen)
        return lambda out: bag.scores(family.texts_of(out))

    return {"length": left_out(family, by_length), "words": left_out(family, by_words)}


def _baselines_across(family: ReadFamily, other: ReadFamily) -> dict[str, Floats]:
    return {
        "length": length_of_family(family, family.everything).scores(other.texts),
        "words": bag_of(family, family.everything).scores(other.texts),
    }


# -- figures


def _cells(
    scores: Mapping[str, Floats],
    kind: str,
    trained: ReadFamily,
    judged: ReadFamily,
    chosen: Bools,
) -> list[Cell]:
    labels, groups = judged.labels[chosen], judged.groups_of(chosen)
    kept = {key: values[chosen] for key, values in scores.items()}
    found = {key: _interval(_statistic(values, labels), groups) for key, values in kept.items()}
    best = max(("length", "words"), key=lambda key: found[key].value)
    beats = difference(kept[kind], kept[best], labels, groups)
    return [
        Cell(key, trained.name, judged.name, interval, beats if key == kind else None)
        for key, interval in found.items()
    ]


def difference(one: Floats, other: Floats, labels: Bools, groups: Sequence[str]) -> Interval:
    """The AUROC of one set of scores less that of another, of the same texts."""
    first, second = _statistic(one, labels), _statistic(other, labels)
    return _interval(lambda at: first(at) - second(at), groups)


def _statistic(scores: Floats, labels: Bools) -> Callable[[NDArray[np.int64]], float]:
    """The AUROC of the texts of some numbers; 0.5 where they are all of one class."""

    def figure(at: NDArray[np.int64]) -> float:
        chosen, truth = scores[at], labels[at]
        if truth.all() or not truth.any():
            return 0.5
        return auroc(chosen[truth], chosen[~truth])

    return figure


def _interval(statistic: Callable[[NDArray[np.int64]], float], groups: Sequence[str]) -> Interval:
    """The statistic of text numbers, with an interval over groups of texts."""
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    listed = [np.array(numbers) for numbers in members.values()]

    def of_groups(drawn: Floats) -> float:
        return statistic(np.concatenate([listed[int(i)] for i in drawn]))

    return bootstrap(np.arange(len(listed)), of_groups, seed=SEED, resamples=RESAMPLES)


def _curve_of(
    vector: ControlVector, own: ReadFamily, others: Sequence[ReadFamily], layers: Sequence[int]
) -> Curve:
    """The vector's own direction, layer by layer, on texts that it was not made of."""
    kept = [layer for layer in layers if layer in vector.directions]

    def figure(family: ReadFamily, layer: int) -> float:
        read = (family.rows.at(layer) @ vector.directions[layer]).astype(np.float64)
        return _statistic(read, family.labels)(np.flatnonzero(family.fresh))

    return Curve(
        own.name,
        tuple(kept),
        tuple(figure(own, layer) for layer in kept),
        tuple(_mean([figure(x, layer) for x in others]) for layer in kept),
    )


def _curve(family: ReadFamily, read: Sequence[ReadFamily], layers: Sequence[int]) -> Curve:
    """The direction of one family, layer by layer: by folds within, and on the others."""
    within, across = [], []
    for layer in layers:
        scores = _direction_within(family, layer)
        within.append(auroc(scores[family.labels], scores[~family.labels]))
        score = direction_of(family, family.everything, layer)
        figures = []
        for other in read:
            if other is not family:
                judged = score(other.rows.at(layer))
                figures.append(auroc(judged[other.labels], judged[~other.labels]))
        across.append(_mean(figures))
    return Curve(family.name, tuple(layers), tuple(within), tuple(across))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.5


def _about(family: ReadFamily, readout: Readout) -> Family:
    labels = family.labels
    lengths = np.array([length_of(text) for text in family.texts])
    scores = readout.score(family.rows.at(readout.layer))
    of_length = auroc(lengths[labels], lengths[~labels])
    ranks = [spearman(scores[side], lengths[side]) for side in (labels, ~labels)]
    return Family(
        name=family.name,
        n_positive=int(labels.sum()),
        n_negative=int((~labels).sum()),
        length=max(of_length, 1 - of_length),
        length_rank=float(np.mean(ranks)),
    )
