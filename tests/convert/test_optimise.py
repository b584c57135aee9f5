"""The optimised vector: it gains preference at equal KL, goes on where it was, and is honest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convert.capture.torch import TorchCapture
from convert.extract import extract
from convert.optimise.choices import Choice, choices_of
from convert.optimise.preference import Optimised, Settings, optimise
from convert.optimise.refine import METHOD, refine
from convert.optimise.steered import SteeredModel
from convert.pairs import ContrastPairs, Pair, Side
from edgesteer.errors import ContextFullError, InputError
from edgesteer.vector import ControlVector

from .test_torch_capture import WIDTH, save_model

pytestmark = [pytest.mark.torch, pytest.mark.slow]


LAYERS = (2, 3)
LONG = 256
QUICK = Settings(steps=10, every=5, kl=0.02)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> TorchCapture:
    folder = save_model(tmp_path_factory.mktemp("tiny-llama"), context=LONG)
    return TorchCapture.open(folder, device="cpu")


@pytest.fixture(scope="module")
def pairs() -> ContrastPairs:
    made = [
        Pair(Side(f"so {a} yes", f"q{i}?"), Side(f"so {a} no", f"q{i}?"), i, f"line {i}")
        for i, a in enumerate("abcdefghijklmnopqrstuvwx")
    ]
    return ContrastPairs("yes", tuple(made))


@pytest.fixture(scope="module")
def start(capture: TorchCapture, pairs: ContrastPairs) -> ControlVector:
    return extract(pairs, capture).with_(recommended=LAYERS)


@pytest.fixture(scope="module")
def neutral(capture: TorchCapture) -> list[Choice]:
    return [Choice(tuple(capture.tokens.encode("the library opens at nine")), 1)]


Run = Callable[..., Optimised]


@pytest.fixture(scope="module")
def run(
    capture: TorchCapture, pairs: ContrastPairs, start: ControlVector, neutral: list[Choice]
) -> Run:
    """Runs the search from the start of the tests."""
    model = SteeredModel(capture.opened, LAYERS)
    choices = choices_of(pairs, capture.tokens)
    rows = start.restricted(LAYERS).matrix

    def search(settings: Settings = QUICK, **options: Any) -> Optimised:
        return optimise(model, choices, neutral, rows, settings, **options)

    return search


def test_the_answers_of_a_prompt_are_the_choices(
    capture: TorchCapture, pairs: ContrastPairs
) -> None:
    found = choices_of(pairs, capture.tokens)
    assert (len(found.train), len(found.heldout)) == (20, 4)
    for positive, negative in (*found.train, *found.heldout):
        text = bytes(i - 2 for i in positive.ids[positive.start :])
        assert len(text) in (len("so a yes"), len("so a no"))
        assert positive.ids[: positive.start] == negative.ids[: negative.start]
    held = pairs.pairs[:4]
    given = choices_of(replace(pairs, pairs=pairs.pairs[4:], heldout=held), capture.tokens)
    assert (len(given.train), len(given.heldout)) == (20, 4)


def test_personas_can_not_be_learned_from(capture: TorchCapture) -> None:
    with pytest.raises(InputError, match="0 pairs of calm are two answers to one prompt") as caught:
        choices_of(replace(ContrastPairs.load("calm").limited(20), heldout=()), capture.tokens)
    assert "two answers" in caught.value.hint


def test_plain_texts_are_choices_too(capture: TorchCapture) -> None:
    texts = ContrastPairs.of([(f"good {i}", f"bad {i}") for i in range(12)])
    found = choices_of(texts, capture.tokens)
    assert all(choice.start == 1 for pair in found.train for choice in pair)


def test_steered_probabilities_are_those_of_the_plain_model_with_the_vector_added(
    capture: TorchCapture, start: ControlVector
) -> None:
    """The short cut below the first steered block changes nothing, nor does padding."""
    texts = [
        Choice(tuple(capture.tokens.encode(t)), 3) for t in ("a short text", "a longer text !")
    ]
    model = SteeredModel(capture.opened, LAYERS)
    vector = torch.tensor(start.restricted(LAYERS).matrix)
    known = model.read(texts)
    batch = model.batch(known)
    with torch.no_grad():
        steered, plain = model.logprobs(batch, vector), model.logprobs(batch, None)
    assert [one.plain for one in known] == pytest.approx(plain.tolist(), abs=1e-3)
    for i, one in enumerate(texts):
        for found, added in ((steered[i], True), (plain[i], False)):
            assert float(found) == pytest.approx(reference(capture, one, vector, added), abs=1e-3)
    assert not any(block._forward_hooks for block in model._blocks)
    assert not any("forward" in vars(block) for block in model._blocks)


def reference(capture: TorchCapture, choice: Choice, vector: Any, added: bool) -> float:
    """The log-probability of a choice by plain transformers and hooks."""
    hooks = []
    if added:
        for row, layer in zip(vector, LAYERS, strict=True):
            block = capture.opened.model.model.layers[layer]
            hooks.append(block.register_forward_hook(lambda _m, _i, out, row=row: out + row))
    with torch.no_grad():
        logits = capture.opened.model(torch.tensor([choice.ids])).logits[0]
    for hook in hooks:
        hook.remove()
    logs = torch.log_softmax(logits, -1)
    return sum(float(logs[t - 1, choice.ids[t]]) for t in range(choice.start, len(choice.ids)))


def test_it_gains_preference_for_the_same_kl(
    run: Run, capture: TorchCapture, neutral: list[Choice]
) -> None:
    found = run()
    assert len(found.history) == 3
    assert max(found.history) > found.history[0] + 1
    model = SteeredModel(capture.opened, LAYERS)
    texts = model.batch(model.read(neutral))
    plain = model.distributions(texts)
    with torch.no_grad():
        costs = [
            float(model.kl(texts, sign * torch.tensor(found.directions), plain)) for sign in (1, -1)
        ]
    assert sum(costs) / 2 == pytest.approx(QUICK.kl, rel=0.05)


def test_an_interrupted_search_goes_on_to_the_same_bytes(run: Run, tmp_path: Path) -> None:
    whole = run()

    def interrupt(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoints=tmp_path, progress=interrupt)
    # the report comes before the checkpoint is written: nothing is kept of the first stretch
    seen: list[int] = []

    def later(done: int, total: int, what: str) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoints=tmp_path, progress=later)
    assert len(list(tmp_path.iterdir())) == 1
    resumed: list[int] = []
    again = run(checkpoints=tmp_path, progress=lambda done, *_: resumed.append(done))
    assert resumed == [10]
    assert again.directions.tobytes() == whole.directions.tobytes()
    assert (again.history, again.before, again.after) == (whole.history, whole.before, whole.after)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_other_searches_and_damaged_ones_are_left_alone(
    run: Run, tmp_path: Path
) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoints=tmp_path, progress=stop)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:200])
    other = run(Settings(steps=1, every=1, kl=0.02), checkpoints=tmp_path)
    assert other.steps == 1
    assert file.exists()
    done: list[int] = []
    run(checkpoints=tmp_path, progress=lambda step, *_: done.append(step))
    assert done == [5, 10]


def test_a_vector_says_what_was_gained(
    capture: TorchCapture, pairs: ContrastPairs, start: ControlVector
) -> None:
    found = refine(start, pairs, capture, settings=Settings(steps=5, every=5, kl=0.02))
    assert found.layers == LAYERS
    assert found.meta["method"] == METHOD
    facts = found.meta["optimised"]
    assert facts["start"] == "mean-difference"
    assert facts["effect"] > facts["effect_of_start"]
    assert (facts["n_pairs"], facts["n_heldout"], facts["steps"]) == (20, 4, 5)
    assert found.matrix.shape == (2, WIDTH)


def test_it_says_so_when_nothing_was_gained(
    capture: TorchCapture, pairs: ContrastPairs, start: ControlVector
) -> None:
    """Steps so long that they can only lead astray."""
    wild = Settings(steps=2, every=1, rate=50.0, kl=0.02)
    better = refine(start, pairs, capture, settings=Settings(steps=10, every=5, kl=0.02))
    found = refine(better, pairs, capture, settings=wild)
    assert "nothing better than" in found.meta["quality"]["warnings"][-1]
    for layer, cosine in found.cosine(better).items():
        assert cosine == pytest.approx(1.0, abs=1e-4), layer


def test_bad_settings_and_starts_are_refused(run: Run, capture: TorchCapture) -> None:
    for bad in ({"kl": 0.0}, {"rate": float("nan")}, {"steps": -1}):
        with pytest.raises(InputError, match="must be above 0"):
            Settings(**bad)  # type: ignore[arg-type]
    model = SteeredModel(capture.opened, LAYERS)
    with pytest.raises(ContextFullError, match=f"a text has {LONG + 1} tokens"):
        model.read([Choice(tuple([5] * (LONG + 1)), 1)])


def test_a_zero_start_is_refused(
    capture: TorchCapture, pairs: ContrastPairs, neutral: list[Choice]
) -> None:
    model = SteeredModel(capture.opened, LAYERS)
    choices = choices_of(pairs, capture.tokens)
    with pytest.raises(InputError, match="is zero"):
        optimise(model, choices, neutral, np.zeros((2, WIDTH), np.float32))


def test_on_the_command_line(
    tmp_path: Path, pairs: ContrastPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from edgesteer.cli import cli

    monkeypatch.setenv("EDGESTEER_HOME", str(tmp_path / "home"))
    rows = [
        {"prompt": p.positive.user, "positive": p.positive.answer, "negative": p.negative.answer}
        for p in pairs.pairs
    ]
    file, folder = tmp_path / "yes.jsonl", save_model(tmp_path / "model", context=LONG)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = ["extract", str(file), "-m", str(folder), "--capture", "torch", "--no-calibrate"]
    more = ["--force", "--layers", "2", "--method", "bipo", "--steps", "1"]
    result = CliRunner().invoke(cli, [*args, *more])
    assert "Traceback" not in result.output
    vector = ControlVector.load(tmp_path / "home" / "vectors" / "yes.gguf")
    assert vector.layers == (2,)
    assert vector.meta["method"] == METHOD
    assert vector.meta["optimised"]["steps"] == 1
