"""Batches in flight: vectors come later than they are begun, and the index is the same."""

import random
import threading
import time
import weakref

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import MeanColor, toy_passport

from artsim import images, loader
from artsim.embedding import Chunk, EmbedJob, EmbedSettings, embed_chunks, pipeline
from artsim.models import Extractor


class Streaming(MeanColor):
    """Computes when it is waited for, as a GPU does beside its caller; keeps a diary."""

    ahead = 3

    def __init__(self, room=100):
        super().__init__()
        self.diary = []
        self.room = room

    def begin(self, pixels):
        number = sum(kind == "begin" for kind, _ in self.diary)
        self.diary.append(("begin", number))

        def wait():
            self.diary.append(("wait", number))
            if len(pixels) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return self(np.stack(pixels))

        return wait

    def most_in_flight(self):
        steps = [1 if kind == "begin" else -1 for kind, _ in self.diary]
        return int(np.cumsum(steps).max())


@pytest.fixture
def museum(tmp_path, paint):
    for n in range(40):
        paint(tmp_path / "museum" / f"{n:02}.png", (6 * n, 255 - 6 * n, n), size=(30, 20))
    for n in (3, 17, 18, 39):
        (tmp_path / "museum" / f"{n:02}.png").write_text("not a picture")
    return tmp_path / "museum"


def receipts_of(museum, staging, backend, *, tiles=0, batch_size=4, advance=lambda *counts: None):
    """Embed 40 pictures in chunks of 16, 16 and 8."""
    passport = toy_passport()
    job = EmbedJob(
        root=museum,
        metadata=pa.schema([]),
        staging=staging,
        settings=EmbedSettings(batch_size=batch_size),
        tiles=tiles,
    )
    staging.mkdir()
    names = [f"{n:02}.png" for n in range(40)]
    rows = pa.table(
        {
            "id": names,
            "image": names,
            "file_bytes": pa.array([0] * 40, pa.int64()),
            "file_mtime_ns": pa.array([0] * 40, pa.int64()),
        }
    )
    chunks = [
        Chunk(number=number, rows=rows.slice(16 * number, 16), refused={2: "too large"})
        for number in range(3)
    ]
    yield from embed_chunks(chunks, job, Extractor(backend, passport), advance=advance)


def embedded(museum, staging, backend, **settings):
    """Return the parts and the failures of 40 pictures."""
    counts = []
    receipts = list(
        receipts_of(museum, staging, backend, advance=lambda *each: counts.append(each), **settings)
    )
    assert [receipt.number for receipt in receipts] == [0, 1, 2]
    assert np.sum(counts, axis=0).tolist() == [40, 6]
    parts = {file.name: file.read_bytes() for file in staging.iterdir()}
    failures = [(failure.id, failure.stage) for each in receipts for failure in each.failures]
    return parts, sorted(failures)


@pytest.mark.parametrize("tiles", [0, 2])
def test_vectors_that_come_later_make_the_same_parts(museum, tmp_path, tiles):
    plain = embedded(museum, tmp_path / "a", MeanColor(), tiles=tiles)
    streaming = Streaming()
    assert embedded(museum, tmp_path / "b", streaming, tiles=tiles) == plain
    assert len(plain[0]) == 3
    assert len(plain[1]) == 6
    assert {("02.png", "decode"), ("18.png", "decode"), ("34.png", "decode")} <= set(plain[1])


def test_so_many_batches_are_in_flight_and_are_fetched_in_order(museum, tmp_path):
    streaming = Streaming()
    embedded(museum, tmp_path / "a", streaming)
    assert streaming.most_in_flight() == 4  # three, and the next before the first is fetched
    waits = [number for kind, number in streaming.diary if kind == "wait"]
    assert waits == sorted(waits)


def test_a_batch_for_which_there_is_no_memory_is_computed_by_parts(museum, tmp_path):
    plain = embedded(museum, tmp_path / "a", MeanColor(), batch_size=8)
    streaming = Streaming(room=3)
    assert embedded(museum, tmp_path / "b", streaming, batch_size=8) == plain
    late = [n for n, (kind, _) in enumerate(streaming.diary) if kind == "wait"]
    assert len(late) < 40  # the size is kept that there is memory for, not tried each time


def test_an_error_of_the_network_that_is_no_shortage_is_raised(museum, tmp_path):
    class Wrong(Streaming):
        def begin(self, pixels):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        embedded(museum, tmp_path / "a", Wrong())


def test_order_does_not_depend_on_how_long_a_step_takes(museum, tmp_path, monkeypatch):
    plain = embedded(museum, tmp_path / "a", MeanColor())
    rng = random.Random(0)

    def delayed(step):
        def run(*values):
            time.sleep(rng.random() / 100)
            return step(*values)

        return run

    class Delayed(Streaming):
        def begin(self, pixels):
            return delayed(super().begin(pixels))

    monkeypatch.setattr(loader, "_load_one", delayed(loader._load_one))
    monkeypatch.setattr(pipeline, "write_part", delayed(pipeline.write_part))
    assert embedded(museum, tmp_path / "b", Delayed()) == plain


class Stopping(Streaming):
    """Ends at a step of the ninth batch, the first of the third chunk."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def begin(self, pixels):
        late = len(self.diary) and max(number for _, number in self.diary) == 7
        if late and self.step == "begin":
            raise ValueError("begin")
        wait = super().begin(pixels)

        def stop():
            raise ValueError("wait")

        return stop if late and self.step == "wait" else wait


@pytest.mark.parametrize("step", ["read", "begin", "wait", "advance", "write"])
def test_an_error_ends_every_thread_and_what_is_whole_is_kept(museum, tmp_path, monkeypatch, step):
    error = KeyboardInterrupt if step == "advance" else ValueError
    tried = 0

    def advance(now, _failed):
        nonlocal tried
        tried += now
        if step == "advance" and tried > 36:
            raise KeyboardInterrupt(step)

    def failing(real, name):
        def run(*values, **more):
            if step == name and values[1] == {"read": museum / "35.png", "write": 2}[name]:
                raise ValueError(step)
            return real(*values, **more)

        return run

    monkeypatch.setattr(images.ReadAhead, "reading", failing(images.ReadAhead.reading, "read"))
    monkeypatch.setattr(pipeline, "write_part", failing(pipeline.write_part, "write"))
    found = []
    receipts = receipts_of(museum, tmp_path / "a", Stopping(step), advance=advance)
    with pytest.raises(error, match=step):
        found.extend(receipt.number for receipt in receipts)
    # All pictures of the third chunk are asked for before the second is whole; its last batch is
    # in flight when the one before is added.
    assert found == {"read": [], "advance": [0, 1, 2]}.get(step, [0, 1])
    assert not [each.name for each in threading.enumerate() if "artsim" in each.name]


class Interrupted(Streaming):
    """Is interrupted at a step of the batch with this number, once."""

    def __init__(self, step, number):
        super().__init__()
        self.at = step, number

    def begin(self, pixels):
        wait = super().begin(pixels)
        number = self.diary[-1][1]
        if self.at == ("begin", number):
            raise KeyboardInterrupt

        def interrupted():
            if self.at == ("wait", number):
                self.at = None
                raise KeyboardInterrupt
            return wait()

        return interrupted


# The chunks have four, four and two batches; three are in flight when the next is begun.
@pytest.mark.parametrize(
    ("step", "number", "kept"),
    [
        ("begin", 3, []),
        ("begin", 4, [0]),
        ("begin", 7, [0]),
        ("begin", 8, [0, 1]),
        ("wait", 0, [0]),
        ("wait", 3, [0]),
        ("wait", 7, [0, 1, 2]),
    ],
)
def test_parts_that_are_begun_whole_are_kept_if_the_run_is_interrupted(
    museum, tmp_path, step, number, kept
):
    plain, _ = embedded(museum, tmp_path / "a", MeanColor())
    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(
            receipt.number
            for receipt in receipts_of(museum, tmp_path / "b", Interrupted(step, number))
        )
    assert found == kept
    names = sorted(plain)[: len(kept)]
    assert {file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()} == {
        name: plain[name] for name in names
    }


def test_a_part_whose_picture_was_lost_to_an_interrupt_is_not_written(
    museum, tmp_path, monkeypatch
):
    add, calls = pipeline._Part.add, []

    def interrupted(part, pictures, vectors, lost):
        calls.append(len(pictures))
        if len(calls) == 4:  # the second batch of the first chunk
            raise KeyboardInterrupt
        return add(part, pictures, vectors, lost)

    monkeypatch.setattr(pipeline._Part, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(receipts_of(museum, tmp_path / "a", Streaming()))
    assert calls[3] == 4
    assert list((tmp_path / "a").iterdir()) == []


def test_a_chunk_is_held_until_both_have_read_it_and_no_longer():
    """`itertools.tee` holds up to 57 chunks, with all their text."""
    alive = weakref.WeakValueDictionary()

    def chunk(number):
        return alive.setdefault(number, Chunk(number=number, rows=None))

    now, ahead = pipeline._twice(map(chunk, range(9)))
    numbers = [next(now).number]
    assert [next(ahead).number for _ in range(3)] == [0, 1, 2]
    assert set(alive) == {1, 2}
    numbers += [next(now).number for _ in range(2)]
    assert not set(alive)
    numbers += [each.number for each in now]
    assert numbers == list(range(9))
    assert [each.number for each in ahead] == [3, 4, 5, 6, 7, 8]
