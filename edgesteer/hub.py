"""Fetching a GGUF model from the Hugging Face hub: the one place that uses the network, when asked.

Does not know the library: the file goes into the hub's own cache, which other programs share.

    hf://OWNER/REPO/FILE.gguf            FILE may lie in folders
    hf://OWNER/REPO@REVISION/FILE.gguf   a branch, a tag or a commit; default main

What comes back is told by commit, so that the same bytes can be fetched again, and by its SHA-256,
which is held against the one that the hub files it under.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from edgesteer.errors import InputError, MissingExtraError, ModelError, NotFoundError

__all__ = ["Fetched", "HubFile", "fetch"]

_URI = re.compile(
    r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?/(?P<file>[^@?#]+\.gguf)",
    re.IGNORECASE,
)
_SHARD = re.compile(r"(.*-)([0-9]{5})(-of-)([0-9]{5})(\.gguf)", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_PARTS = 999


@dataclass(frozen=True)
class HubFile:
    """Where a file lies on the hub."""

    repo: str
    file: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubFile:
        """Reads hf://OWNER/REPO[@REVISION]/FILE.gguf. Raises InputError.

        >>> HubFile.parse("hf://owner/model-GGUF/model-q8_0.gguf").file
        'model-q8_0.gguf'
        """
        match = _URI.fullmatch(text)
        if not match or ".." in text.split("/"):
            raise InputError(
                f"{text[:200]!r} names no GGUF file on the hub",
                "write hf://OWNER/REPO/FILE.gguf, or hf://OWNER/REPO@REVISION/FILE.gguf",
            )
        return cls(match["repo"], match["file"], match["revision"] or "main")

    def __str__(self) -> str:
        return f"hf://{self.repo}@{self.revision}/{self.file}"

    def parts(self) -> list[str]:
        """All files of a split model, in order; else the one file."""
        match = _SHARD.fullmatch(self.file)
        if not match or not 1 <= int(match[4]) <= _MOST_PARTS:
            return [self.file]
        start, _, of, total, end = match.groups()
        return [f"{start}{n:05d}{of}{total}{end}" for n in range(1, int(total) + 1)]


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched: where it lies, what it is called on the hub, by commit, its hash.

    Of a split model they are those of its first part.
    """

    path: Path
    source: HubFile
    sha256: str


def fetch(source: HubFile) -> Fetched:
    """Fetches the file (all parts of a split model) or finds it in the hub's cache.

    Raises MissingExtraError, NotFoundError, ModelError when there is no network or the bytes are
    not those that the hub lists.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors, utils
    except ImportError as error:
        raise MissingExtraError(
            "huggingface_hub is not installed", "pip install 'edgesteer[hub]'"
        ) from error
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    try:
        paths = [
            Path(huggingface_hub.hf_hub_download(source.repo, part, revision=source.revision))
            for part in source.parts()
        ]
    except errors.GatedRepoError as error:
        raise NotFoundError(
            f"{source.repo} is given to those alone who accepted its terms",
            "accept them on its page, then: hf auth login",
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise NotFoundError(
            f"the hub has no {source.repo} at {source.revision}, or not for you",
            "check the spelling; a private one needs: hf auth login",
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise NotFoundError(
            f"{source.repo} has no file {source.file}", "look at its list of files on the hub"
        ) from error
    except (errors.HFValidationError, errors.RevisionResolutionError) as error:
        raise InputError(
            f"the hub refuses {source}: {_first_line(error)}", "check the spelling"
        ) from error
    except (errors.HTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise ModelError(
            f"{source.file} could not be fetched: {_first_line(error)}",
            "is there a network, and space on the disk? What is here opens without: edgesteer "
            "models list",
        ) from error
    digests = [_checked(path) for path in paths]
    return Fetched(paths[0], _pinned(source, paths[0]), digests[0])


def _pinned(source: HubFile, path: Path) -> HubFile:
    """The same file by its commit, where the cache tells it: .../snapshots/COMMIT/FILE."""
    commits = [part for part in path.parts if _COMMIT.fullmatch(part)]
    return HubFile(source.repo, source.file, commits[-1] if commits else source.revision)


def _checked(path: Path) -> str:
    """The SHA-256 of the file. Raises ModelError where its place in the cache names another one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    listed = path.resolve().name
    if _DIGEST.fullmatch(listed) and listed != found:
        raise ModelError(
            f"{path} is damaged: its SHA-256 is {found}, the hub's is {listed}",
            f"delete {path.resolve()} and fetch it again",
        )
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
