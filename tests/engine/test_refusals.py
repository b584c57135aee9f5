"""What is refused in Python before llama.cpp sees it: afterwards the process lives and works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import (
    ArchitectureError,
    ControlVector,
    DeviceError,
    FitWarning,
    LayerError,
    Model,
    ModelError,
    NotFoundError,
    SteeringError,
    StrengthWarning,
    VectorFileError,
    VectorMismatchError,
)
from edgesteer.engine import arch, hooks
from edgesteer.engine.context import Context
from edgesteer.engine.ggml import Ggml
from edgesteer.errors import EdgesteerWarning, EngineError
from edgesteer.vector import Calibration

from ..tiny import write_model
from .tools import PROMPT, steering, vector

OpenTiny = Callable[..., Model]
V = vector()


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("others")
    return {
        "narrow": write_model(folder / "narrow.gguf", n_embd=32),
        "shallow": write_model(folder / "shallow.gguf", n_layer=3),
        "other weights": write_model(folder / "weights.gguf", seed=9),
    }


@pytest.mark.parametrize("kind", ["narrow", "shallow", "other weights"])
def test_a_vector_of_another_model_is_refused(
    tiny_model: Model, open_tiny: OpenTiny, others: dict[str, Path], kind: str
) -> None:
    other = open_tiny(others[kind])
    mine = vector(1, 2).with_(model=tiny_model.identity)
    with pytest.raises(VectorMismatchError) as caught:
        other.ask(PROMPT, steer=mine, max_tokens=1)
    assert caught.value.hint
    assert ("tiny" in str(caught.value)) == (kind != "narrow")  # there the width says it
    theirs = vector(1, 2, width=other.n_embd).with_(model=other.identity)
    with pytest.raises(VectorMismatchError):
        tiny_model.logits([1], theirs)
    assert other.ask(PROMPT, steer=theirs, max_tokens=1).carrier == "native"
    assert tiny_model.ask(PROMPT, steer=mine, max_tokens=1).carrier == "native"


def test_a_vector_of_another_architecture_is_refused(tiny_model: Model) -> None:
    other = V.with_(model=replace(tiny_model.identity, architecture="qwen2"))
    with pytest.raises(VectorMismatchError, match="architecture"):
        tiny_model.ask(PROMPT, steer=other, max_tokens=1)


@pytest.mark.parametrize("width", [1, 63, 65, 128])
def test_another_width_is_refused(tiny_model: Model, width: int) -> None:
    with pytest.raises(VectorMismatchError, match="64"):
        tiny_model.ask(PROMPT, steer=vector(1, width=width), max_tokens=1)


@pytest.mark.parametrize("layers", ["0", "0-2", 0, [0, 1]])
def test_layer_0_is_refused(tiny_model: Model, layers: Any) -> None:
    with pytest.raises(LayerError, match="0") as caught:
        tiny_model.ask(PROMPT, steer=V.at(layers), max_tokens=1)
    assert caught.value.hint
    with pytest.raises(LayerError):
        tiny_model.capture(["abc"], layers=layers)
    with pytest.raises(LayerError):
        ControlVector({0: np.ones(64, np.float32)})


@pytest.mark.parametrize("layers", ["4", "1-4", "99", [1, 7]])
def test_layers_beyond_the_model_are_refused(tiny_model: Model, layers: Any) -> None:
    high = ControlVector({n: np.ones(64, np.float32) for n in (1, 4, 7, 99)}, name="v")
    with pytest.raises(LayerError):
        tiny_model.ask(PROMPT, steer=high.at(layers), max_tokens=1)
    with pytest.raises(LayerError):
        tiny_model.ask(PROMPT, steer=high, max_tokens=1)
    with pytest.raises(LayerError):
        tiny_model.capture(["abc"], layers=layers)


@pytest.mark.parametrize("bad", ["calm=", "=1", "v=1e999", "v=1@x", 7, object()])
def test_bad_steerings_are_refused(tiny_model: Model, bad: Any) -> None:
    with pytest.raises((SteeringError, LayerError)):
        tiny_model.ask(PROMPT, steer=bad, max_tokens=1)


def test_unknown_names_are_refused(tiny_model: Model) -> None:
    for use in (tiny_model.ask, tiny_model.start, tiny_model.stream, tiny_model.next_logits):
        with pytest.raises(NotFoundError, match="nobody"):
            use(PROMPT, steer="nobody=1")
    with pytest.raises(NotFoundError):
        tiny_model.ask_many([PROMPT] * 2, steer=[None, "nobody"])


def test_doubts_are_said_in_the_reply_and_not_raised(tiny_model: Model) -> None:
    banded = V.with_(calibration=Calibration(-1, 1))
    reply = tiny_model.ask(PROMPT, steer=banded * 3, max_tokens=1)
    assert [w for w in reply.warnings if "band" in w]
    reply = tiny_model.ask(PROMPT, steer=vector(1, 2).at("1-3"), max_tokens=1)
    assert [w for w in reply.warnings if "not steered" in w]
    with pytest.warns(StrengthWarning):
        tiny_model.bind(banded * 3)
    with pytest.warns(FitWarning):
        tiny_model.bind(vector(1, 2).at("1-3"))


def test_an_architecture_that_ignores_vectors_is_refused(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found out by decoding one token, unless it is known to work."""
    model = open_tiny()
    monkeypatch.setattr(arch, "TAKES", frozenset[str]())
    with monkeypatch.context() as patch:
        patch.setattr(Context, "_apply", lambda *_: None)
        with pytest.raises(ArchitectureError, match="llama") as caught:
            model.ask(PROMPT, steer=V, max_tokens=1)
        assert caught.value.hint
        assert model.ask(PROMPT, max_tokens=1).carrier == "none"
        assert not arch.has_effect(model)
    fresh = open_tiny()
    assert fresh.ask(PROMPT, steer=V, max_tokens=1).carrier == "native"
    assert arch.has_effect(fresh)


def test_an_architecture_that_hides_its_layers_is_refused_by_the_callback(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steering that would do nothing is an error; what llama.cpp does itself still works."""
    monkeypatch.setattr(hooks, "_PREFIX", b"l_last-")
    model = open_tiny()
    for steer in (steering("ablate:v=1"), steering("v=1?decay=3")):
        with pytest.raises(ArchitectureError, match="layer 1"):
            model.ask(PROMPT, steer=steer, max_tokens=1)
    with pytest.raises(ArchitectureError):
        model.capture(["abc"])
    assert model.ask(PROMPT, steer=V, max_tokens=1).carrier == "native"


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(60), b"hello" * 99])
def test_a_file_that_is_no_model_is_refused(
    open_tiny: OpenTiny, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises((ModelError, VectorFileError)):
        open_tiny(path)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.6, 0.999])
def test_a_truncated_model_is_refused(
    open_tiny: OpenTiny, tiny_path: Path, tmp_path: Path, share: float
) -> None:
    whole = tiny_path.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError):
        open_tiny(path)


def test_a_control_vector_is_no_model(open_tiny: OpenTiny, tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    V.save(path)
    with pytest.raises(ModelError, match="control vector") as caught:
        open_tiny(path)
    assert "-s" in caught.value.hint


def test_a_gpu_that_is_not_there_is_said(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgesteer.engine import llama

    monkeypatch.setattr(llama, "gpu_available", lambda: False)
    for options in ({"device": "gpu"}, {"gpu_layers": 3}):
        with pytest.raises(DeviceError, match="GPU") as caught:
            open_tiny(**options)
        assert "--device cpu" in caught.value.hint
    with pytest.raises(DeviceError):
        open_tiny(device="quantum")
    assert open_tiny(gpu_layers=0).device == "CPU (1 thread)"


def test_another_layout_of_tensors_is_refused() -> None:
    class Lib:
        def __getattr__(self, name: str) -> Any:
            def function(*_: Any) -> int:
                return 400

            return function

    with pytest.raises(EngineError, match="lays out"):
        Ggml([Lib()]).check_layout()
    with pytest.raises(EngineError, match="not found"):
        Ggml([object()])


def test_half_characters_and_nul_are_tokenised(tiny_model: Model) -> None:
    for text in ("\ud800", "a\x00b", "\U0010ffff", ""):
        tokens = tiny_model.tokenize(text)
        assert tokens[0] == 1
        assert isinstance(tiny_model.detokenize(tokens), str)


def test_a_context_longer_than_the_model_knows_is_said(open_tiny: OpenTiny) -> None:
    with pytest.warns(EdgesteerWarning, match="not 50000"):
        model = open_tiny(n_ctx=50_000)
    assert model.n_ctx == 4096
