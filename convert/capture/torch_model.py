"""Opening a transformers model for reading: an HF folder, a GGUF file, or a hub id when asked.

Does not know what is read from it. Code that comes with a model is never run, and nothing is
downloaded unless `allow_download` says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.capture.hf_identity import hf_identity
from convert.capture.tokens import Tokens, gguf_adds_bos, hf_adds_bos
from edgesteer.errors import DeviceError, InputError, MissingExtraError, ModelError, NotFoundError
from edgesteer.identity import ModelIdentity, read_model_identity

__all__ = ["DTYPES", "OpenModel", "find_blocks", "open_model", "pick_device"]

DTYPES = ("float32", "bfloat16", "float16")
_SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}\.gguf$")
_LOADING = (
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What transformers raises when it can not load a model."""


@dataclass(frozen=True)
class OpenModel:
    """A loaded transformers model, in evaluation mode, with its tokens and identity."""

    model: Any
    tokens: Tokens
    identity: ModelIdentity


def open_model(
    source: str | os.PathLike[str], *, device: str, dtype: str, allow_download: bool
) -> OpenModel:
    """Loads `source` onto a torch device.

    Raises MissingExtraError without torch and transformers, NotFoundError when nothing is there,
    DeviceError when the device is not, InputError for an unknown dtype, ModelError for the rest.
    """
    check_installed()
    if dtype not in DTYPES:
        raise InputError(f"{dtype!r} is not a number format", f"write {', '.join(DTYPES)}")
    target = pick_device(device)
    path = Path(source).expanduser()
    if not path.exists() and not allow_download:
        raise NotFoundError(
            f"there is no model folder or GGUF file {source}",
            "give a folder with config.json or a .gguf file; hub ids need a download",
        )
    with _quiet():
        opened = (
            _open_gguf(path, dtype)
            if path.is_file()
            else _open_hf(str(path) if path.exists() else os.fspath(source), dtype, allow_download)
        )
    opened.model.eval().to(target)
    _check_causal(opened.model, source)
    return opened


def _check_causal(model: Any, source: str | os.PathLike[str]) -> None:
    """Raises ModelError when what is said behind a token depends on a later one."""
    import torch

    ids = torch.tensor([[1, 2], [1, 3]], device=model.device)
    with torch.inference_mode():
        first = model(input_ids=ids, use_cache=False).logits[:, 0].float()
    if not torch.allclose(first[0], first[1], rtol=1e-2, atol=1e-3):
        raise ModelError(
            f"{source} reads ahead: it is no model that writes from left to right",
            "give a decoder, such as those that llama.cpp runs",
        )


def check_installed() -> None:
    """Raises MissingExtraError when torch or transformers is not installed."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"the torch capture needs {package}, which is not installed",
                "pip install 'edgesteer[convert]', or capture with llama, which needs neither",
            )


def pick_device(device: str) -> str:
    """The torch device for "auto", "cpu", "gpu", "cuda", "cuda:1" or "mps".

    Raises DeviceError when that device is not there, InputError for another word.
    """
    import torch

    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device in ("auto", "gpu"):
        found = next((name for name, there in have.items() if there), "")
        if found or device == "auto":
            return found or "cpu"
        raise DeviceError("torch sees no GPU", "use --device cpu, or install torch for your GPU")
    kind = device.partition(":")[0]
    if kind == "cpu":
        return "cpu"
    if kind not in have:
        raise InputError(f"{device!r} is not a device", "write auto, cpu, gpu, cuda or mps")
    count = torch.cuda.device_count() if kind == "cuda" else int(have[kind])
    number = device.partition(":")[2] or "0"
    if not number.isdecimal() or int(number) >= count:
        raise DeviceError(f"torch sees no {device}", "use --device cpu, or install torch for it")
    return device


def find_blocks(model: Any) -> Any:
    """The list of decoder blocks, found by structure: as long as the configuration says.

    Of several such lists (experts can be as many as blocks) the outermost is taken.
    Raises ModelError when there is none.
    """
    import torch

    wanted = int(model.config.get_text_config().num_hidden_layers)
    found = [
        (name.count("."), name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList)
        and len(module) == wanted
        and not {"vision", "visual", "encoder", "audio"} & set(re.split(r"[._]", name))
    ]
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no list of {wanted} decoder blocks",
            "capture with llama instead: it reads every model that llama.cpp runs",
        )
    return min(found, key=lambda entry: entry[:2])[2]


def _open_gguf(path: Path, dtype: str) -> OpenModel:
    from edgesteer.gguf_header import read_header

    identity = read_model_identity(path)
    if _SHARD.search(path.name):
        raise ModelError(
            f"{path} is part of a split model, which transformers does not read",
            "join the parts with llama-gguf-split --merge, or capture with llama",
        )
    where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    model, tokenizer = _load(where, str(path), dtype, allow_download=False)
    kv = read_header(path).kv
    return OpenModel(model, Tokens(tokenizer, adds_bos=gguf_adds_bos(kv)), identity)


def _open_hf(source: str, dtype: str, allow_download: bool) -> OpenModel:
    where = {"pretrained_model_name_or_path": source}
    model, tokenizer = _load(where, source, dtype, allow_download=allow_download)
    identity = hf_identity(model, Path(source).name)
    return OpenModel(model, Tokens(tokenizer, adds_bos=hf_adds_bos(tokenizer)), identity)


def _load(
    where: dict[str, str], source: str, dtype: str, *, allow_download: bool
) -> tuple[Any, Any]:
    import torch
    import transformers

    shared: dict[str, Any] = {
        **where,
        "local_files_only": not allow_download,
        "trust_remote_code": False,
    }
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**shared)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            **shared, dtype=getattr(torch, dtype), output_loading_info=True
        )
    except _LOADING as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ModelError(
            f"transformers can not open {source}: {reason}",
            "capture with llama reads every GGUF file that llama.cpp runs",
        ) from error
    missing = [key for key in report["missing_keys"] if not key.startswith("lm_head")]
    if missing or report["mismatched_keys"]:
        raise ModelError(
            f"{source} lacks weights that its configuration asks for "
            f"({', '.join(map(str, [*missing, *report['mismatched_keys']][:3]))}, ...)",
            "the folder is incomplete or its config.json is of another model",
        )
    return model, tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' own bars and notes off the screen while it loads.

    Its GGUF reader has a bar that no setting turns off, so stderr is taken away as well.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
