"""Vectors made on the spot: what is missing, what is kept, and that nothing is left half-made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgesteer
from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Library, Model, ModelIdentity
from edgesteer.calibration import Calibration
from edgesteer.errors import NotFoundError, PairsError
from edgesteer.on_the_spot import enough, load_trait, make_vector, missing_traits

STEMS = [f"Today number {number} is" for number in range(24)]
MILD = ContrastPairs.of([(f"{s} gentle", f"{s} harsh") for s in STEMS], name="mild")


@pytest.fixture
def model(tiny_path: Path, tmp_path: Path) -> Iterator[Model]:
    """The tiny model with a library of its own."""
    library = Library(tmp_path / "home")
    with Model.open(tiny_path, library=library, threads=1, n_ctx=2048) as opened:
        yield opened


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> list[ControlVector]:
    """A calibration that takes no language model."""
    seen: list[ControlVector] = []

    def calibrate(_model: Model, vector: ControlVector, *, progress: Any = None) -> ControlVector:
        seen.append(vector)
        return vector.scaled(2.0).with_(calibration=Calibration(-1, 2))

    monkeypatch.setattr("edgesteer.measure.calibrate.calibrate", calibrate)
    return seen


def keep(model: Model, name: str, identity: ModelIdentity) -> None:
    directions = {1: [1.0] * identity.n_embd}
    model.library.save_vector(ControlVector(directions, identity, name=name), name)


def test_what_is_made_is_kept_and_found(model: Model, calibrated: list[ControlVector]) -> None:
    made = make_vector(model, MILD, meta={"working_copy": "bf16"})
    kept = model.library.load_vector("mild", model.identity)
    assert kept.digest == made.digest
    assert kept.meta["working_copy"] == "bf16"
    assert model.bind("mild=1").bound


def test_the_librarys_vector_is_taken_unless_it_shall_be_made_again(
    model: Model, calibrated: list[ControlVector]
) -> None:
    first = make_vector(model, MILD)
    assert make_vector(model, MILD).digest == first.digest
    assert len(calibrated) == 1
    make_vector(model, MILD, again=True)
    assert len(calibrated) == 2


def test_without_keeping_nothing_is_written(model: Model, calibrated: list[ControlVector]) -> None:
    make_vector(model, MILD, keep=False)
    assert model.library.vector_names() == []


def test_another_models_vector_of_that_name_stays(
    model: Model, calibrated: list[ControlVector]
) -> None:
    other = ModelIdentity("qwen2", 4, 8, "other")
    keep(model, "mild", other)
    make_vector(model, MILD)
    assert model.library.load_vector("mild", other).model == other
    assert model.library.load_vector("mild", model.identity).calibration is not None


def test_pairs_without_a_direction_are_refused_and_nothing_is_kept(
    model: Model, calibrated: list[ControlVector]
) -> None:
    words = ("gentle", "harsh")
    muddled = [(f"{s} {words[i % 2]}", f"{s} {words[1 - i % 2]}") for i, s in enumerate(STEMS)]
    with pytest.raises(PairsError, match="do not share a direction") as error:
        make_vector(model, ContrastPairs.of(muddled, name="mild"))
    assert "edgesteer extract mild" in error.value.hint
    assert (calibrated, model.library.vector_names()) == ([], [])


@pytest.mark.parametrize("stage", ["texts", "calibrating"])
def test_an_interruption_leaves_nothing_and_the_model_goes_on(
    model: Model, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def interrupt(*_args: Any, **_more: Any) -> ControlVector:
        raise KeyboardInterrupt

    if stage == "calibrating":
        monkeypatch.setattr("edgesteer.measure.calibrate.calibrate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_vector(model, MILD, progress=interrupt if stage == "texts" else None)
    assert list(model.library.home.rglob("*.*")) == []
    assert model.ask("Rain?", max_tokens=2, seed=1).usage.completion_tokens == 2


def test_missing_are_the_traits_that_the_library_lacks(model: Model) -> None:
    keep(model, "calm", model.identity)
    keep(model, "happy", ModelIdentity("qwen2", 4, 8, "other"))
    steering = "calm=1 happy=1 formal=-1?if=afraid>0.3 rotate:calm=10?toward=poetic"
    assert missing_traits(model, steering) == ("happy", "formal", "afraid", "poetic")
    assert missing_traits(model, None) == ()


def test_what_is_no_trait_is_told_before_anything_is_made(model: Model) -> None:
    with pytest.raises(NotFoundError, match="clam"):
        missing_traits(model, "formal=1 clam=1")


def test_a_bound_vector_is_not_missing(model: Model) -> None:
    vector = ControlVector({1: [1.0] * model.n_embd}, model.identity, name="formal")
    assert missing_traits(model, vector) == ()


def test_binding_alone_makes_nothing(model: Model) -> None:
    with pytest.raises(NotFoundError, match="built-in trait"):
        model.bind("formal=1")
    assert model.library.vector_names() == []


def test_of_a_trait_enough_pairs_are_read_and_of_a_file_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f'{{"positive": "a{i}", "negative": "b{i}"}}\n' for i in range(99)))
    calm = load_trait("calm")
    assert len(calm) > 64
    assert len(enough(calm, "calm")) == 64
    assert len(enough(calm, "calm", 10)) == 10
    assert len(enough(load_trait(path), path)) == 99


def test_they_are_public() -> None:
    assert edgesteer.make_vector is make_vector
    assert edgesteer.load_trait("calm").name == "calm"
