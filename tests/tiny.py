"""Writes a tiny language model as a GGUF file that real llama.cpp opens in milliseconds.

Its weights are random, its vocabulary one token a character, so that every text is tokenised in
one way only and what the model writes is read back as the same tokens.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

CHARACTERS = (
    " \nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()-+*/=@#$%&_<>"
)
CONTROLS = ("<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
UNK, BOS, EOS, END = 0, 1, 2, 6
FIRST_BYTE = len(CONTROLS)
FIRST_CHARACTER = FIRST_BYTE + 256
TOKENS = FIRST_CHARACTER + len(CHARACTERS)
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

Floats = NDArray[np.float32]


def token_of(character: str) -> int:
    """The token of one character of CHARACTERS."""
    return FIRST_CHARACTER + CHARACTERS.index(character)


def write_model(
    path: Path,
    *,
    n_layer: int = 4,
    n_embd: int = 64,
    n_head: int = 4,
    n_ctx: int = 4096,
    n_expert: int = 0,
    seed: int = 0,
    template: str | None = TEMPLATE,
) -> Path:
    """A llama-architecture model with random F32 weights; equal arguments give equal weights.

    With ``n_expert`` it is a mixture, of which two experts read each token.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(n_layer)
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(2 * n_embd)
    writer.add_head_count(n_head)
    writer.add_head_count_kv(n_head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(n_embd // n_head)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if n_expert:
        writer.add_expert_count(n_expert)
        writer.add_expert_used_count(2)
    add_vocabulary(writer, template)
    rng = np.random.default_rng(seed)

    def add(name: str, *shape: int) -> None:
        weights = rng.standard_normal(shape) / np.sqrt(shape[-1])
        writer.add_tensor(name, weights.astype(np.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(name, rng.uniform(0.5, 1.5, n_embd).astype(np.float32))

    embeddings = rng.standard_normal((TOKENS, n_embd)).astype(np.float32)
    writer.add_tensor("token_embd.weight", embeddings)
    for i in range(n_layer):
        add_norm(f"blk.{i}.attn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{i}.{name}.weight", n_embd, n_embd)
        add_norm(f"blk.{i}.ffn_norm.weight")
        experts, kind = ((n_expert,), "_exps") if n_expert else ((), "")
        if n_expert:
            add(f"blk.{i}.ffn_gate_inp.weight", n_expert, n_embd)
        add(f"blk.{i}.ffn_gate{kind}.weight", *experts, 2 * n_embd, n_embd)
        add(f"blk.{i}.ffn_up{kind}.weight", *experts, 2 * n_embd, n_embd)
        add(f"blk.{i}.ffn_down{kind}.weight", *experts, n_embd, 2 * n_embd)
    add_norm("output_norm.weight")
    writer.add_tensor("output.weight", output_rows(n_embd, seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def output_rows(n_embd: int = 64, seed: int = 0) -> Floats:
    """The output matrix ``[TOKENS, n_embd]``: control and byte tokens are hardly ever chosen."""
    rows = np.random.default_rng(seed + 1).standard_normal((TOKENS, n_embd)) * 0.7
    rows[:FIRST_CHARACTER] *= 1e-3
    rows[[EOS, END]] *= 600
    return rows.astype(np.float32)


def add_vocabulary(writer: gguf.GGUFWriter, template: str | None) -> None:
    """One token a character, the 256 bytes, and the control tokens of TEMPLATE."""
    """The vocabulary of all tiny models, and their chat template."""
    kind = gguf.TokenType
    pieces = [
        *CONTROLS,
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *CHARACTERS.replace(" ", "\N{LOWER ONE EIGHTH BLOCK}"),
    ]
    kinds = [kind.UNKNOWN, *[kind.CONTROL] * 6, *[kind.BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece.encode() for piece in pieces])
    writer.add_token_scores([0.0] * TOKENS)
    writer.add_token_types([*kinds, *[kind.NORMAL] * len(CHARACTERS)])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_eot_token_id(END)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    if template is not None:
        writer.add_chat_template(template)
