"""Pictures of an index as batches to learn from: any order, any step, the same every time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from artsim.datatypes import Fit, Preprocessing
from artsim.loader import Loaded, load
from artsim.splits.stored import TEST, TRAIN, VAL
from artsim.store import Store
from artsim.training.shapes import in_shape
from artsim.training.tasks import Task

__all__ = ["SIDES", "Augmentation", "Batch", "Pictures", "Positions", "squashed"]

SIDES = (TRAIN, VAL, TEST)
_CACHED_BYTES = 2**30  # of decoded pictures that are kept from one epoch to the next

Rows = NDArray[np.int64]


def squashed(size: int) -> Preprocessing:
    """Bring a picture to a square of so many pixels, whatever its shape, and divide by 255."""
    return Preprocessing(
        size=(size, size),
        scale=(size, size),
        fit=Fit.SQUASH,
        interpolation="bilinear",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        fill=(0, 0, 0),
    )


class Batch(NamedTuple):
    """Pictures that could be decoded, and what each is by task; see `Task.truth`."""

    rows: Tensor  # (B,) of the index
    pixels: Tensor  # (B, 3, H, W) uint8
    truth: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training pictures are varied. Every picture of every epoch has a draw of its own."""

    horizontal_flip: bool = False  # half of them
    vertical_flip: bool = False  # half of them
    rotation: float = 0.0  # degrees, at most, either way
    least_area: float = 1.0  # of the picture that a random crop keeps
    stretch: float = 1.0  # at most, of the crop's width against its height and the other way

    def __call__(self, pixels: Tensor, seed: Sequence[int]) -> Tensor:
        """Vary a picture, (3, H, W) uint8, by this seed."""
        rng = np.random.default_rng(seed)
        if self.least_area < 1:
            height, width = pixels.shape[1:]
            side = rng.uniform(self.least_area, 1) ** 0.5
            h, w = max(round(height * side), 1), max(round(width * side), 1)
            if self.stretch > 1:
                wider = self.stretch ** rng.uniform(-0.5, 0.5)
                h, w = min(round(h / wider), height), min(round(w * wider), width)
            top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
            pixels = functional.resized_crop(
                pixels, int(top), int(left), h, w, [height, width], antialias=True
            )
        if self.rotation:
            angle = rng.uniform(-self.rotation, self.rotation)
            pixels = functional.rotate(pixels, angle, v2.InterpolationMode.BILINEAR)
        if self.horizontal_flip and rng.random() < 0.5:
            pixels = functional.horizontal_flip(pixels)
        if self.vertical_flip and rng.random() < 0.5:
            pixels = functional.vertical_flip(pixels)
        return pixels


@dataclass
class Positions:
    """How far the training is; it goes into the checkpoint, so that no batch comes twice."""

    step: int = 0  # batches learned from
    skipped: dict[int, str] = field(default_factory=dict)  # rows that cannot be decoded, and why


class Pictures(LightningDataModule):
    """An index's pictures by side, as batches.

    The order of an epoch follows from the seed and the epoch alone, and a picture's variation from
    the seed, the epoch and its row: neither threads nor a stop and a resume change them.
    """

    def __init__(
        self,
        store: Store,
        tasks: Sequence[Task],
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        seed: int,
        workers: int,
        steps_per_epoch: int | None = None,
        augmentation: Augmentation = Augmentation(),
        shapes: NDArray[np.int64] | None = None,
    ) -> None:
        """Take what the tasks need of an index.

        Args:
            store: The index.
            tasks: Labels and sides.
            preprocessing: What each picture is brought to.
            batch_size: Pictures a step, of all GPUs together.
            seed: Of order and variation.
            workers: Threads that decode.
            steps_per_epoch: Batches an epoch; as many as there are if None.
            augmentation: Of train pictures, and of no others.
            shapes: What each row of the index is brought to, height and width in pixels, (N, 2);
                batches are of one shape then. The preprocessing's size if None.
        """
        super().__init__()
        root = Path(store.manifest.root)
        table = store.read(["id", "image"])
        self.ids: list[str] = table.column("id").to_pylist()
        self.tasks = tuple(tasks)
        self.preprocessing = preprocessing
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self.augmentation, self.shapes = augmentation, shapes
        self.positions = Positions()
        self.rows = {
            side: np.unique(np.concatenate([task.rows(side) for task in tasks])) for side in SIDES
        }
        self._files = [root / image for image in table.column("image").to_pylist()]
        self._truth = {
            side: {task.name: torch.from_numpy(task.truth(side)) for task in tasks}
            for side in SIDES
        }
        self._cache: dict[int, Tensor] = {}
        n_batches = len(self.batches(TRAIN))
        self.steps_per_epoch = min(steps_per_epoch or n_batches, n_batches)

    def train_dataloader(self) -> _Loader:
        """Give the batches of an epoch that are left."""
        return _Loader(self, TRAIN)

    def val_dataloader(self) -> _Loader:
        """Give the validation pictures."""
        return _Loader(self, VAL)

    def of_side(self, side: str) -> _Loader:
        """Give the pictures of a side as they are: in the order of their rows, shape by shape."""
        return _Loader(self, side, as_they_are=True)

    def batches(self, side: str, epoch: int | None = None) -> list[Rows]:
        """List the rows of each batch of a side, shuffled for an epoch or in their order."""
        rng = np.random.default_rng((self.seed, epoch or 0))
        rows = self.rows[side] if epoch is None else rng.permutation(self.rows[side])
        alike = [rows]
        if self.shapes is not None:
            _, shape = np.unique(self.shapes[rows], axis=0, return_inverse=True)
            alike = [rows[shape == number] for number in range(shape.max(initial=-1) + 1)]
        size = self.batch_size
        batches = [some[i : i + size] for some in alike for i in range(0, len(some), size)]
        if epoch is not None and self.shapes is not None:
            batches = [batches[place] for place in rng.permutation(len(batches))]
        return batches

    def shaped(self, row: int) -> Preprocessing:
        """Return what a row's picture is brought to."""
        if self.shapes is None:
            return self.preprocessing
        return in_shape(self.preprocessing, self.shapes[row])

    def decoded(self, rows: Rows) -> Generator[tuple[int, Tensor | None], None, None]:
        """Yield rows in this order with their pixels, or None for one that cannot be decoded."""
        wanted = ((int(row), self._files[row]) for row in rows if int(row) not in self._cache)
        size = 3 * int(np.prod(self.preprocessing.size))
        with closing(load(wanted, self.shaped, workers=self.workers)) as loading:
            for row in map(int, rows):
                if row in self._cache:
                    yield row, self._cache[row]
                    continue
                picture = next(loading)
                if not isinstance(picture, Loaded):
                    self.positions.skipped[row] = picture.reason
                    yield row, None
                    continue
                if (len(self._cache) + 1) * size <= _CACHED_BYTES:
                    self._cache[row] = picture.pixels
                yield row, picture.pixels

    def collect(self, side: str, found: Sequence[tuple[int, Tensor]]) -> Batch:
        """Make a batch of pictures that could be decoded."""
        rows = torch.tensor([row for row, _ in found], dtype=torch.int64)
        blank = torch.zeros(0, 3, *self.preprocessing.size, dtype=torch.uint8)
        pixels = torch.stack([each for _, each in found]) if found else blank
        return Batch(rows, pixels, {n: each[rows] for n, each in self._truth[side].items()})


class _Loader:
    """Batches of a side; Lightning asks for its length and goes through it once an epoch."""

    def __init__(self, pictures: Pictures, side: str, *, as_they_are: bool = False) -> None:
        self.pictures, self.side = pictures, side
        self.is_training = side == TRAIN and not as_they_are

    def __len__(self) -> int:
        if self.is_training:
            return self.pictures.steps_per_epoch
        return len(self.pictures.batches(self.side))

    def __iter__(self) -> Iterator[Batch]:
        pictures = self.pictures
        epoch, start = divmod(pictures.positions.step, pictures.steps_per_epoch)
        if self.is_training:
            batches = pictures.batches(self.side, epoch)[start : len(self)]
        else:
            batches = pictures.batches(self.side)
        if self.is_training and pictures.trainer is not None:  # each GPU takes its share
            rank, world = pictures.trainer.global_rank, pictures.trainer.world_size
            batches = [batch[rank::world] for batch in batches]
        decoded = pictures.decoded(np.concatenate([pictures.rows[self.side][:0], *batches]))
        with closing(decoded):
            for batch in batches:
                found = []
                for _ in batch:
                    row, pixels = next(decoded)
                    if pixels is None:
                        continue
                    if self.is_training:
                        pixels = pictures.augmentation(pixels, (pictures.seed, epoch, row))
                    found.append((row, pixels))
                yield pictures.collect(self.side, found)
