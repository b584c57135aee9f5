"""A sweep in the terminal: its best candidates, a map of the single layers, what the test says.

Does not know how it was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgesteer.cli import _show

if TYPE_CHECKING:
    from edgesteer.measure.candidate import Measured
    from edgesteer.measure.stats import Interval
    from edgesteer.measure.sweep import Candidate, Sweep

__all__ = ["show"]

_SHADES = "·░▒▓█"
_SHOWN = 8


def show(found: Sweep) -> None:
    """Tables and a block map on stdout."""
    work = found.work
    click.secho(
        f"effect in nats ({work.mode}) at KL {work.kl:g} on neutral text, "
        f"{len(work.parts['validation'].items)} validation items",
        bold=True,
    )
    best = found.best_first
    shown = best[:_SHOWN]
    for extra in (found.choice, best_single(found), _default(found)):
        if extra is not None and extra not in shown:
            shown.append(extra)
    header = ["LAYERS", "STRENGTH", "EFFECT", "WRONG WAY", "CE RISE", "STAGE"]
    _show.table(header, [[*_row(c), _stage(found, c)] for c in shown])
    if len(found.singles) > 1:
        click.echo()
        _map(found)
    click.echo()
    click.echo(f"chosen     {found.chosen}  {_profile(found)}")
    for tested in found.tested:
        gain = f", {_signed(tested.gain)} against as it was" if tested.gain else ""
        click.echo(
            f"test items {tested.role} ({tested.weights}): {_interval(tested.effect)}{gain}, "
            f"{tested.measured.wrong:.0%} the wrong way{_written(tested.measured)}"
        )


def _written(measured: Measured) -> str:
    """What the open answers look like, where there are any."""
    told = ""
    if measured.score is not None:
        told += f", score of open answers {measured.score:+.2f}"
    if measured.repetition is not None:
        told += f", {measured.repetition:.0%} of trigrams repeated"
    return told


def best_single(found: Sweep) -> Candidate | None:
    """The best of the single layers."""
    return max(found.singles, key=lambda c: c.measured.effect, default=None)


def _default(found: Sweep) -> Candidate:
    return found.candidates[0]


def _stage(found: Sweep, candidate: Candidate) -> str:
    return "as it was" if candidate is _default(found) else candidate.stage


def _row(candidate: Candidate) -> list[str]:
    m: Measured = candidate.measured
    return [
        str(candidate.weights),
        f"{m.strength:.3g}",
        f"{m.effect:.3f}",
        f"{m.wrong:.0%}",
        f"{m.cross_entropy:+.3f}",
    ]


def _map(found: Sweep) -> None:
    """Single layers by dose: how far the items move, as shades of the most."""
    singles = found.singles
    most = max((abs(v) for c in singles for _, v in _moves(c.measured)), default=0.0) or 1.0
    click.secho(f"single layers by share of their strength; {_SHADES[-1]} is {most:.2f}", bold=True)
    doses = sorted({round(dose, 1) for c in singles for dose, _ in _moves(c.measured)})
    rows = []
    for dose in reversed(doses):
        cells = [_shade(_at(c.measured, dose), dose, most) for c in singles]
        rows.append([f"{dose:+.1f}", *cells])
    _show.table(["", *(str(c.weights.layers[0]) for c in singles)], rows)


def _moves(measured: Measured) -> list[tuple[float, float]]:
    """(share of the strength at equal KL, shift of mean m from plain)."""
    curve = measured.curve
    plain = curve.means[curve.strengths.index(0.0)]
    pairs = zip(curve.strengths, curve.means, strict=True)
    return [(x / measured.strength, y - plain) for x, y in pairs if x]


def _at(measured: Measured, dose: float) -> float:
    return min(_moves(measured), key=lambda move: abs(move[0] - dose))[1]


def _shade(value: float, dose: float, most: float) -> str:
    """Two characters; a minus where the items move the wrong way."""
    share = value / most * (1 if dose > 0 else -1)
    if share < -0.1:
        return "- "
    return _SHADES[min(max(round(share * (len(_SHADES) - 1)), 0), len(_SHADES) - 1)] * 2


def _profile(found: Sweep) -> str:
    weights = dict(found.chosen.weights)
    return _show.sparkline(weights.get(n, 0.0) for n in range(1, found.n_layer))


def _interval(interval: Interval) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
