"""Images of an index as training batches: the same order and variation at every run of a seed."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from artsim.datatypes import Preprocessing
from artsim.loader import Loaded, load
from artsim.places import picture_file
from artsim.splits import TEST, TRAIN, VAL
from artsim.store import Store
from artsim.training.run import Run
from artsim.training.shapes import in_shape, nearest_shapes
from artsim.training.tasks import TrainingTask

SPLITS = (TRAIN, VAL, TEST)
_AHEAD = 2  # batches that are made before they are trained on
_CACHED_BYTES = 2**30  # of decoded images, kept from one epoch to the next

Rows = NDArray[np.int64]


class Batch(NamedTuple):
    """Images that could be decoded, with their true classes by task; see `TrainingTask.truth`."""

    rows: Tensor  # (B,) of the index
    pixels: Tensor  # (B, 3, H, W) uint8
    truth: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random variation of training pictures, drawn again for every picture in every epoch."""

    horizontal_flip: bool = False  # of half of the images
    vertical_flip: bool = False  # of half of the images
    rotation: float = 0.0  # degrees, at most, in both directions
    least_area: float = 1.0  # share of the image that a random crop keeps at least
    stretch: float = 1.0  # largest change of the crop's aspect ratio, wider or taller

    @classmethod
    def of(cls, config: object) -> Augmentation:
        """Take the settings of a recipe's config that have these names."""
        return cls(**{each.name: getattr(config, each.name) for each in fields(cls)})

    def __call__(self, pixels: Tensor, seed: Sequence[int]) -> Tensor:
        """Vary an image, (3, H, W) uint8, by this seed."""
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
class TrainingState:
    """How far the training is; stored in the checkpoint, so that no batch is repeated."""

    step: int = 0  # batches trained on
    skipped: dict[int, str] = field(default_factory=dict)  # reasons by row that cannot be decoded


class TrainingData(LightningDataModule):
    """An index's images by split, as batches.

    The order of an epoch depends on the seed and the epoch alone, and an image's variation on the
    seed, the epoch and its row: neither threads nor a stop and resume change them.
    """

    def __init__(
        self,
        store: Store,
        tasks: Sequence[TrainingTask],
        preprocessing: Preprocessing,
        run: Run,
        *,
        batch_size: int,
        steps_per_epoch: int | None = None,
        augmentation: Augmentation = Augmentation(),
        shapes: NDArray[np.int64] | None = None,
    ) -> None:
        """Read what the tasks need of an index.

        Args:
            store: The index.
            tasks: Labels and splits.
            preprocessing: Applied to each image.
            run: Its seed, for order and variation, and its decoding threads.
            batch_size: Images per step, of all GPUs together.
            steps_per_epoch: Batches per epoch; all batches if None.
            augmentation: Applied to training images only.
            shapes: Heights and widths in pixels, (S, 2): each image gets the one nearest to its
                own aspect ratio, and a batch has one shape. The preprocessing's size if None.
        """
        super().__init__()
        table = store.read(["id", "image", "width", "height"])
        self.ids: list[str] = table.column("id").to_pylist()
        self.tasks = tuple(tasks)
        self.preprocessing = preprocessing
        self.batch_size, self.seed, self.workers = batch_size, run.seed, run.workers
        self.augmentation, self.shapes = augmentation, shapes
        self._pinned = run.device.startswith("cuda")  # copied there beside a step
        self.state = TrainingState()
        self.rows = {
            split: np.unique(np.concatenate([task.rows(split) for task in tasks]))
            for split in SPLITS
        }
        self._files = [
            picture_file(store.manifest.root, image) for image in table.column("image").to_pylist()
        ]
        self._shape_of_row = None
        if shapes is not None:
            width, height = (table.column(name).to_pylist() for name in ("width", "height"))
            self._shape_of_row = nearest_shapes(width, height, shapes)  # (N, 2)
        self._truth = {
            split: {task.name: torch.from_numpy(task.truth(split)) for task in tasks}
            for split in SPLITS
        }
        self._cache: dict[int, Tensor] = {}
        n_batches = len(self.batches(TRAIN))
        self.steps_per_epoch = min(steps_per_epoch or n_batches, n_batches)

    def total_steps(self, epochs: int, max_steps: int | None) -> int:
        """Count the steps of these epochs, at most ``max_steps``."""
        return min(epochs * self.steps_per_epoch, max_steps or epochs * self.steps_per_epoch)

    def train_dataloader(self) -> _Loader:
        """Return the remaining batches of the current epoch."""
        return _Loader(self, TRAIN, vary=True)

    def val_dataloader(self) -> _Loader:
        """Return the validation images."""
        return _Loader(self, VAL)

    def of_split(self, split: str) -> _Loader:
        """Return the images of a split without variation: in row order, shape by shape."""
        return _Loader(self, split)

    def batches(self, split: str, epoch: int | None = None) -> list[Rows]:
        """List the rows of each batch of a split, shuffled for an epoch or in row order."""
        rng = np.random.default_rng((self.seed, epoch or 0))
        rows = self.rows[split] if epoch is None else rng.permutation(self.rows[split])
        of_one_shape = [rows]
        if self._shape_of_row is not None:
            _, shape = np.unique(self._shape_of_row[rows], axis=0, return_inverse=True)
            of_one_shape = [rows[shape == number] for number in range(shape.max(initial=-1) + 1)]
        size = self.batch_size
        batches = [some[i : i + size] for some in of_one_shape for i in range(0, len(some), size)]
        if epoch is not None and self._shape_of_row is not None:
            batches = [batches[place] for place in rng.permutation(len(batches))]
        return batches

    def preprocessing_of(self, row: int) -> Preprocessing:
        """Return the preprocessing of a row's image."""
        if self._shape_of_row is None:
            return self.preprocessing
        return in_shape(self.preprocessing, self._shape_of_row[row])

    def decoded(self, rows: Rows) -> Generator[tuple[int, Tensor | None], None, None]:
        """Yield rows in this order with their pixels, or None for one that cannot be decoded."""
        wanted = ((int(row), self._files[row]) for row in rows if int(row) not in self._cache)
        size = 3 * int(np.prod(self.preprocessing.size))
        with closing(load(wanted, self.preprocessing_of, workers=self.workers)) as loading:
            for row in map(int, rows):
                if row not in self._cache:
                    image = next(loading)
                    if not isinstance(image, Loaded):
                        self.state.skipped[row] = image.reason
                        yield row, None
                        continue
                    pixels = torch.from_numpy(image.pixels)
                    if (len(self._cache) + 1) * size > _CACHED_BYTES:
                        yield row, pixels
                        continue
                    self._cache[row] = pixels
                yield row, self._cache[row]

    def collect(self, split: str, images: Sequence[tuple[int, Tensor]]) -> Batch:
        """Make a batch of rows and pixels."""
        rows = torch.tensor([row for row, _ in images], dtype=torch.int64)
        blank = torch.zeros(0, 3, *self.preprocessing.size, dtype=torch.uint8)
        pixels = torch.stack([each for _, each in images]) if images else blank
        truth = {name: each[rows] for name, each in self._truth[split].items()}
        if self._pinned:
            rows, pixels = rows.pin_memory(), pixels.pin_memory()
            truth = {name: each.pin_memory() for name, each in truth.items()}
        return Batch(rows, pixels, truth)


class _Loader:
    """Batches of a split; Lightning reads its length and iterates over it once per epoch."""

    def __init__(self, data: TrainingData, split: str, *, vary: bool = False) -> None:
        self.data, self.split, self.vary = data, split, vary

    def __len__(self) -> int:
        return self.data.steps_per_epoch if self.vary else len(self.data.batches(self.split))

    def __iter__(self) -> Iterator[Batch]:
        """Make the next batches in a thread while one is trained on."""
        batches = self._batches()
        with closing(batches), ThreadPoolExecutor(1, thread_name_prefix="artsim-batches") as pool:
            waiting = deque(pool.submit(next, batches, None) for _ in range(_AHEAD))
            try:
                while (batch := waiting.popleft().result()) is not None:
                    waiting.append(pool.submit(next, batches, None))
                    yield batch
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _batches(self) -> Generator[Batch]:
        data = self.data
        epoch, start = divmod(data.state.step, data.steps_per_epoch)
        batches = data.batches(self.split, epoch if self.vary else None)
        if self.vary:
            batches = batches[start : len(self)]
            if data.trainer is not None:  # each GPU takes its share
                rank, world = data.trainer.global_rank, data.trainer.world_size
                batches = [batch[rank::world] for batch in batches]
        with closing(
            data.decoded(np.concatenate([data.rows[self.split][:0], *batches]))
        ) as decoded:
            for batch in batches:
                images = [
                    (
                        row,
                        data.augmentation(pixels, (data.seed, epoch, row)) if self.vary else pixels,
                    )
                    for row, pixels in itertools.islice(decoded, len(batch))
                    if pixels is not None
                ]
                yield data.collect(self.split, images)
