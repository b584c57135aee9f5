"""The sweep: a planted layer is found, the choice is baked in, and nothing of it compounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.errors import InputError, LayerError, SteeringError
from edgesteer.measure.baking import baked, natural, present_weights
from edgesteer.measure.candidate import ENDS, GRID, CandidateWork, Measured, job
from edgesteer.measure.jobs import JobCache, Result, Spec, open_jobs
from edgesteer.measure.questions import Item, Questions
from edgesteer.measure.sweep import Candidate, Sweep, choose, sweep
from edgesteer.measure.sweep_record import note, to_dict
from edgesteer.measure.weights import LayerWeights, flat, gaussian
from edgesteer.report.sweep_page import verdict, write_sweep_page
from edgesteer.report.sweep_picture import save_sweep_picture

ITEMS = tuple(Item(f"q{i}?", f"yes {i}", f"no {i}") for i in range(6))
N_LAYER = 20


class Planted:
    """A work whose results follow a law: layers near one count, and each costs alike.

    Half of the validation items disagree by a constant, so that effects differ between items.
    """

    def __init__(self, peak: float, width: float, sign: float = 1.0) -> None:
        self.peak, self.width, self.sign = peak, width, sign
        self.key: Spec = {"planted": [peak, width, sign]}

    def start(self, _model: Model) -> Callable[[Spec], Result]:
        return self.run

    def run(self, spec: Spec) -> Result:
        weights = LayerWeights.from_dict(spec["weights"])
        total = sum(w for _, w in weights.weights)
        pull = sum(
            w * np.exp(-0.5 * ((n - self.peak) / self.width) ** 2) for n, w in weights.weights
        )
        at_kl = 1.0 / total**0.7  # a little better than the sum: wide ones may win
        slope = self.sign * pull
        ends = spec.get("ends", (-at_kl, at_kl))
        strengths = spec.get("strengths") or [f * at_kl for f in spec["doses"]]
        spread = np.linspace(0.8, 1.2, len(ITEMS))
        return {
            "strength": None if "strengths" in spec else at_kl,
            "strengths": strengths,
            "plain": [0.0] * len(ITEMS),
            "m": [(np.tanh(x / at_kl) * at_kl * slope * spread).tolist() for x in strengths],
            "kl": [0.15 * (x / at_kl) ** 2 for x in strengths],
            "kl_p95": [0.5 * (x / at_kl) ** 2 for x in strengths],
            "cross_entropy": [0.1 * abs(x / at_kl) for x in strengths],
            "answers": {
                "repetition_3": [0.1 * abs(x) / at_kl for x in ends],
                "score": [0.3 * x / at_kl for x in ends],
            },
        }


def _vector(n_embd: int = 8) -> ControlVector:
    rng = np.random.default_rng(1)
    rows = {layer: rng.standard_normal(n_embd) for layer in range(1, N_LAYER)}
    return ControlVector(rows, name="v", recommended="5-9", meta={"method": "planted"})


def _work(vector: ControlVector) -> CandidateWork:
    asked = Questions(ITEMS, ("open?",))
    return CandidateWork(vector, {"validation": asked, "test": asked}, 0.15, "whole")


def _sweep(model: Model, planted: Planted, vector: ControlVector | None = None) -> Sweep:
    vector = vector or _vector()
    with open_jobs(planted, model) as jobs:
        return sweep(jobs, _work(natural(vector)), N_LAYER, present_weights(vector, N_LAYER))


@pytest.mark.parametrize(("peak", "width"), [(12.0, 0.6), (7.0, 2.0), (13.0, 4.0)])
def test_the_planted_layers_are_found(tiny_model: Model, peak: float, width: float) -> None:
    found = _sweep(tiny_model, Planted(peak, width))
    assert abs(found.chosen.centre - peak) <= 1.5
    best = found.best_first
    assert best[0].measured.effect >= best[-1].measured.effect


def test_the_choice_is_the_simplest_within_one_standard_error(tiny_model: Model) -> None:
    found = list(_sweep(tiny_model, Planted(13.0, 2.0)).candidates)
    best = max(found, key=lambda c: c.measured.effect)
    window = next(c for c in found if c.weights.is_flat and c is not best and c is not found[0])
    smooth = next(c for c in found if not c.weights.is_flat)

    def scored(candidate: Candidate, *effects: float) -> Candidate:
        mean = float(np.mean(effects))
        measured = replace(candidate.measured, effect=mean, effects=effects)
        return replace(candidate, measured=measured)

    was, flat_one = scored(found[0], 1.0, 1.0, 1.0), scored(window, 3.0, 3.0, 2.9)
    top = scored(smooth, 2.9, 3.1, 3.0)  # higher by 0.03, with an error of 0.07
    assert choose([was, flat_one, top]) is flat_one
    assert choose([was, top]) is top
    assert choose([scored(found[0], 2.8, 3.1, 3.0), flat_one, top]) is not top
    clear = scored(smooth, 3.5, 3.5, 3.4)
    assert choose([was, flat_one, clear]) is clear


def test_the_choice_is_tested_beside_what_was_there_before(tiny_model: Model) -> None:
    found = _sweep(tiny_model, Planted(13.0, 2.0))
    roles = {t.role: t for t in found.tested}
    assert set(roles) >= {"chosen", "as it was", "best single layer"}
    assert len({t.weights for t in found.tested}) == len(found.tested)
    assert roles["as it was"].weights == flat(range(5, 10))
    assert roles["as it was"].gain is None
    chosen = roles["chosen"]
    assert chosen.effect.low < chosen.effect.value < chosen.effect.high
    assert chosen.gain is not None
    assert chosen.gain.low > 0
    assert len(chosen.result["strengths"]) == 8
    assert verdict(found)[1] == "good"


def test_doses_beyond_one_do_not_flatter_the_choice(tiny_model: Model) -> None:
    found = _sweep(tiny_model, Planted(13.0, 2.0))
    on_test, on_validation = found.test("chosen"), found.best_first[0]
    assert on_test is not None
    assert on_test.measured.effect == pytest.approx(on_validation.measured.effect)
    assert on_test.measured.kl == pytest.approx(0.15)
    assert on_test.measured.score == pytest.approx(0.6)
    assert on_test.measured.repetition == pytest.approx(0.1)


def test_one_law_gives_one_effect_however_many_strengths_were_asked(tiny_model: Model) -> None:
    """Single layers are asked at more strengths than windows, and compared with them."""
    weights = flat([13])
    run = Planted(13.0, 2.0).start(tiny_model)
    effects = [Measured.of(run(job(weights, doses=doses))).effect for doses in (ENDS, GRID)]
    assert effects[0] == pytest.approx(effects[1])


def test_a_vector_that_moves_the_wrong_way_everywhere_is_told(tiny_model: Model) -> None:
    with pytest.raises(SteeringError, match="the right way"):
        _sweep(tiny_model, Planted(13.0, 2.0, sign=-1.0))


def test_no_items_and_no_layers_are_told(tiny_model: Model) -> None:
    vector = _vector()
    default = present_weights(vector, N_LAYER)
    with open_jobs(Planted(9, 2), tiny_model) as jobs:
        empty = replace(_work(vector), parts={"validation": Questions(), "test": Questions()})
        with pytest.raises(InputError, match="no items"):
            sweep(jobs, empty, N_LAYER, default)
        with pytest.raises(LayerError, match="carries nothing"):
            sweep(jobs, _work(vector.restricted("3-8")), N_LAYER, default, layers="12-14")


def test_only_the_layers_that_are_named_are_looked_at(tiny_model: Model) -> None:
    vector = _vector()
    with open_jobs(Planted(13, 2), tiny_model) as jobs:
        default = present_weights(vector, N_LAYER)
        found = sweep(jobs, _work(vector), N_LAYER, default, layers="4-8")
    assert all(4 <= n <= 8 for c in found.candidates[1:] for n in c.weights.layers)


def test_a_second_sweep_does_nothing_twice(tiny_model: Model, tmp_path: Path) -> None:
    vector, cache = _vector(), JobCache(tmp_path)
    default = present_weights(vector, N_LAYER)
    for expected in (0, None):
        with open_jobs(Planted(13, 2), tiny_model, cache=cache) as jobs:
            sweep(jobs, _work(vector), N_LAYER, default)
            assert (jobs.reused if expected == 0 else jobs.done) == 0


def test_weights_are_baked_in_and_taken_out_again() -> None:
    vector = _vector()
    weights = gaussian(8, 2, range(1, N_LAYER))
    new = baked(vector, weights, {"kl": 0.15})
    assert new.recommended is not None
    assert new.recommended.resolve(N_LAYER) == weights.layers
    assert new.calibration is None
    for layer, weight in weights.weights:
        assert new.directions[layer] == pytest.approx(vector.directions[layer] * weight)
    assert new.directions[1] == pytest.approx(vector.directions[1])  # carried, not recommended
    assert new.meta["sweep"] == {"kl": 0.15}
    back = natural(new)
    assert back.digest == natural(back).digest
    assert back.matrix == pytest.approx(vector.matrix, rel=1e-5)
    assert present_weights(new, N_LAYER) == weights


def test_layers_that_were_best_already_are_said_to_be(tiny_model: Model) -> None:
    first = _sweep(tiny_model, Planted(13.0, 3.0))
    again = _sweep(tiny_model, Planted(13.0, 3.0), baked(_vector(), first.chosen, {}))
    assert verdict(again) == (
        "Nothing that was tried is clearly better than the layers as they were.",
        "good",
    )


def test_sweeping_what_was_swept_measures_the_same_candidates(tiny_model: Model) -> None:
    first = _sweep(tiny_model, Planted(13.0, 3.0))
    again = _sweep(tiny_model, Planted(13.0, 3.0), baked(_vector(), first.chosen, {}))
    assert again.candidates[0].weights == first.chosen
    assert again.chosen == first.chosen


def test_a_record_holds_what_its_figures_are_made_of(tiny_model: Model) -> None:
    found = _sweep(tiny_model, Planted(13.0, 2.0))
    record = json.loads(json.dumps(to_dict(found, {"vector": "v"}), allow_nan=False))
    row = record["candidates"][0]
    x = np.array([0.0, *row["raw"]["strengths"]])
    y = np.array([row["raw"]["plain"], *row["raw"]["m"]]).mean(axis=1)
    slope = np.polyfit(x, y, 1)[0]
    assert row["effect"] == pytest.approx(slope * row["strength"])
    assert record["test"][0]["effect_interval"]["n"] == len(ITEMS)
    told = note(found, {"items": "calm"})
    assert told["chosen"]["weights"] == found.chosen.to_dict()
    assert sorted(map(int, told["singles"])) == [c.weights.layers[0] for c in found.singles]
    json.dumps(told, allow_nan=False)


def test_a_page_and_pictures_are_written(tiny_model: Model, tmp_path: Path) -> None:
    found = _sweep(tiny_model, Planted(13.0, 2.0))
    about = {"vector": "v", "model": "m", "items": "calm", "read_by": "itself", "digest": "0"}
    one = {"chosen": 0.5}
    page = write_sweep_page(found, tmp_path / "s.html", about, one).read_text(encoding="utf-8")
    assert page.count(">strength 1<") == 1
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert str(found.chosen) in page
    picture = save_sweep_picture(found, tmp_path / "s.svg", title="v")
    assert "<svg" in picture.read_text(encoding="utf-8")
    assert save_sweep_picture(found, tmp_path / "s.png", title="v").stat().st_size > 10_000


def test_a_sweep_without_test_items_says_so(tiny_model: Model, tmp_path: Path) -> None:
    vector = _vector()
    asked = {"validation": Questions(ITEMS), "test": Questions()}
    work = replace(_work(vector), parts=asked)
    with open_jobs(Planted(9, 2), tiny_model) as jobs:
        found = sweep(jobs, work, N_LAYER, present_weights(vector, N_LAYER))
    assert found.tested == ()
    assert verdict(found) == ("There are no test items: the choice is not tested.", "warn")
    about = {"vector": "v", "model": "m", "items": "calm", "read_by": "itself", "digest": "0"}
    assert write_sweep_page(found, tmp_path / "s.html", about).exists()
