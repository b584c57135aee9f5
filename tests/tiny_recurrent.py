"""Writes a tiny mamba model: a recurrent memory, which can be continued but not cut."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from .tiny import TEMPLATE, TOKENS, add_vocabulary, output_rows


def write_recurrent_model(path: Path, *, n_layer: int = 4, n_embd: int = 64, seed: int = 0) -> Path:
    """A mamba-architecture model with random F32 weights."""
    inner, state, rank, kernel = 2 * n_embd, 8, 4, 4
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_name("tiny-mamba")
    writer.add_block_count(n_layer)
    writer.add_context_length(4096)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_vocabulary(writer, TEMPLATE)
    rng = np.random.default_rng(seed)

    def add(name: str, *shape: int, scale: float = 1.0) -> None:
        weights = rng.standard_normal(shape) * scale / np.sqrt(shape[-1])
        writer.add_tensor(name, weights.astype(np.float32))

    add("token_embd.weight", TOKENS, n_embd, scale=float(np.sqrt(n_embd)))
    for i in range(n_layer):
        writer.add_tensor(f"blk.{i}.attn_norm.weight", np.ones(n_embd, np.float32))
        add(f"blk.{i}.ssm_in.weight", 2 * inner, n_embd)
        add(f"blk.{i}.ssm_conv1d.weight", inner, kernel)
        add(f"blk.{i}.ssm_conv1d.bias", inner)
        add(f"blk.{i}.ssm_x.weight", rank + 2 * state, inner)
        add(f"blk.{i}.ssm_dt.weight", inner, rank)
        add(f"blk.{i}.ssm_dt.bias", inner)
        a = -np.broadcast_to(np.arange(1, state + 1, dtype=np.float32), (inner, state))
        writer.add_tensor(f"blk.{i}.ssm_a", np.ascontiguousarray(a))
        writer.add_tensor(f"blk.{i}.ssm_d", np.ones(inner, np.float32))
        add(f"blk.{i}.ssm_out.weight", n_embd, inner, scale=2.0)
    writer.add_tensor("output_norm.weight", np.ones(n_embd, np.float32))
    writer.add_tensor("output.weight", output_rows(n_embd, seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
