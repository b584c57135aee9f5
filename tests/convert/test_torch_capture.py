"""The torch capture: hooks against plain transformers, on a tiny random model made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from convert.capture.torch import TorchCapture
from convert.capture.torch_model import find_blocks, pick_device
from convert.extract import extract
from convert.pairs import ContrastPairs
from convert.rendering import Passage
from edgesteer.errors import (
    ContextFullError,
    DeviceError,
    InputError,
    LayerError,
    MissingExtraError,
    ModelError,
    NotFoundError,
)

from .pair_texts import cosines

pytestmark = pytest.mark.torch

LAYERS, WIDTH, CONTEXT = 4, 64, 96
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'bad' %}{{ raise_exception('no') }}"
    "{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
TEXTS = [
    "a short text",
    "x",
    "a much longer text than the others are, to be padded against",
    "mid 12",
]


def save_tokenizer(folder: Path, *, adds_bos: bool) -> None:
    """A tokenizer of single bytes, as a folder of files."""
    import tokenizers

    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<s>", "</s>", *alphabet])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    if adds_bos:
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
        )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)


def save_model(
    folder: Path, *, adds_bos: bool = False, context: int = CONTEXT, **changes: Any
) -> Path:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=258,
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        **changes,
    )
    model = transformers.LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.save_pretrained(folder)
    save_tokenizer(folder, adds_bos=adds_bos)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="module")
def capture(folder: Path) -> TorchCapture:
    return TorchCapture.open(folder, device="cpu")


@pytest.fixture(scope="module")
def hidden(folder: Path, capture: TorchCapture) -> list[np.ndarray[Any, Any]]:
    """float32 [LAYERS + 1, tokens, WIDTH] of each text, by plain transformers, one at a time."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    found = []
    for text in TEXTS:
        with torch.no_grad():
            out = model(
                torch.tensor([capture.tokens.encode(text)]), output_hidden_states=True
            ).hidden_states
        found.append(torch.cat(out).numpy())
    return found


def test_hooks_equal_hidden_states_but_for_the_last_block(
    capture: TorchCapture, hidden: list[np.ndarray[Any, Any]]
) -> None:
    found = capture.capture(TEXTS)
    assert found.layers == (1, 2, 3)
    assert found.rows.shape == (len(TEXTS), 3, WIDTH)
    for i, states in enumerate(hidden):
        for column, layer in enumerate(found.layers[:-1]):
            assert found.rows[i, column] == pytest.approx(states[layer + 1, -1], abs=1e-3)
        assert cosines(found.rows[i, -1], states[-1, -1]) < 0.99


def test_the_last_block_is_read_before_the_final_norm(
    capture: TorchCapture, hidden: list[np.ndarray[Any, Any]], folder: Path
) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    rows = torch.tensor(capture.capture(TEXTS, layers=[LAYERS - 1]).rows[:, 0])
    with torch.no_grad():
        normed = model.model.norm(rows).numpy()
    for i, states in enumerate(hidden):
        assert normed[i] == pytest.approx(states[-1, -1], abs=1e-3)


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_batches_do_not_matter(capture: TorchCapture, batch_tokens: int) -> None:
    alone = np.concatenate([capture.capture([text]).rows for text in TEXTS])
    batched = TorchCapture(capture.opened, batch_tokens=batch_tokens).capture(TEXTS)
    assert batched.rows == pytest.approx(alone, abs=1e-3)
    assert batched.n_tokens.tolist() == [len(text) for text in TEXTS]


def test_positions(capture: TorchCapture, hidden: list[np.ndarray[Any, Any]]) -> None:
    def at(positions: str | int) -> np.ndarray[Any, Any]:
        return capture.capture(TEXTS[2:], layers=[1], positions=positions).rows[:, 0]

    states = [one[2] for one in hidden[2:]]
    assert at("mean") == pytest.approx(np.stack([s.mean(0) for s in states]), abs=1e-3)
    assert at(0) == pytest.approx(np.stack([s[0] for s in states]), abs=1e-3)
    assert at(-2) == pytest.approx(np.stack([s[-2] for s in states]), abs=1e-3)
    every = capture.capture(TEXTS[2:], layers=[1], positions="all")
    assert every.rows[:, 0] == pytest.approx(np.concatenate(states), abs=1e-3)
    assert every.owners.tolist() == [0] * len(TEXTS[2]) + [1] * len(TEXTS[3])
    passages = [Passage("question: answer", 10), Passage("question: ", 10), Passage("plain", 0)]
    found = capture.capture(passages, layers=[1], positions="answer").rows[:, 0]
    whole = [capture.capture([p.text], layers=[1], positions="all").rows[:, 0] for p in passages]
    for row, rows, start in zip(found, whole, (10, 9, 0), strict=True):
        assert row == pytest.approx(rows[start:].mean(0), abs=1e-3)


def test_token_ids_of_the_caller_are_used(capture: TorchCapture) -> None:
    ids = [capture.tokens.encode(text) for text in TEXTS]
    given = capture.capture(["other"] * len(ids), token_ids=ids)
    assert np.array_equal(given.rows, capture.capture(TEXTS).rows)
    with pytest.raises(InputError, match="1 lists of token ids for 2 texts"):
        capture.capture(["a", "b"], token_ids=[[1]])


def test_the_start_token_is_added_once(tmp_path: Path, capture: TorchCapture) -> None:
    with_bos = TorchCapture.open(save_model(tmp_path, adds_bos=True), device="cpu")
    chat = [{"role": "user", "content": "hi"}]
    assert not capture.tokens.adds_bos
    assert capture.render(chat) == "<s>[user]hi[assistant]"
    assert capture.tokens.encode("<s>a")[0] == 0
    assert with_bos.tokens.adds_bos
    assert with_bos.render(chat) == "[user]hi[assistant]"
    assert with_bos.tokens.encode(with_bos.render(chat)) == capture.tokens.encode(
        capture.render(chat)
    )


def test_a_template_that_refuses_is_told(capture: TorchCapture) -> None:
    with pytest.raises(InputError, match="refuses these messages"):
        capture.render([{"role": "bad", "content": "x"}])


def test_numbers_can_be_narrower(folder: Path, capture: TorchCapture) -> None:
    narrow = TorchCapture.open(folder, device="cpu", dtype="bfloat16")
    found = narrow.capture(TEXTS)
    assert (narrow.name, capture.name) == ("torch bfloat16", "torch float32")
    assert found.rows.dtype == np.float32
    assert cosines(found.rows, capture.capture(TEXTS).rows).min() > 0.995
    assert narrow.identity.weights_id == ""
    with pytest.raises(InputError, match="not a number format"):
        TorchCapture.open(folder, dtype="int8")


def test_the_identity_comes_from_the_configuration(capture: TorchCapture, folder: Path) -> None:
    identity = capture.identity
    assert (identity.architecture, identity.n_layer, identity.n_embd) == ("llama", LAYERS, WIDTH)
    assert identity.name == folder.name
    assert len(identity.weights_id) == 64


def test_progress_and_interrupt(capture: TorchCapture) -> None:
    seen: list[tuple[int, int, str]] = []
    one_by_one = TorchCapture(capture.opened, batch_tokens=1)
    one_by_one.capture(TEXTS, progress=lambda *told: seen.append(told))
    assert seen == [(i, 4, "texts") for i in (1, 2, 3, 4)]

    def interrupt(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one_by_one.capture(TEXTS, progress=interrupt)
    assert not any(block._forward_hooks for block in find_blocks(capture.opened.model))


def test_extraction_through_torch(capture: TorchCapture) -> None:
    pairs = ContrastPairs.of([(f"yes {i}", f"no {i}") for i in range(6)])
    first, second = (extract(pairs, capture) for _ in range(2))
    assert first.digest == second.digest
    assert first.model == capture.identity


def test_bad_texts_are_told(capture: TorchCapture) -> None:
    with pytest.raises(InputError, match="no text to read"):
        capture.capture([])
    with pytest.raises(InputError, match=r"text 2 \(''\) has no tokens"):
        capture.capture(["a", ""])
    with pytest.raises(ContextFullError, match=r"text 1 .* has 97 tokens, and 96 can be read"):
        capture.capture(["x" * 97])
    with pytest.raises(InputError, match="token 5 of a text with 1 tokens"):
        capture.capture(["x"], positions=5)
    for bad in (0, LAYERS):
        with pytest.raises(LayerError):
            capture.capture(["x"], layers=[bad])


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no model folder or GGUF file"):
        TorchCapture.open(tmp_path / "gone")
    with pytest.raises(ModelError, match="transformers can not open"):
        TorchCapture.open(tmp_path)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing more")
    with pytest.raises(ModelError):
        TorchCapture.open(tmp_path / "broken.gguf")


def test_a_model_that_reads_ahead_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=258, hidden_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    transformers.BertLMHeadModel(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, adds_bos=False)
    with pytest.raises(ModelError, match="reads ahead"):
        TorchCapture.open(tmp_path, device="cpu")


def test_an_encoder_and_decoder_is_refused(tmp_path: Path) -> None:
    config = transformers.T5Config(vocab_size=258, d_model=64, num_layers=2, num_heads=4, d_ff=64)
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, adds_bos=False)
    with pytest.raises(ModelError, match="transformers can not open"):
        TorchCapture.open(tmp_path, device="cpu")


def test_a_folder_is_known_by_its_configuration(folder: Path, tmp_path: Path) -> None:
    from convert.capture.hf_identity import folder_identity

    found = folder_identity(folder)
    assert (found.architecture, found.n_layer, found.n_embd) == ("llama", LAYERS, WIDTH)
    found.check_fits(TorchCapture.open(folder, device="cpu").identity)
    for text in ("", "[]", "{}", '{"model_type": "llama"}', '{"model_type": 3, "text_config": 3}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError, match="is no folder of a transformers model"):
            folder_identity(tmp_path)


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = save_model(tmp_path) / "model.safetensors"
    weights = load_file(file)
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights .*layers\.2\.mlp\.up_proj"):
        TorchCapture.open(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    save_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "mine"
    config["auto_map"] = {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError):
        TorchCapture.open(tmp_path)


def test_devices_are_checked() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in {"cpu", "cuda", "mps"}
    with pytest.raises(InputError, match="not a device"):
        pick_device("tpu")
    with pytest.raises(DeviceError):
        pick_device("cuda:99")


def test_blocks_are_found_by_structure() -> None:
    class Fake(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks = [torch.nn.Module() for _ in range(3)]
            for block in blocks:
                block.experts = torch.nn.ModuleList([torch.nn.Linear(1, 1) for _ in range(3)])
            self.trunk = torch.nn.Module()
            self.trunk.blocks = torch.nn.ModuleList(blocks)
            self.vision = torch.nn.ModuleList([torch.nn.Linear(1, 1) for _ in range(3)])
            self.config = transformers.LlamaConfig(num_hidden_layers=3)

    model = Fake()
    assert find_blocks(model) is model.trunk.blocks
    model.config.num_hidden_layers = 5
    with pytest.raises(ModelError, match="no list of 5 decoder blocks"):
        find_blocks(model)


def test_without_torch_the_extra_is_named(monkeypatch: Any, folder: Path) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        TorchCapture.open(folder)
    assert "edgesteer[convert]" in caught.value.hint
