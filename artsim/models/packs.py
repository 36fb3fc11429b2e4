"""Packs: a model in one file, for machines without a network.

A pack is a zip archive, not compressed, of ``pack.json`` (the spec, preprocessing, source, license
and checksums) and ``weights.safetensors``; of ``tokenizer.json``, if the words of the model are
split by a tokenizer of the Hugging Face hub; and of compiled forms, if they were asked for: what
`artsim.models.cache` keeps, each entry in a folder of its key. Packs may come from anyone: nothing
in them is run, no name in them becomes a path, and what they hold is compared with its checksum
before it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from platformdirs import user_data_path

from artsim.datatypes import (
    ExtractorSpec,
    Passport,
    Preprocessing,
    parse_spec,
    read_preprocessing,
)
from artsim.errors import ModelError
from artsim.models.cache import read_entry, write_entry

if TYPE_CHECKING:
    from torch import Tensor

PACK = "pack"  # the source of a spec that names a pack: pack:NAME
SUFFIX = ".artsim"
IN_INDEX = f"model{SUFFIX}"  # the pack of an index's own network, in its folder

_FORMAT = 1
_FACTS, _WEIGHTS, _TOKENIZER = "pack.json", "weights.safetensors", "tokenizer.json"
_MOST = {_FACTS: 1 << 20, _WEIGHTS: 32 << 30, _TOKENIZER: 256 << 20}  # bytes of each
_COMPILED = re.compile(r"[0-9a-f]{32}/(?:(network|words)\.(xml|bin)|expected\.npy|tokenizer\.json)")
_MOST_COMPILED = {"xml": 64 << 20, "bin": 32 << 30, "npy": 64 << 20, "json": 64 << 20}
_OTHER_TOKENIZER = "its tokenizer is not the one that was packed"
_OTHER_FORMS = "its compiled forms are not those that were packed"
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class TokenizerFacts:
    """How ``tokenizer.json`` is used."""

    sha256: str  # of the file
    clean: str  # what open_clip does to a text before: whitespace, lower or canonicalize
    zeroed: int | None  # the token that becomes 0


@dataclass(frozen=True, kw_only=True)
class CompiledFacts:
    """Compiled forms of the model: its pictures', and its words' if they can be compiled."""

    passport: Mapping[str, Any]  # of the vectors that they make
    files: Mapping[str, Mapping[str, str]]  # by key of the cache: their names, and sha256 of each


@dataclass(frozen=True, kw_only=True)
class PackFacts:
    """What a pack says of its model."""

    name: str
    spec: str  # of the network, without taps
    network_sha256: str  # of its tensors, as in a passport
    weights_source: str  # where the weights came from
    license: str
    preprocessing: Preprocessing
    versions: Mapping[str, str]  # of what packed it
    file_sha256: str  # of weights.safetensors
    tokenizer: TokenizerFacts | None = None  # None: open_clip's own, or no words
    compiled: CompiledFacts | None = None


def read_facts(file: Path) -> PackFacts:
    """Read what a pack says of its model; the weights are not read.

    Raises:
        ModelError: If it is no pack, damaged, too large, or of another format.
    """
    with _opened(file) as archive:
        return _facts(file, archive)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read the weights of a pack, compared with their checksum.

    Raises:
        ModelError: As `read_facts`, or if the weights are not those that were packed.
    """
    import safetensors.torch

    with _opened(file) as archive:
        facts = _facts(file, archive)
        data = archive.read(_WEIGHTS)
        if hashlib.sha256(data).hexdigest() != facts.file_sha256:
            raise ValueError("its weights are not those that were packed")
        return safetensors.torch.load(data)


def read_tokenizer(file: Path) -> tuple[TokenizerFacts, str] | None:
    """Read the tokenizer of a pack, compared with its checksum, if it has one.

    Raises:
        ModelError: As `read_facts`, or if the tokenizer is not the one that was packed.
    """
    with _opened(file) as archive:
        facts = _facts(file, archive)
        return None if facts.tokenizer is None else (facts.tokenizer, _tokenizer(facts, archive))


def check_pack(file: Path) -> PackFacts:
    """Read a pack as a whole and compare its checksums.

    Raises:
        ModelError: As `read_tensors`.
    """
    with _opened(file) as archive:
        facts = _facts(file, archive)
        with archive.open(_WEIGHTS) as stream:
            if _sha256(stream) != facts.file_sha256:
                raise ValueError("its weights are not those that were packed")
        if facts.tokenizer is not None:
            _tokenizer(facts, archive)
        for key in facts.compiled.files if facts.compiled else ():
            _check_compiled(facts, archive, key)
        return facts


def kept_entry(key: str, pack: Path | None) -> Path | None:
    """Return the folder of an entry of the cache, brought there from a pack if it is missing.

    None if neither has it whole.
    """
    folder = read_entry(key)
    if folder is not None or pack is None:
        return folder
    try:
        with _opened(pack) as archive:
            facts = _facts(pack, archive)
            if facts.compiled is None or key not in facts.compiled.files:
                return None
            _check_compiled(facts, archive, key)
            names = facts.compiled.files[key]

            def fill(folder: Path) -> None:
                for name in names:
                    with archive.open(f"{key}/{name}") as source, (folder / name).open("wb") as to:
                        shutil.copyfileobj(source, to)

            write_entry(key, fill)
    except ModelError:  # the weights of the pack serve, if they are whole
        return None
    return read_entry(key)


def write_pack(
    stream: IO[bytes],
    facts: PackFacts,
    tensors: Mapping[str, Tensor],
    tokenizer: str | None = None,
    compiled: Mapping[str, Path] | None = None,
) -> None:
    """Write a pack; ``file_sha256`` of the facts is filled in.

    ``compiled`` are the files of compiled forms, by their names in the pack.
    """
    import safetensors.torch

    data = safetensors.torch.save({name: each.contiguous() for name, each in tensors.items()})
    facts = replace(facts, file_sha256=hashlib.sha256(data).hexdigest())
    text = json.dumps({"format": _FORMAT, **asdict(facts)}, indent=1)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        # A fixed date: the same model gives the same file.
        archive.writestr(zipfile.ZipInfo(_FACTS), text)
        with archive.open(zipfile.ZipInfo(_WEIGHTS), "w", force_zip64=True) as member:
            member.write(data)
        if tokenizer is not None:
            archive.writestr(zipfile.ZipInfo(_TOKENIZER), tokenizer)
        for name, file in (compiled or {}).items():
            entry = archive.open(zipfile.ZipInfo(name), "w", force_zip64=True)
            with file.open("rb") as source, entry as member:
                shutil.copyfileobj(source, member)


def check_name(name: str) -> str:
    """Return the name of a pack, if it is one.

    Raises:
        ModelError: If it is not.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name of a pack; use letters, digits, - and _")
    return name


def packs_folder() -> Path:
    """Return the folder of the packs that were added on this machine."""
    return user_data_path("artsim") / "packs"


def list_packs() -> list[Path]:
    """List the packs that were added on this machine."""
    return sorted(packs_folder().glob(f"*{SUFFIX}"))


def unpack_spec(spec: ExtractorSpec, weights: Path | None) -> tuple[ExtractorSpec, Path | None]:
    """Return the spec and weights that ``pack:NAME`` stands for; others as they are.

    Raises:
        ModelError: If no pack of that name was added, or it is damaged.
    """
    if spec.source != PACK:
        return spec, weights
    file = packs_folder() / f"{check_name(spec.arch)}{SUFFIX}"
    if weights is not None:
        raise ModelError(f"{spec.network} has weights of its own; leave out --weights")
    if not file.is_file():
        known = ", ".join(each.stem for each in list_packs()) or "none"
        raise ModelError(
            f"no pack {spec.arch!r} was added on this machine, only {known}; add one with "
            "'artsim models --add FILE.artsim'"
        )
    return replace(parse_spec(read_facts(file).spec), taps=spec.taps), file


def is_pack(file: Path | None) -> bool:
    """Return whether a file of weights is a pack, by its name."""
    return file is not None and file.suffix == SUFFIX


def source_of(file: Path) -> str:
    """Return what a passport says of a file of weights, or a pack."""
    return f"{PACK if is_pack(file) else 'file'}:{file.resolve()}"


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a pack, and turn whatever is wrong with it into one line."""
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive)
            yield archive
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"the pack {str(file)!r} cannot be read ({reason}); copy it again, or make it again "
            "with 'artsim pack'"
        ) from error
    except Exception as error:  # safetensors raises an exception of its own
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"the weights of the pack {str(file)!r} are damaged ({error})") from error


def _check_members(archive: zipfile.ZipFile) -> None:
    members = {each.filename: each for each in archive.infolist()}
    single = {name for name in members if not _COMPILED.fullmatch(name)}
    if single - {_TOKENIZER} != {_FACTS, _WEIGHTS} or len(archive.infolist()) != len(members):
        raise ValueError(
            f"expected {_FACTS} and {_WEIGHTS}, and at most {_TOKENIZER} and compiled forms besides"
        )
    for name, each in members.items():
        most = _MOST[name] if name in single else _MOST_COMPILED[name.rpartition(".")[2]]
        if each.compress_type != zipfile.ZIP_STORED or each.compress_size != each.file_size:
            raise ValueError(f"{name} is compressed")
        if each.file_size > most:
            raise ValueError(f"{name} has {each.file_size:,} bytes, at most {most:,} are read")


def _facts(file: Path, archive: zipfile.ZipFile) -> PackFacts:
    values = json.loads(archive.read(_FACTS))
    if not isinstance(values, dict):
        raise ValueError(f"{_FACTS} is no JSON object")
    found = values.pop("format", None)
    if found != _FORMAT:
        raise ModelError(
            f"the pack {str(file)!r} has format {found!r}, this artsim reads {_FORMAT}; "
            "update artsim, or make it again with 'artsim pack'"
        )
    packed, compiled = values.pop("tokenizer", None), values.pop("compiled", None)
    facts = PackFacts(
        **{**values, "preprocessing": read_preprocessing(values["preprocessing"])},
        tokenizer=None if packed is None else TokenizerFacts(**packed),
        compiled=None if compiled is None else CompiledFacts(**compiled),
    )
    if (facts.tokenizer is not None) != (_TOKENIZER in archive.namelist()):
        raise ValueError(_OTHER_TOKENIZER)
    forms = facts.compiled.files if facts.compiled else {}
    named = {f"{key}/{name}" for key, names in forms.items() for name in names}
    if named != set(filter(_COMPILED.fullmatch, archive.namelist())):
        raise ValueError(_OTHER_FORMS)
    if facts.compiled is not None:
        made = Passport.from_json(dict(facts.compiled.passport))
        if made.weights_sha256 != facts.network_sha256:
            raise ValueError(_OTHER_FORMS)
    texts = (facts.name, facts.spec, facts.network_sha256, facts.weights_source, facts.license)
    if not all(isinstance(each, str) for each in texts):
        raise ValueError(f"{_FACTS} has values that are no text")
    check_name(facts.name)
    if parse_spec(facts.spec).source == PACK:
        raise ValueError("it names another pack")
    return facts


def _tokenizer(facts: PackFacts, archive: zipfile.ZipFile) -> str:
    data = archive.read(_TOKENIZER)
    assert facts.tokenizer is not None
    if hashlib.sha256(data).hexdigest() != facts.tokenizer.sha256:
        raise ValueError(_OTHER_TOKENIZER)
    return data.decode()


def _check_compiled(facts: PackFacts, archive: zipfile.ZipFile, key: str) -> None:
    assert facts.compiled is not None
    for name, sha256 in facts.compiled.files[key].items():
        with archive.open(f"{key}/{name}") as stream:
            if _sha256(stream) != sha256:
                raise ValueError(_OTHER_FORMS)


def _sha256(stream: IO[bytes]) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # a zip's member can be read like a file
