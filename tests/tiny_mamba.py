"""Writes a tiny recurrent model (mamba): its memory can be continued and copied, but not cut.

The vocabulary is that of the tiny llama model.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from .tiny import TEMPLATE, TOKENS, add_vocabulary, output_rows


def write_mamba(path: Path, *, n_layer: int = 4, n_embd: int = 64, seed: int = 0) -> Path:
    """A mamba model with random F32 weights; equal arguments give equal weights."""
    n_inner, n_state, n_rank, n_conv = 2 * n_embd, 8, 4, 4
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_name("tiny-mamba")
    writer.add_block_count(n_layer)
    writer.add_context_length(4096)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(n_conv)
    writer.add_ssm_inner_size(n_inner)
    writer.add_ssm_state_size(n_state)
    writer.add_ssm_time_step_rank(n_rank)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_vocabulary(writer, TEMPLATE)
    rng = np.random.default_rng(seed)

    def add(name: str, rows: int, columns: int) -> None:
        weights = rng.standard_normal((rows, columns)) / np.sqrt(columns)
        writer.add_tensor(name, weights.astype(np.float32))

    def add_line(name: str, size: int, low: float, high: float) -> None:
        writer.add_tensor(name, rng.uniform(low, high, size).astype(np.float32))

    embeddings = rng.standard_normal((TOKENS, n_embd)).astype(np.float32)
    writer.add_tensor("token_embd.weight", embeddings)
    for i in range(n_layer):
        add_line(f"blk.{i}.attn_norm.weight", n_embd, 0.5, 1.5)
        add(f"blk.{i}.ssm_in.weight", 2 * n_inner, n_embd)
        add(f"blk.{i}.ssm_conv1d.weight", n_inner, n_conv)
        add_line(f"blk.{i}.ssm_conv1d.bias", n_inner, -0.1, 0.1)
        add(f"blk.{i}.ssm_x.weight", n_rank + 2 * n_state, n_inner)
        add(f"blk.{i}.ssm_dt.weight", n_inner, n_rank)
        add_line(f"blk.{i}.ssm_dt.bias", n_inner, -1.0, 1.0)
        decay = -np.tile(np.arange(1, n_state + 1, dtype=np.float32), (n_inner, 1))
        writer.add_tensor(f"blk.{i}.ssm_a", decay)
        add_line(f"blk.{i}.ssm_d", n_inner, 0.5, 1.5)
        add(f"blk.{i}.ssm_out.weight", n_embd, n_inner)
    add_line("output_norm.weight", n_embd, 0.5, 1.5)
    writer.add_tensor("output.weight", output_rows(n_embd, seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
