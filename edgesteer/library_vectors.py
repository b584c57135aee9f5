"""The library's vectors: names -> control-vector files, and which of several fits a model.

Does not know models' files or recipes, nor what a vector does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.errors import EdgesteerError, InputError, NotFoundError, VectorMismatchError
from edgesteer.names import check_file_name, did_you_mean, looks_like_path, slug

if TYPE_CHECKING:
    from edgesteer.identity import ModelIdentity
    from edgesteer.vector import ControlVector

__all__ = ["VectorEntry", "VectorShelf", "builtin_traits"]


@dataclass(frozen=True, slots=True)
class VectorEntry:
    """A vector file in the library. `name` finds it; `problem` says why it can not be read."""

    name: str
    path: Path
    vector: ControlVector | None = None
    problem: str = ""


class VectorShelf:
    """The vectors under one home folder."""

    home: Path

    @property
    def vectors_folder(self) -> Path:
        """Where vectors are kept."""
        return self.home / "vectors"

    def vector_names(self) -> list[str]:
        """The names of all vectors, sorted; reads no file."""
        return sorted({self._vector_name(path) for path in self._vector_files()})

    def vectors(self) -> list[VectorEntry]:
        """All vectors, read; a file that can not be read has its `problem` set."""
        from edgesteer.vector import ControlVector

        entries = []
        for path in self._vector_files():
            name = self._vector_name(path)
            try:
                entries.append(VectorEntry(name, path, ControlVector.load(path)))
            except EdgesteerError as error:
                entries.append(VectorEntry(name, path, None, error.message))
        return sorted(entries, key=lambda entry: entry.name)

    def find_vector(self, name_or_path: str, for_model: ModelIdentity | None = None) -> Path:
        """The file of a vector, by its name in the library or by its path.

        Several models may have a vector of one name: `for_model` picks the one that fits.
        Raises NotFoundError, or VectorMismatchError when all of that name are for other models.
        """
        path = Path(name_or_path).expanduser()
        if looks_like_path(name_or_path, ".gguf") and path.is_file():
            return path
        found = [p for p in self._vector_files() if name_or_path in (p.stem, self._vector_name(p))]
        if not found:
            raise self._no_vector(name_or_path)
        found.sort(key=lambda p: (p.parent != self.vectors_folder, p))
        return found[0] if for_model is None else _fitting(name_or_path, found, for_model)

    def load_vector(
        self, name_or_path: str, for_model: ModelIdentity | None = None
    ) -> ControlVector:
        """The vector of that name or path. Raises as find_vector, and VectorFileError."""
        from edgesteer.vector import ControlVector

        return ControlVector.load(self.find_vector(name_or_path, for_model))

    def save_vector(
        self, vector: ControlVector, name: str, *, model_name: str = "", replace: bool = False
    ) -> Path:
        """Keep a vector under `name`; returns its file.

        A vector of the same name that belongs to another model stays: this one then goes into the
        folder of its model. One for the same model is only overwritten when `replace` is true
        (else InputError).
        """
        check_file_name(name, "vector")
        path = self.vectors_folder / f"{name}.gguf"
        if path.exists() and not _same_model(path, vector):
            owner = vector.model
            folder = model_name or (owner.name or owner.architecture if owner else "unknown")
            path = self.vectors_folder / slug(folder) / f"{name}.gguf"
        if path.exists() and not replace:
            raise InputError(
                f"the library has a vector {name!r} already ({path})",
                "choose another --name, or give --force to replace it",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        vector.renamed(name).save(path)
        return path

    def rm_vector(self, name: str) -> Path:
        """Delete a vector of the library (never a file outside it); returns the path it had."""
        path = self.find_vector(name)
        if not path.is_relative_to(self.vectors_folder):
            raise InputError(
                f"{path} is not in the library, so it is not removed",
                "delete the file yourself; 'edgesteer vectors list' shows what the library has",
            )
        path.unlink()
        if path.parent != self.vectors_folder and not any(path.parent.iterdir()):
            path.parent.rmdir()
        return path

    def _vector_files(self) -> list[Path]:
        folder = self.vectors_folder
        return sorted([*folder.glob("*.gguf"), *folder.glob("*/*.gguf")])

    def _vector_name(self, path: Path) -> str:
        """'calm', or 'qwen/calm' when the plain name belongs to another model's vector."""
        inside = path.relative_to(self.vectors_folder).with_suffix("")
        alone = not (self.vectors_folder / path.name).exists()
        twins = list(self.vectors_folder.glob(f"*/{path.name}")) if alone else ()
        return inside.name if len(twins) == 1 else inside.as_posix()

    def _no_vector(self, name: str) -> NotFoundError:
        if looks_like_path(name, ".gguf"):
            return NotFoundError(f"there is no vector file {name}", "check the path")
        if name in builtin_traits():
            return NotFoundError(
                f"no vector {name!r} in the library yet; {name} is a built-in trait",
                f"edgesteer extract {name} -m MODEL",
            )
        known = self.vector_names()
        near = did_you_mean(name, [*known, *builtin_traits()])
        cure = (
            "edgesteer vectors list shows what there is"
            if known
            else f"edgesteer extract {next(iter(builtin_traits()), 'FILE')} -m MODEL makes one"
        )
        return NotFoundError(f"no vector {name!r} in the library", f"{near} {cure}".strip())


def builtin_traits() -> dict[str, Path]:
    """The contrast pairs that ship with the package: trait name -> file."""
    folder = Path(str(resources.files("edgesteer"))) / "traits"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _fitting(name: str, paths: Sequence[Path], model: ModelIdentity) -> Path:
    """The first of the vector files that fits the model; a file that names no model may fit."""
    from edgesteer.vector import ControlVector

    refusal: VectorMismatchError | None = None
    unknown: Path | None = None
    for path in paths:
        owner = ControlVector.load(path).model
        if owner is None:
            unknown = unknown or path
            continue
        try:
            model.check_fits(owner)
        except VectorMismatchError as error:
            refusal = refusal or error
        else:
            return path
    if unknown is not None:
        return unknown
    raise VectorMismatchError(
        f"the vector {name!r} does not fit this model: {refusal}",
        f"edgesteer extract {name} -m MODEL"
        if name in builtin_traits()
        else (refusal.hint if refusal else ""),
    )


def _same_model(path: Path, vector: ControlVector) -> bool:
    from edgesteer.vector import ControlVector

    try:
        owner = ControlVector.load(path).model
        if owner is None or vector.model is None:
            return owner is None and vector.model is None
        owner.check_fits(vector.model)
    except EdgesteerError:
        return False
    return True
