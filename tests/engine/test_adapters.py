"""Ablation by LoRA: what it takes out, how it agrees with the callback, caches, live shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from convert.ablation import write_ablation
from edgesteer import ControlVector, Library, Model, Steering, Term
from edgesteer.engine.adapters import check_adapter
from edgesteer.engine.plan import Plan
from edgesteer.errors import EngineError, SteeringError
from edgesteer.layers import as_layers

from ..conftest import OpenTiny
from ..tiny import write_model
from .tools import (
    PROMPT,
    Floats,
    Latch,
    activations,
    direction,
    fresh_logits,
    plan_of,
    replayed,
    run_in_lane,
)

R = direction(5)
SAME = ControlVector(dict.fromkeys((1, 2, 3), R), name="v")
SEA = "The sea was calm, and the old captain looked at the sky. He was happy because"


def by_weights(strength: float = 1.0, vector: ControlVector = SAME, **more: object) -> Steering:
    """``ablate:v=S?by=weights``, bound to a vector."""
    term = Steering.parse(f"ablate:v={strength}?by=weights").terms[0]
    return Steering((replace(term, vector=vector, **more),))  # type: ignore[arg-type]


def everywhere(model: Model, r: Floats, path: Path, scale: float = 1.0) -> Plan:
    """A plan whose adapter takes one direction out of all blocks, block 0 among them."""
    write_ablation(r, model.path, path)
    check_adapter(path, model.path)
    key = f"{path}*{scale}"
    return Plan("", key, True, None, None, key, key, (), (path, scale))


def rows_of(model: Model, tokens: Sequence[int], plan: Plan) -> Floats:
    """float32 ``[n_layer, n, d]``: the residual stream while a plan acts."""
    return run_in_lane(model, tokens, plan, hooked=True, chunk=64)[1]


def matrices(path: Path) -> dict[str, Floats]:
    return {t.name: np.array(t.data) for t in gguf.GGUFReader(path).tensors}


def rewritten(source: Path, path: Path, change: dict[str, Floats]) -> Path:
    """A copy of a model file with other weights in the place of some."""
    data = bytearray(source.read_bytes())
    for tensor in gguf.GGUFReader(source).tensors:
        if tensor.name in change:
            start, raw = int(tensor.data_offset), change[tensor.name].astype("<f4").tobytes()
            assert len(raw) == tensor.n_bytes
            data[start : start + len(raw)] = raw
    path.write_bytes(data)
    return path


def without(weights: Floats) -> Floats:
    """``W - r r^T W``: what writes nothing along R; of experts [k, d, n] each."""
    return weights - R[:, None] * (R @ weights)[..., None, :]


# -- what it does


@pytest.mark.parametrize("experts", [0, 3])
def test_it_equals_weights_that_were_edited_by_hand(
    open_tiny: OpenTiny, tmp_path: Path, experts: int
) -> None:
    path = write_model(tmp_path / "m.gguf", n_expert=experts)
    weights = matrices(path)
    writers = [n for n in weights if "attn_output" in n or "ffn_down" in n]
    edited = rewritten(path, tmp_path / "e.gguf", {n: without(weights[n]) for n in writers})
    model, by_hand = open_tiny(path), open_tiny(edited)
    tokens = model.tokenize(PROMPT)
    lora = rows_of(model, tokens, everywhere(model, R, tmp_path / "l.gguf"))
    np.testing.assert_allclose(lora, activations(by_hand, tokens), atol=2e-4)


def test_what_is_left_is_the_embedding(open_tiny: OpenTiny, tmp_path: Path) -> None:
    model = open_tiny()
    tokens = model.tokenize(PROMPT)
    embeddings = matrices(model.path)["token_embd.weight"][tokens]
    rows = rows_of(model, tokens, everywhere(model, R, tmp_path / "l.gguf"))
    np.testing.assert_allclose(rows @ R, np.tile(embeddings @ R, (4, 1)), atol=1e-4)
    assert np.abs(activations(model, tokens) @ R - embeddings @ R).max() > 0.1


def test_it_agrees_with_the_callback_where_only_the_block_s_end_writes(
    open_tiny: OpenTiny, tiny_path: Path, tmp_path: Path
) -> None:
    # The callback acts behind a block, an edited weight also on what the attention writes inside it
    # and not on embeddings: with neither of those along R, the two are the same function.
    weights = matrices(tiny_path)
    silent = [n for n in weights if "attn_output" in n or n == "blk.0.ffn_down.weight"]
    change = {n: without(weights[n]) for n in silent}
    change["token_embd.weight"] = without(weights["token_embd.weight"].T).T
    model = open_tiny(rewritten(tiny_path, tmp_path / "m.gguf", change))
    tokens = model.tokenize(PROMPT)
    callback = Steering((Term("v", 1.0, operation="ablate", vector=SAME),))
    edited, rows = (fresh_logits(model, tokens, s) for s in (by_weights(), callback))
    np.testing.assert_allclose(edited, rows, atol=2e-3)
    assert np.abs(edited - fresh_logits(model, tokens)).max() > 0.1


def test_the_callback_equals_the_formula(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    tokens = model.tokenize(PROMPT)
    only = ControlVector({2: R}, name="v")
    for share in (1.0, 0.3):
        rows = activations(model, tokens, Term("v", share, operation="ablate", vector=only))
        plain = activations(model, tokens)[2]
        np.testing.assert_allclose(rows[2], plain - share * np.outer(plain @ R, R), atol=1e-5)


def test_the_scale_is_the_share(open_tiny: OpenTiny, tmp_path: Path) -> None:
    model = open_tiny()
    tokens = model.tokenize(PROMPT)
    base = activations(model, tokens)[0]
    start = matrices(model.path)["token_embd.weight"][tokens] @ R
    path = tmp_path / "l.gguf"
    np.testing.assert_array_equal(rows_of(model, tokens, everywhere(model, R, path, 0.0))[0], base)
    whole = rows_of(model, tokens, everywhere(model, R, path, 1.0))[0] @ R - start
    assert np.abs(whole).max() < 1e-4 < 0.1 < np.abs(base @ R - start).max()


# -- as a steering


def test_an_answer_says_that_a_lora_carried_it(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    options = {"temperature": 0, "max_tokens": 12, "ignore_eos": True}
    plain = model.ask(PROMPT, **options)
    lora = model.ask(PROMPT, steer=by_weights(), **options)
    assert (plain.carrier, lora.carrier) == ("none", "lora")
    assert lora.steering == "ablate:v=1?by=weights"
    assert lora.text != plain.text
    assert lora.usage.cached_tokens == 0  # what plain weights read is not what these read
    both = by_weights() + Steering((Term("v", 0.5, vector=SAME),))
    assert model.ask(PROMPT, steer=both, **options).carrier == "lora+native"
    gone = by_weights() + Steering((Term("v", 1.0, operation="clamp", vector=SAME),))
    assert model.ask(PROMPT, steer=gone, **options).carrier == "lora+callback"
    assert model.ask(PROMPT, **options).text == plain.text


def test_a_clamp_by_weights_is_an_ablation_and_an_addition(open_tiny: OpenTiny) -> None:
    """Nothing writes along R any more: what one layer is given stays, whatever the text."""
    model = open_tiny()
    tokens = model.tokenize(PROMPT)
    held = by_weights() + Steering((Term("v", 2.5, layers=as_layers("1"), vector=SAME),))
    along = rows_of(model, tokens, plan_of(model, held)) @ R
    np.testing.assert_allclose(along[1:], along[0] + np.full((3, 1), 2.5), atol=1e-3)
    free = activations(model, tokens) @ R
    assert np.abs(free[1:] - free[0]).std() > 0.1


def test_zero_strength_changes_nothing(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    assert plan_of(model, by_weights(0)).carrier == "none"


def test_stamps_are_never_plain_and_tell_shares_apart(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    generated = Steering((Term("v", 1.0, positions="generated", vector=SAME),))
    plans = [
        plan_of(model, s)
        for s in (None, by_weights(), by_weights(0.5), generated, by_weights() + generated)
    ]
    stamps = [plan.stamps(0, 2, 1) for plan in plans]
    assert len({s[0] for s in stamps}) == 4  # generated alone leaves the prompt plain
    assert len({s[1] for s in stamps}) == 5


def test_answers_side_by_side_are_what_each_is_alone(open_tiny: OpenTiny) -> None:
    steers = [
        None, by_weights(), by_weights(0.5), Steering((Term("v", 2.0, vector=SAME),)),
        by_weights() + Steering((Term("v", 1.0, positions="generated", vector=SAME),)),
    ]  # fmt: skip
    model = open_tiny(n_seq=5)
    options = {"temperature": 0, "max_tokens": 16, "ignore_eos": True}
    alone = [open_tiny().ask(PROMPT, steer=s, **options).text for s in steers]
    assert len(set(alone)) == 5
    jobs = [model.start(PROMPT, steer=s, **options) for s in steers]
    assert [job.result(60).text for job in jobs] == alone
    carriers = [job.result().carrier for job in jobs]
    assert carriers[0] == "none"
    assert carriers[1:3] == ["lora", "lora"]


@pytest.mark.parametrize(("before", "after"), [(1.0, 0.0), (0.0, 1.0), (1.0, 0.4)])
def test_a_live_change_acts_from_the_next_token_on(
    open_tiny: OpenTiny, before: float, after: float
) -> None:
    model, latch = open_tiny(), Latch(5)
    options = {"temperature": 0, "max_tokens": 20, "ignore_eos": True}
    job = model.start(PROMPT, steer=by_weights(before), on_piece=latch, **options)
    latch.wait()
    job.steer["v"] = after
    latch.go()
    text = job.result(60).text
    assert text == replayed(model, {0: by_weights(before), 5: by_weights(after)}, 20)


def test_an_adapter_is_made_once(open_tiny: OpenTiny, home: Path) -> None:
    vector = ControlVector({1: direction(77)}, name="once")
    folder = home / "cache" / "adapters"
    before = set(folder.glob("*")) if folder.exists() else set()
    for share in (1.0, 0.5):
        open_tiny().ask(PROMPT, steer=by_weights(share, vector), max_tokens=1)
    made = set(folder.glob("*")) - before
    assert len(made) == 1


def test_an_adapter_that_is_gone_ends_that_answer_alone(open_tiny: OpenTiny, home: Path) -> None:
    model = open_tiny()
    steer = by_weights(1.0, ControlVector({2: direction(78)}, name="gone"))
    other = model.start(PROMPT, temperature=0, max_tokens=8, ignore_eos=True)
    path = model._plan(steer)[1].adapter
    assert path is not None
    path[0].unlink()
    with pytest.raises(EngineError, match="can not load the adapter"):
        model.ask(PROMPT, steer=steer)
    assert other.result(60).finish == "length"


def test_two_at_once_are_refused(open_tiny: OpenTiny) -> None:
    other = by_weights(1.0, ControlVector({1: direction(9)}, name="w"))
    with pytest.raises(SteeringError, match="both edit the weights"):
        open_tiny().ask(PROMPT, steer=by_weights() + other)


@pytest.mark.parametrize(
    "text",
    ["v=1?by=weights", "ablate:v=1?by=magic", "ablate:v=1?by=weights&on=prompt",
     "ablate:v=1?by=weights&decay=4", "ablate:v=1?by=weights&if=v>1"],
)  # fmt: skip
def test_what_weights_can_not_do_is_refused(text: str) -> None:
    with pytest.raises(SteeringError):
        Steering.parse(text)


def test_a_model_closes_with_an_adapter_in_force(open_tiny: OpenTiny) -> None:
    for _ in range(3):
        model = open_tiny()
        model.ask(PROMPT, steer=by_weights(), max_tokens=2)
        model.close()


# -- real weights


def shares(model: Model, path: Path, text: str, layer: int) -> dict[float, Floats]:
    """scale -> mean |r.h| at every layer, r the most written direction at ``layer``."""
    tokens = model.tokenize(text)
    rows = activations(model, tokens)[layer, 1:]
    r = (rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))).astype(np.float32)
    found = {}
    for scale in (0.0, 0.5, 1.0):
        stream = rows_of(model, tokens, everywhere(model, r, path, scale))
        found[scale] = np.abs(stream[:, 1:] @ r).mean(axis=1)
    return found


@pytest.mark.model
def test_smollm2_stops_writing_along_a_direction(smollm2: Model, tmp_path: Path) -> None:
    mean = shares(smollm2, tmp_path / "l.gguf", SEA, 15)
    assert mean[0.0][15] > 20
    assert mean[1.0][15] < 0.02 * mean[0.0][15]
    assert mean[1.0][29] < 0.05 * mean[0.0][29]
    assert mean[1.0][15] < mean[0.5][15] < mean[0.0][15]


@pytest.mark.gemma
def test_gemma_stops_writing_along_a_direction(home: Path, tmp_path: Path) -> None:
    with Model.open("gemma3-270m", n_ctx=512, threads=1, library=Library(home)) as model:
        mean = shares(model, tmp_path / "l.gguf", SEA, 9)
        assert mean[1.0][9] < 0.02 * mean[0.0][9]
        assert mean[1.0][17] < 0.05 * mean[0.0][17]
        vector = ControlVector({n: direction(1, 640) for n in range(1, 18)}, name="v")
        steer = by_weights(1.0, vector)
        reply = model.ask(SEA, raw=True, steer=steer, temperature=0, max_tokens=8)
        assert reply.carrier == "lora"
        assert reply.text.strip()
