"""Which model a transformers folder holds, in the terms of its GGUF file.

Does not know GGUF files: it says what a conversion of these weights would carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import InputError, ModelError
from edgesteer.identity import ModelIdentity, weights_id

__all__ = ["architecture_of", "folder_identity", "hf_identity"]

ARCHITECTURES = {
    "cohere": "command-r",
    "falcon_h1": "falcon-h1",
    "gemma3_text": "gemma3",
    "gpt_neox": "gptneox",
    "gpt_oss": "gpt-oss",
    "mistral": "llama",
    "mixtral": "llama",
    "phi": "phi2",
    "qwen2_moe": "qwen2moe",
    "qwen3_moe": "qwen3moe",
    "qwen3_next": "qwen3next",
}
"""model_type of transformers -> general.architecture of GGUF, where the two differ."""

SAME_NORMS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Families whose norm weights reach the GGUF file unchanged."""

_BLOCK = re.compile(r"(?:.*\.)?layers\.(\d+)\.(.+)\.weight")
_IN_BLOCK = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}


def hf_identity(model: Any, name: str) -> ModelIdentity:
    """The identity of a loaded transformers model.

    `weights_id` is computed where the norm weights of a GGUF file are the same numbers and were not
    rounded in loading, else it is "".
    """
    config = model.config.get_text_config()
    return ModelIdentity(
        architecture=architecture_of(config.model_type),
        n_layer=int(config.num_hidden_layers),
        n_embd=int(config.hidden_size),
        name=name,
        weights_id=_weights_id(model, config.model_type),
    )


def folder_identity(folder: Path) -> ModelIdentity:
    """The identity of a transformers folder by its configuration alone, without `weights_id`.

    Raises ModelError when there is no configuration that says it.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        inner = config.get("text_config", config)
        return ModelIdentity(
            architecture=architecture_of(inner.get("model_type", config["model_type"])),
            n_layer=inner["num_hidden_layers"],
            n_embd=inner["hidden_size"],
            name=folder.name,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise ModelError(
            f"{folder} is no folder of a transformers model: {error}",
            "it holds config.json beside the weights",
        ) from error


def architecture_of(model_type: str) -> str:
    """The GGUF name of a transformers model type.

    >>> architecture_of("mistral"), architecture_of("qwen2")
    ('llama', 'qwen2')
    """
    return ARCHITECTURES.get(model_type, model_type)


def _weights_id(model: Any, model_type: str) -> str:
    """What `edgesteer.identity` computes from the GGUF file of the same weights."""
    import torch

    if model_type not in SAME_NORMS or model.dtype != torch.float32:
        return ""
    return weights_id(_norms(model.named_parameters()))


def _norms(parameters: Iterable[tuple[str, Any]]) -> dict[str, NDArray[np.float32]]:
    """GGUF name -> float32 array, of every norm weight."""
    found: dict[str, NDArray[np.float32]] = {}
    for name, parameter in parameters:
        block = _BLOCK.fullmatch(name)
        if block and block[2] in _IN_BLOCK:
            gguf_name = f"blk.{block[1]}.{_IN_BLOCK[block[2]]}.weight"
        elif not block and name.endswith("norm.weight"):
            gguf_name = "output_norm.weight"
        else:
            continue
        found[gguf_name] = parameter.detach().cpu().numpy()
    return found
