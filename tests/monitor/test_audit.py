"""Audits say what is true of planted texts: what a read-out reads, and what counting words does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgesteer import Model, PairsError
from edgesteer.measure.questions import Item
from edgesteer.measure.stats import Interval
from edgesteer.monitor.audit import audit, difference
from edgesteer.monitor.examples import Example, Examples
from edgesteer.monitor.findings import Audit, Cell, Curve, Family
from edgesteer.monitor.fit import fit_readout
from edgesteer.monitor.readout import Readout
from edgesteer.monitor.steered import steered
from edgesteer.monitor.verdict import Verdict, judge
from edgesteer.report.audit_page import write_audit_page

from .planted import planted_vector, word


def family(name: str, make: Callable[[bool, np.random.Generator], str], n: int = 12) -> Examples:
    """`n` texts a side."""
    rng = np.random.default_rng(len(name))
    items = [
        Example(make(side, rng), side, family=name, group=str(i))
        for i in range(n)
        for side in (True, False)
    ]
    return Examples(name, tuple(items))


def letters(side: bool, rng: np.random.Generator) -> str:
    """Single letters: the model reads them, and to a bag of words each text is one new word."""
    return word(side, rng)


def noise(_side: bool, rng: np.random.Generator) -> str:
    return word(bool(rng.random() < 0.5), rng)


def longer(side: bool, rng: np.random.Generator) -> str:
    """The sides differ in their number of words alone."""
    return " ".join(word(bool(rng.random() < 0.5), rng, 5) for _ in range(9 if side else 3))


@pytest.fixture(scope="module")
def found(tiny_model: Model) -> Audit:
    vector = planted_vector(tiny_model, positions="mean").with_(meta={"pairs": "elsewhere"})
    direction = Readout.raw(vector, 1).direction
    readout = Readout("early", 1, direction, positions="mean", evidence={"texts": "own"})
    kinds = [family("own", letters), family("other", letters), family("noise", noise)]
    return audit(tiny_model, vector, readout, [*kinds, family("length", longer)])


def test_a_read_out_that_reads_more_than_words_is_seen_to(found: Audit) -> None:
    for name in ("own", "other"):
        cell = found.cell("readout", "own", name)
        assert cell is not None
        assert cell.auroc.value > 0.95
        assert cell.beats is not None
        assert cell.beats.low > 0
        words = found.cell("words", "own", name)
        assert words is not None
        assert words.auroc.value < 0.75


def test_where_there_is_nothing_nothing_is_found(found: Audit) -> None:
    for kind, trained in (("readout", "own"), ("direction", "noise"), ("words", "noise")):
        cell = found.cell(kind, trained, "noise")
        assert cell is not None
        assert cell.auroc.low <= 0.5


def test_length_is_found_where_it_tells(found: Audit) -> None:
    cell = found.cell("length", "length", "length")
    assert cell is not None
    assert cell.auroc.value == 1.0
    assert next(f for f in found.families if f.name == "length").length == 1.0


def test_a_direction_is_judged_on_texts_that_it_was_not_trained_on(found: Audit) -> None:
    """In sample any labels can be told apart: 24 texts in 64 dimensions."""
    curve = next(curve for curve in found.curves if curve.trained_on == "noise")
    assert max(curve.within) < 0.85
    other = next(curve for curve in found.curves if curve.trained_on == "other")
    assert min(other.within) > 0.9


def test_a_text_that_the_vector_was_made_of_judges_nothing(tiny_model: Model) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    readout = Readout("early", 1, Readout.raw(vector, 1).direction, positions="mean")
    clean = family("own", letters)
    turned = tuple(
        Example(x.prompt, not x.positive, family="own", group=f"seen {x.group}", seen=True)
        for x in family("sown", letters).items
    )
    with_seen = Examples("own", clean.items + turned)
    cells = [
        audit(tiny_model, vector, readout, [texts], layers=[1]).cell("readout", "own", "own")
        for texts in (clean, with_seen)
    ]
    assert cells[0] is not None
    assert cells[1] is not None
    assert cells[0].auroc.value == pytest.approx(cells[1].auroc.value)
    with pytest.raises(PairsError, match="made of all of it"):
        audit(tiny_model, vector, readout, [Examples("own", turned)])


def test_a_fitted_read_out_is_judged_on_the_half_that_its_fit_did_not_choose_on(
    tiny_model: Model,
) -> None:
    """The half that it was chosen on is told apart, the other one is not."""
    vector = planted_vector(tiny_model, positions="mean").with_(meta={"pairs": "elsewhere"})
    choose = family("chosen", letters).items
    report = tuple(replace(x, group=f"report {x.group}") for x in family("report", noise).items)
    own = Examples("own", choose + report, (choose, report))
    assert fit_readout(tiny_model, vector, own, positions="mean").evidence["texts"] == "own"
    raw = Readout("early", 1, Readout.raw(vector, 1).direction, positions="mean")
    fitted = replace(raw, evidence={"texts": "own"})

    def audited(readout: Readout, examples: Examples = own) -> tuple[Audit, Cell]:
        found = audit(tiny_model, vector, readout, [examples], layers=[1])
        cell = found.cell("readout", "own", "own")
        assert cell is not None
        return found, cell

    found, cell = audited(fitted)
    assert found.apart
    assert cell.auroc.low < 0.5
    assert cell.auroc.n == len(report) / 2  # groups
    assert cell.beats is not None
    assert audited(fitted, own.limited(24))[1].auroc.low < 0.5
    for readout in (raw, replace(raw, evidence={"texts": "another"})):
        found, cell = audited(readout)
        assert not found.apart
        assert cell.auroc.value > 0.7
        assert cell.beats is None
    few = Examples("own", choose + report[:6], (choose, report[:6]))
    with pytest.raises(PairsError, match="too few"):
        audited(fitted, few)


@pytest.mark.parametrize(("made_of", "apart"), [("own", False), ("other", True), (None, False)])
def test_what_the_vector_was_made_of_must_be_known(
    tiny_model: Model, made_of: str | None, apart: bool
) -> None:
    meta = {} if made_of is None else {"pairs": made_of}
    vector = planted_vector(tiny_model, positions="mean").with_(meta=meta)
    own = family("own", letters, 16)
    readout = Readout(
        "early", 1, Readout.raw(vector, 1).direction, positions="mean", evidence={"texts": "own"}
    )
    assert audit(tiny_model, vector, readout, [own], layers=[1]).apart == apart
    seen = tuple(replace(x, seen=True, group=f"seen {x.group}") for x in own.items)
    marked = Examples("own", own.items + seen)
    found = audit(tiny_model, vector, readout, [marked], layers=[1])
    assert found.apart == (made_of == "own")


def test_what_can_not_be_audited_together_is_refused(tiny_model: Model) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    readout = Readout.raw(vector, 1)
    own = family("own", letters)
    with pytest.raises(PairsError, match="two families are called 'own'"):
        audit(tiny_model, vector, readout, [own, own])
    answers = Examples(
        "b", tuple(Example("Q", x.positive, x.prompt, group=x.group) for x in own.items)
    )
    with pytest.raises(PairsError, match="some are answers"):
        audit(tiny_model, vector, readout, [own, answers])
    with pytest.raises(PairsError, match="too few"):
        audit(tiny_model, vector, readout, [family("few", letters, 2)])


def test_a_paired_difference_counts_each_text_with_both_its_scores() -> None:
    labels = np.arange(40) % 2 == 0
    rng = np.random.default_rng(0)
    one = 2 * labels + rng.standard_normal(40)
    groups = [str(i // 2) for i in range(40)]
    same = difference(one, one, labels, groups)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    assert difference(one, rng.standard_normal(40), labels, groups).low > 0


# -- verdicts, from figures alone


def interval(value: float, spread: float = 0.05) -> Interval:
    return Interval(value, value - spread, value + spread, 40)


def figures(across: dict[str, tuple[float, float, float]], own: float = 0.95) -> Audit:
    """An audit whose read-out, better baseline and length are as stated on each other kind."""
    cells, families = [], [Family("own", 20, 20, 0.5, 0.0)]
    for name, (read, baseline, length) in {"own": (own, 0.6, 0.5), **across}.items():
        cells += [
            Cell("readout", "own", name, interval(read), interval(read - baseline)),
            Cell("length", "own", name, interval(min(baseline, length))),
            Cell("words", "own", name, interval(baseline)),
        ]
        if name != "own":
            families.append(Family(name, 20, 20, length, 0.0))
    curve = Curve("own", (1, 2), (0.9, 0.95), (0.5, 0.6))
    told = (tuple(families), tuple(cells), (curve,), {})
    return Audit("x", "m", 2, "last", True, "own", *told, apart=True)


@pytest.mark.parametrize(
    ("across", "title", "tone"),
    [
        ({}, "whether that carries over was not tested", "warn"),
        ({"a": (0.52, 0.5, 0.5)}, "does not carry over", "bad"),
        ({"a": (0.8, 0.6, 0.95)}, "no better than prompt length", "bad"),
        ({"a": (0.8, 0.85, 0.6)}, "no better than counting words", "bad"),
        ({"a": (0.9, 0.6, 0.7)}, "tells more than length and words do on the other kind", "good"),
        (
            {"a": (0.9, 0.6, 0.7), "b": (0.8, 0.6, 0.95)},
            "tells more than length and words do on 1 of 2 other kinds",
            "warn",
        ),
    ],
    ids=lambda x: "" if isinstance(x, dict) else None,
)
def test_a_verdict_says_what_the_figures_say(
    across: dict[str, tuple[float, float, float]], title: str, tone: str
) -> None:
    verdict = judge(figures(across))
    assert title in verdict.title
    assert verdict.tone == tone
    assert any("knows, believes or intends" in claim for claim in verdict.may_not)


def test_texts_that_may_have_been_seen_bear_nothing_out() -> None:
    for across in ({}, {"a": (0.9, 0.6, 0.7)}):
        known = figures(across)
        assert any("texts left out: AUROC" in point for point in judge(known).points)
        assert any("like those of own apart" in claim for claim in judge(known).may)
        verdict = judge(replace(known, apart=False))
        assert not any("left out: AUROC" in point for point in verdict.points)
        assert "may have been made of or chosen on" in verdict.points[0]
        assert not any("like those of own apart" in claim for claim in verdict.may)
        assert any("like those of own apart" in claim for claim in verdict.may_not)
        assert "better" not in verdict.title
    alone = judge(replace(figures({}), apart=False))
    assert alone.tone == "bad"
    assert "may have been made of" in alone.title


def test_a_useless_read_out_is_called_so() -> None:
    verdict = judge(figures({"a": (0.5, 0.5, 0.5)}, own=0.5))
    assert "tells nothing apart" in verdict.title
    assert not verdict.may


def test_steering_that_is_no_better_than_chance_bears_nothing_out() -> None:
    def told(low: float, beyond: int) -> Verdict:
        steering = {
            "strength": 1.0, "n_items": 9, "randoms": [0.1] * 4, "beyond": beyond,
            "effect": {"value": low + 0.1, "low": low, "high": low + 0.2},
        }  # fmt: skip
        return judge(replace(figures({}), steering=steering))

    acts = "That the model acts on this direction"
    assert any(acts in claim for claim in told(0.2, 3).may_not)
    assert any(acts in claim for claim in told(-0.1, 4).may_not)
    assert not any(acts in claim for claim in told(0.2, 4).may_not)


def test_steering_is_held_against_random_vectors_of_equal_norm(tiny_model: Model) -> None:
    """Steering along the direction of a letter makes answers of that letter likelier."""
    from ..engine.tools import push

    vector = push(tiny_model.tokenize("a", special=False)[0], 30.0).with_(
        model=tiny_model.identity, recommended="3"
    )
    items = [Item("Go on.", "a" * n, "z" * n) for n in (1, 2, 3, 4)]
    told = steered(tiny_model, vector, items, randoms=6)
    assert told["effect"]["low"] > 0
    assert told["beyond"] == 6
    assert told["up"] > 0 > told["down"]
    assert told["effect"]["value"] == pytest.approx((told["up"] - told["down"]) / 2)


def test_the_page_holds_the_verdict_and_every_figure(found: Audit, tmp_path: Path) -> None:
    verdict = judge(found)
    content = write_audit_page(tmp_path / "audit.html", found, verdict).read_text(encoding="utf-8")
    assert verdict.title in content
    assert "<svg" in content
    for name in ("own", "other", "noise", "length"):
        cell = found.cell("readout", "own", name)
        assert cell is not None
        assert str(cell.auroc) in content
