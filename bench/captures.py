"""Capture: llama.cpp against torch on the same pairs, and what capture costs as its work grows.

Knows nothing of what is made of the activations, but for how long the methods take.

python -m bench capture

Each reader runs in a process of its own, in turns (thread pools of two engines in one process slow
each other down); only reading is timed, not opening. Rows of all layers, at the last token.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.child import Child
from bench.copies import fastest
from bench.process import peak
from bench.rounds import interleave, median, ratio
from convert.directions import METHODS, Contrast
from convert.quality import judge
from edgesteer import Library, Model
from edgesteer.engine.requantise import requantise
from tests.tiny import CHARACTERS, write_model

N_PAIRS = 48
TRAIT = "calm"


def measure(rounds: int = 3, threads: int = 2) -> dict[str, Any]:
    """Every part."""
    with TemporaryDirectory() as folder:
        path = Library(folder).find_model("smollm2").path
        copy = requantise(path, Path(folder) / "copy.gguf", made := fastest())
        return {
            "working copy": made,
            **_readers(path, copy, rounds, threads),
            **_growth(path, threads),
            **_widths(Path(folder), threads),
            "seconds of a method and its quality, 64 pairs, 29 layers": methods(),
            "peak MB of extracting": _memory(path, threads),
        }


def _readers(path: Path, copy: Path, rounds: int, threads: int) -> dict[str, Any]:
    kinds = {
        "llama": ("llama", path),
        "llama, working copy": ("llama", copy),
        "llama, one at a time": ("alone", path),
        "torch float32": ("torch float32", path),
        "torch bfloat16": ("torch bfloat16", path),
    }
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(Reader(kind, where, threads))
            for name, (kind, where) in kinds.items()
        }
        seconds = interleave(readers, rounds)
        n_tokens = readers["llama"].n_tokens
    speed = {name: [1 / s for s in each] for name, each in seconds.items()}
    return {
        "pairs a second": {n: round(N_PAIRS * median(v), 2) for n, v in speed.items()},
        "tokens a second": {n: round(n_tokens * median(v)) for n, v in speed.items()},
        "llama / torch float32": ratio(speed, "llama", "torch float32"),
        "llama / torch bfloat16": ratio(speed, "llama", "torch bfloat16"),
        "working copy / torch float32": ratio(speed, "llama, working copy", "torch float32"),
        "working copy / torch bfloat16": ratio(speed, "llama, working copy", "torch bfloat16"),
        "llama / one at a time": ratio(speed, "llama", "llama, one at a time"),
        "working copy / file": ratio(speed, "llama, working copy", "llama"),
    }


class Reader(Child):
    """A reader in a process of its own; calling it reads the pairs once and returns seconds."""

    def __init__(self, kind: str, path: Path, threads: int) -> None:
        super().__init__("bench.captures", kind, str(path), str(threads))
        self.n_tokens = int(self.answer())


def _timed(capture: Any, passages: Sequence[Any], layers: Any = None) -> float:
    start = time.perf_counter()
    capture.capture(passages, layers)
    return time.perf_counter() - start


def _passages(capture: Any, n_pairs: int = N_PAIRS) -> list[Any]:
    from convert.traits import load_trait

    return list(load_trait(TRAIT).limited(n_pairs).render(capture.render).passages)


def _fresh(path: Path, threads: int, read: Callable[[Any], float]) -> float:
    """The figure of a model that was just opened: nothing of it is cached."""
    from convert.capture.llama import LlamaCapture

    with Model.open(path, n_ctx=4096, threads=threads) as model:
        return read(LlamaCapture(model))


def _alone(path: Path, threads: int, texts: list[Any]) -> float:
    """Seconds of all texts one after the other, nothing shared, by those of every eighth."""
    few = texts[::8]
    each = [_fresh(path, threads, lambda c, one=one: _timed(c, [one])) for one in few]
    return sum(each) * len(texts) / len(few)


def _growth(path: Path, threads: int) -> dict[str, Any]:
    """Seconds as pairs and layers grow."""

    def seconds(n_pairs: int, layers: Any = None) -> float:
        found = [
            _fresh(path, threads, lambda c: _timed(c, _passages(c, n_pairs), layers))
            for _ in range(2)
        ]
        return round(min(found), 2)

    return {
        "seconds by pairs": {n: seconds(n) for n in (12, 24, 48, 96)},
        "seconds by the last layer read": {n: seconds(24, [n]) for n in (1, 8, 15, 22, 29)},
    }


def _widths(folder: Path, threads: int) -> dict[str, Any]:
    """Microseconds a token of a made-up model of eight layers, as it grows wider."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(CHARACTERS[2:60]), 64)) for _ in range(32)]
    found = {}
    for width in (128, 256, 512, 1024):
        file = write_model(folder / f"{width}.gguf", n_layer=8, n_embd=width, n_head=8)
        best = min(_fresh(file, threads, lambda c: _timed(c, texts)) for _ in range(2))
        found[width] = round(1e6 * best / (32 * 65), 1)
    return {"microseconds a token by width": found}


def methods(n: int = 64, layers: int = 29, width: int = 576) -> dict[str, float]:
    """Seconds of processor time of each method with its figures of quality."""
    rng = np.random.default_rng(0)
    positive, negative, neutral = rng.standard_normal((3, n, layers, width), np.float32)
    contrast = Contrast(positive + 0.2, negative, neutral=neutral, baseline=np.arange(n))
    found = {}
    for name, method in METHODS.items():
        start = time.process_time()
        judge(contrast, method, found=method(contrast))
        found[name] = round(time.process_time() - start, 2)
    return found


_EXTRACT = """
import sys
from convert.capture.llama import LlamaCapture
from convert.pairs import ContrastPairs
from convert.extract import extract
from edgesteer import Model
path, threads, words = sys.argv[1], *map(int, sys.argv[2:])
more = "and so on " * (words // 3)
pairs = ContrastPairs.of([(f"{more} yes {i}", f"{more} no {i}") for i in range(24)])
with Model.open(path, n_ctx=2048, threads=threads) as model:
    extract(pairs, LlamaCapture(model))
"""


def _memory(path: Path, threads: int) -> dict[str, Any]:
    """Of a whole process that makes a vector of 24 pairs, by the length of its texts."""
    return {
        f"{words} words a text": round(
            peak([sys.executable, "-c", _EXTRACT, str(path), str(threads), str(words)]), 1
        )
        for words in (12, 120, 1200)
    }


def main(kind: str, path: str, threads: int) -> None:
    """Tell the number of tokens, then answer every line on stdin with the seconds of one round."""
    name, _, dtype = kind.partition(" ")
    if name == "torch":
        import torch

        from convert.capture.torch import TorchCapture

        torch.set_num_threads(threads)
        capture = TorchCapture.open(path, device="cpu", dtype=dtype)
        passages = _passages(capture)
        print(sum(len(capture.tokens.encode(p.text)) for p in passages), flush=True)
        for _ in sys.stdin:
            print(_timed(capture, passages), flush=True)
        return
    with Model.open(path, n_ctx=4096, threads=threads) as model:
        from convert.capture.llama import LlamaCapture

        texts = _passages(LlamaCapture(model))
        print(sum(len(model.tokenize(p.text)) for p in texts), flush=True)
    for _ in sys.stdin:
        if name == "alone":
            print(_alone(Path(path), threads, texts), flush=True)
        else:
            print(_fresh(Path(path), threads, lambda c: _timed(c, texts)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
