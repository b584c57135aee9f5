"""Jobs: the same results here, in other processes and on a cluster; kept, and done once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.errors import EngineError, NotFoundError, SteeringError
from edgesteer.measure.candidate import GRID, CandidateWork, Measured, job
from edgesteer.measure.jobs import JobCache, Opener, open_jobs
from edgesteer.measure.questions import Item, Questions
from edgesteer.measure.weights import LayerWeights, flat, gaussian

ITEMS = (Item("how?", "well", "bad"), Item("why?", "so", "thus and so"), Item("", "aa", "b"))


@pytest.fixture
def work(tiny_model: Model) -> CandidateWork:
    rng = np.random.default_rng(5)
    vector = ControlVector(
        {layer: rng.standard_normal(tiny_model.n_embd) for layer in (1, 2, 3)}, tiny_model.identity
    )
    asked = Questions(ITEMS, ("a question",))
    parts = {"validation": asked, "test": asked}
    return CandidateWork(
        vector, parts, 0.1, "whole", n_answers=1, n_tokens=6, neutral=("a text", "of no mood")
    )


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    return JobCache(tmp_path / "jobs")


CANDIDATES = [flat([2]), flat([1, 2, 3]), gaussian(2, 1, (1, 2, 3))]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = Measured.of(one), Measured.of(other)
    return a.effects == pytest.approx(b.effects, rel=0.02, abs=1e-3)


def test_candidates_are_compared_at_the_same_kl(tiny_model: Model, work: CandidateWork) -> None:
    with open_jobs(work, tiny_model) as jobs:
        results = jobs.run([job(w) for w in CANDIDATES])
    for result, weights in zip(results, CANDIDATES, strict=True):
        found = Measured.of(result)
        assert 0.1 / 1.5 < found.kl < 0.1 * 1.5
        vector = weights.applied(work.vector)
        assert vector.layers == weights.layers
        again = work.start(tiny_model)(
            job(weights, "test", strengths=[-found.strength, found.strength])
        )
        assert np.mean(again["kl"]) == pytest.approx(0.1, rel=0.15)
        assert len(found.effects) == len(ITEMS)
        json.dumps(result, allow_nan=False)


def test_a_job_measures_where_it_is_told(tiny_model: Model, work: CandidateWork) -> None:
    run = work.start(tiny_model)
    quick, curve = run(job(flat([2]))), run(job(flat([2]), doses=GRID, answers=True))
    assert len(quick["strengths"]) == len(quick["m"]) == len(quick["kl"]) == 2
    assert quick["answers"] == {}
    assert len(curve["strengths"]) == len(curve["m"]) == len(curve["kl"]) == 4
    assert curve["kl"][0] > curve["kl"][1]
    assert curve["answers"]["repetition_3"][0] >= 0
    assert Measured.of(quick).effect == pytest.approx(Measured.of(curve).effect, rel=0.2)


def test_the_scale_of_a_vector_does_not_matter(tiny_model: Model, work: CandidateWork) -> None:
    large = replace(work, vector=work.vector.scaled(1000.0))
    one, other = (w.start(tiny_model)(job(flat([2]))) for w in (work, large))
    assert same(one, other)
    assert one["strength"] == pytest.approx(1000 * other["strength"], rel=0.02)


def test_a_vector_that_does_nothing_is_an_error(tiny_model: Model, work: CandidateWork) -> None:
    nothing = ControlVector({2: np.zeros(tiny_model.n_embd)}, tiny_model.identity)
    with pytest.raises(SteeringError, match="no strength"):
        replace(work, vector=nothing).start(tiny_model)(job(flat([2])))


def test_what_is_kept_is_not_done_again(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    told: list[tuple[int, int, str]] = []
    with open_jobs(work, tiny_model, cache=cache) as jobs:
        first = jobs.run([job(w) for w in CANDIDATES[:2]])
        assert (jobs.done, jobs.reused) == (2, 0)
        second = jobs.run([job(w) for w in CANDIDATES], lambda *at: told.append(at))
        assert (jobs.done, jobs.reused) == (3, 2)
    assert second[:2] == first
    assert told[0][:2] == (2, 3)
    assert told[-1][:2] == (3, 3)
    with open_jobs(work, tiny_model, cache=cache, fresh=True) as jobs:
        jobs.run([job(w) for w in CANDIDATES])
        assert (jobs.done, jobs.reused) == (3, 0)


def test_other_settings_are_other_jobs(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    fewer = {part: Questions(q.items[:1], q.open) for part, q in work.parts.items()}
    for changed in (
        work,
        replace(work, kl=0.2),
        replace(work, vector=work.vector.scaled(2.0)),
        replace(work, parts=fewer),
        replace(work, model_file="another"),
    ):
        with open_jobs(changed, tiny_model, cache=cache) as jobs:
            jobs.run([job(flat([2]))])
            assert jobs.reused == 0


def test_a_damaged_result_is_measured_again(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    with open_jobs(work, tiny_model, cache=cache) as jobs:
        before = jobs.run([job(flat([2]))])[0]
        (file,) = cache.folder.glob("*.json")
        for damage in ("", "{", '{"key": "x", "result": {}}', "[]"):
            file.write_text(damage, encoding="utf-8")
            assert same(jobs.run([job(flat([2]))])[0], before)
        assert jobs.reused == 0


def test_an_interrupted_list_keeps_what_is_done_and_goes_on(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    def interrupt(done: int, _total: int, _what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with open_jobs(work, tiny_model, cache=cache) as jobs:
        with pytest.raises(KeyboardInterrupt):
            jobs.run([job(w) for w in CANDIDATES], interrupt)
        assert not list(cache.folder.glob("*.tmp"))
        jobs.run([job(w) for w in CANDIDATES])
        assert (jobs.done, jobs.reused) == (3, 2)


def test_a_job_that_fails_loses_nothing_of_the_others(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    bad = {**job(flat([2])), "part": "nowhere"}
    with open_jobs(work, tiny_model, cache=cache, workers=2) as jobs:
        jobs.run([job(flat([1]))])  # both processes have opened the model
        with pytest.raises(KeyError):
            jobs.run([job(flat([2])), bad])
    assert len(list(cache.folder.glob("*.json"))) == 2


def test_another_quantisation_is_another_job(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    """Also where nobody said which file is read."""
    with open_jobs(replace(work, model_file=""), tiny_model, cache=cache) as jobs:
        jobs.run([job(flat([2]))])
        jobs._opener = replace(jobs._opener, n_bytes=jobs._opener.n_bytes + 1)
        jobs.run([job(flat([2]))])
        assert (jobs.done, jobs.reused) == (2, 0)


def test_two_processes_find_what_one_finds(
    tiny_model: Model, work: CandidateWork, cache: JobCache
) -> None:
    specs = [job(w) for w in CANDIDATES]
    with open_jobs(work, tiny_model, cache=cache, workers=2) as jobs:
        found = jobs.run(specs)
        assert jobs.done == 3
    here = work.start(tiny_model)
    assert all(same(result, here(spec)) for result, spec in zip(found, specs, strict=True))


def test_an_error_in_a_worker_reaches_the_caller(tiny_model: Model, work: CandidateWork) -> None:
    nothing = ControlVector({2: np.zeros(tiny_model.n_embd)}, tiny_model.identity)
    with (
        open_jobs(replace(work, vector=nothing), tiny_model, workers=2) as jobs,
        pytest.raises(SteeringError, match="no strength") as error,
    ):
        jobs.run([job(flat([2]))])
    assert "vectors check" in error.value.hint


def test_a_worker_that_finds_other_weights_says_so(tiny_model: Model) -> None:
    opener = replace(Opener.of(tiny_model), weights_id="0" * 64)
    with pytest.raises(NotFoundError, match="other weights"):
        opener.open()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two worker processes on the loopback, closed after the tests."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as running:
        yield running


def test_a_dask_cluster_finds_what_this_process_finds(
    tiny_model: Model, work: CandidateWork, cache: JobCache, cluster: Any
) -> None:
    specs = [job(w) for w in CANDIDATES]
    with open_jobs(work, tiny_model, cache=cache, dask=cluster.scheduler_address) as jobs:
        found = jobs.run(specs)
    here = work.start(tiny_model)
    assert all(same(result, here(spec)) for result, spec in zip(found, specs, strict=True))
    assert len(list(cache.folder.glob("*.json"))) == 3


def test_no_scheduler_is_an_error_with_a_cure(
    tiny_model: Model, work: CandidateWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgesteer.measure.jobs._PATIENCE", "500ms")
    with (
        pytest.raises(EngineError, match="no Dask scheduler") as error,
        open_jobs(work, tiny_model, dask="tcp://127.0.0.1:9"),
    ):
        pass
    assert "dask scheduler" in error.value.hint


def test_weights_of_a_spec_are_those_of_the_candidate() -> None:
    spec = job(gaussian(2, 1, (1, 2, 3)))
    assert LayerWeights.from_dict(spec["weights"]) == gaussian(2, 1, (1, 2, 3))
