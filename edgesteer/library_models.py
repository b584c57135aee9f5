"""The library's models: names -> GGUF files, registered, bundled or in other programs' caches.

Does not know vectors or recipes; opens no model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from edgesteer.atomic import write_atomic
from edgesteer.errors import FileWriteError, InputError, ModelError, NotFoundError
from edgesteer.model_places import (
    OLLAMA,
    ModelEntry,
    bundled_models,
    cache_folders,
    cached_models,
    gguf_models,
)
from edgesteer.names import check_file_name, did_you_mean, looks_like_path, slug
from edgesteer.working_copy import CopyShelf, split_name

__all__ = ["DEFAULT_MODEL", "ModelShelf"]

DEFAULT_MODEL = "smollm2"


class ModelShelf:
    """The models that one person can open on this machine."""

    home: Path
    cache: Path

    @property
    def models_folder(self) -> Path:
        """Where models may be put by hand."""
        return self.home / "models"

    @property
    def models_file(self) -> Path:
        """The list of registered models."""
        return self.home / "models.json"

    @cached_property
    def caches(self) -> dict[str, tuple[Path, ...]]:
        """The folders of other programs in which models are looked for."""
        return cache_folders()

    def models(self) -> list[ModelEntry]:
        """All models that are here: registered, bundled, in the home folder, in other caches.

        Every registered and bundled name is listed; a file that has one is not listed once more
        under the name that it has elsewhere. A name that is taken gets its folder's name in front.
        """
        taken: dict[str, ModelEntry] = {}
        seen: set[Path] = set()
        for entry, named in self._all_models():
            real = entry.path.resolve()
            if real in seen and not named:
                continue
            seen.add(real)
            name = entry.name
            if name in taken:
                name = f"{slug(entry.path.parent.name)}/{entry.name}"
            taken.setdefault(name, replace(entry, name=name))
        return list(taken.values())

    def find_model(self, name_or_path: str = DEFAULT_MODEL) -> ModelEntry:
        """The model of that name or path. Raises NotFoundError, with near names and a cure.

        A bundled model that comes in parts is joined into the cache first. NAME@FORMAT is the
        working copy of a model in that format.
        """
        for known in bundled_models():
            if known.name == name_or_path and name_or_path not in self._registered():
                joined = self._joined(known.file)
                entry = known.entry(joined)
                known.join(joined)
                return entry
        for entry in self.models():
            if entry.name == name_or_path:
                return entry
        path = Path(name_or_path).expanduser()
        if path.is_file():
            return ModelEntry(path.stem, path.absolute(), "file")
        original, format_name = split_name(name_or_path)
        if format_name:
            of = self.find_model(original)
            copy = CopyShelf(self).need(of.path, format_name, original)
            name = f"{of.name}@{format_name}"
            return ModelEntry(name, copy.path, f"working copy of {of.path}", of.licence)
        raise self._no_model(name_or_path, path)

    def add_model(
        self,
        path: str | os.PathLike[str],
        name: str = "",
        licence: str = "",
        *,
        replace: bool = False,
        source: str = "",
        sha256: str = "",
    ) -> ModelEntry:
        """Register a GGUF file where it lies; a file may have several names.

        `source` says where it came from and `sha256` what it was then; both are kept.
        A name of another file is refused unless `replace` is true, the name of a bundled model
        always. Raises NotFoundError, InputError, ModelError.
        """
        file = Path(path).expanduser().absolute()
        if not file.is_file():
            raise NotFoundError(f"there is no file {path}", "check the path")
        with file.open("rb") as head:
            if head.read(4) != b"GGUF":
                raise ModelError(
                    f"{path} is not a GGUF file",
                    "convert the model first with convert_hf_to_gguf.py of llama.cpp",
                )
        called = check_file_name(name or file.stem, "model")
        entry = ModelEntry(called, file, source or "registered", licence, sha256)
        if entry.name in {known.name for known in bundled_models()}:
            raise InputError(
                f"the name {entry.name!r} belongs to a model that comes as a package",
                "choose another one with --name",
            )
        others = [m for m in self.models() if m.name == entry.name and m.path != file]
        if others and not replace:
            raise InputError(
                f"the name {entry.name!r} belongs to {others[0].path} ({others[0].source})",
                "choose another one with --name, or give --force to replace it",
            )
        self._write_registered({**self._registered(), entry.name: entry})
        return entry

    def registered_model(self, name: str) -> ModelEntry:
        """The model that was registered under that name. Raises NotFoundError, InputError."""
        entry = self._registered().get(name)
        if entry is None:
            entry = self.find_model(name)
            raise InputError(
                f"{name!r} is not registered here: it comes from {entry.source}",
                f"remove it there: {entry.path}",
            )
        return entry

    def rm_model(self, name: str) -> ModelEntry:
        """Forget a registered model; its file stays. Raises NotFoundError, InputError."""
        entry = self.registered_model(name)
        self._write_registered({k: m for k, m in self._registered().items() if k != name})
        return entry

    def sha256(self, path: Path) -> str:
        """The sha256 of a model file, remembered by path, size and time of change."""
        state = path.stat()
        key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
        memory = self.cache / "sha256.json"
        known: dict[str, object] = {}
        with suppress(OSError, InputError):  # what can not be read is written anew
            known = _read_json(memory)
        if not isinstance(known.get(key), str):
            with path.open("rb") as file:
                known[key] = hashlib.file_digest(file, "sha256").hexdigest()
            with suppress(OSError, FileWriteError):  # then it is worked out anew the next time
                self.cache.mkdir(parents=True, exist_ok=True)
                _write_json(memory, known)
        return str(known[key])

    def _all_models(self) -> Iterator[tuple[ModelEntry, bool]]:
        """Each model file, and whether somebody gave it its name."""
        for entry in self._registered().values():
            yield entry, True
        for known in bundled_models():
            if known.installed():
                yield known.entry(self._joined(known.file)), True
        for path in gguf_models(self.models_folder):
            yield ModelEntry(path.stem, path, "library"), False
        for entry in cached_models(self.caches):
            yield entry, entry.source.startswith(OLLAMA)  # one blob may have several tags

    def _joined(self, file: str) -> Path:
        return self.cache / "models" / file

    def _registered(self) -> dict[str, ModelEntry]:
        return {
            name: ModelEntry(
                name,
                Path(fields["path"]),
                fields.get("source") or "registered",
                fields.get("licence", ""),
                fields.get("sha256", ""),
            )
            for name, fields in _read_json(self.models_file).items()
            if isinstance(fields, dict) and isinstance(fields.get("path"), str)
        }

    def _write_registered(self, entries: dict[str, ModelEntry]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        fields = {e.name: _kept_fields(e) for e in entries.values()}
        _write_json(self.models_file, fields)

    def _no_model(self, name: str, path: Path) -> NotFoundError:
        if looks_like_path(name, ".gguf"):
            return NotFoundError(f"there is no model file {name}", "check the path")
        if path.is_dir():
            return NotFoundError(
                f"{name} is a folder, not a GGUF file", "give the .gguf file in it"
            )
        near = did_you_mean(name, [m.name for m in self.models()])
        cure = "edgesteer models list shows what is here; edgesteer models add FILE adds one"
        return NotFoundError(f"no model {name!r} on this machine", f"{near} {cure}".strip())


def _kept_fields(entry: ModelEntry) -> dict[str, str]:
    """What is written of a registered model; where it came from only when that is known."""
    fields = {"path": str(entry.path), "licence": entry.licence}
    if entry.sha256:
        fields |= {"source": entry.source, "sha256": entry.sha256}
    return fields


def _read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file; empty when there is no file. Raises InputError on bad JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} can not be read: {error}", "mend the file, or delete it"
        ) from error
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    write_atomic(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
