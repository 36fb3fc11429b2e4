"""The search for exact neighbors: coarse candidates, float64 inner products, and their proof."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.metrics.neighbors.coarse import MAX_GROUP, CoarseBank, merge, top
from artsim.metrics.neighbors.exact import encode, inner
from artsim.metrics.neighbors.masks import Mask

_MAX_BANK_BLOCK = 1 << 17  # bank rows in one matrix product
_MIN_BANK_BLOCK = 1 << 10
_MAX_QUERY_BLOCK = 1 << 12
_SMALL = 1 << 22  # query-bank pairs up to which a search starts in float64

Array = NDArray[np.floating]
_Found = TypeVar("_Found")


class Search:
    """One search: the vectors as tensors, and the sizes of its blocks."""

    def __init__(
        self,
        queries: Array,
        bank: Array,
        k: int,
        mask: Mask,
        budget_bytes: int,
        device: torch.device,
    ) -> None:
        self.k = k
        self.mask = mask
        self.budget_bytes = budget_bytes
        self.device = device
        self.fine_device = torch.device("cpu") if device.type == "mps" else device  # no float64
        self.queries = _tensor(queries)
        self.bank = self.queries if bank is queries else _tensor(bank)

    @cached_property
    def fine_bank(self) -> Tensor:
        """The bank where float64 is computed, copied there once."""
        return self.bank.to(self.fine_device)

    def queries_of(self, block: Tensor) -> Tensor:
        """Return some of the queries, from the bank that is on the device if they are its rows."""
        if self.queries is self.bank:
            return self.fine_bank[block.to(self.fine_device)].to(self.device)
        return self.queries[block].to(self.device)

    def run(self) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield blocks of queries (b,) and their best keys (b, k); later keys replace earlier ones.

        A query is searched again, with more candidates and finally against the whole bank, until
        its neighbors are proven.
        """
        queries = np.arange(len(self.queries))
        if len(self.queries) * len(self.bank) > _SMALL and len(self.bank) > 8 * self.k:
            coarse = CoarseBank.of(self.fine_bank, self.device)
            for wanted in (2 * self.k + 32, 6 * self.k + 256):
                unproven = []
                for block, keys, proven in self._candidates(coarse, queries, wanted):
                    yield block, keys
                    unproven.append(block[~proven])
                queries = np.concatenate([*unproven, queries[:0]])
        yield from self._exact(queries)

    def _candidates(
        self, bank: CoarseBank, rows: NDArray[np.int64], wanted: int
    ) -> Iterator[tuple[NDArray[np.int64], Tensor, NDArray[np.bool_]]]:
        """Yield blocks of queries, their best keys, and whether those are proven."""
        if not len(rows):
            return
        size = len(self.bank)
        wanted = min(size, wanted)
        workers = min(torch.get_num_threads(), len(rows)) if self.device.type == "cpu" else 1
        n, q = self._block_sizes(bank.vectors.dtype.itemsize, wanted, workers)
        q = min(q, -(-len(rows) // workers))
        buffers = threading.local()  # memory that a thread uses again

        def search(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Tensor, NDArray[np.bool_]]:
            block = torch.from_numpy(rows)
            queries = self.queries_of(block)  # (b, D)
            coarse = queries.to(bank.vectors.dtype)
            if not hasattr(buffers, "scores"):
                buffers.scores = torch.empty(q * n, dtype=bank.vectors.dtype, device=self.device)
            found = []
            for first in range(0, size, n):
                part = bank.vectors[first : first + n]  # (n, D)
                similarity = buffers.scores[: len(block) * len(part)].view(len(block), len(part))
                torch.mm(coarse, part.T, out=similarity)  # (b, n)
                self.mask.apply(similarity, block, first)
                values, columns = top(similarity, wanted)
                found.append((values, columns + first))
            values, columns = merge(found, wanted)  # (b, wanted), largest first
            bound = bank.most_true(queries, coarse, values).to(self.fine_device)
            keys, proven = self._rerank(queries, self.fine_bank, columns, bound)
            if wanted == size:
                proven = torch.ones_like(proven)
            return rows, keys, proven.cpu().numpy()

        blocks = [rows[start : start + q] for start in range(0, len(rows), q)]
        yield from _in_threads(search, blocks, workers)

    def _rerank(
        self, queries: Tensor, bank: Tensor, columns: Tensor, bound: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Order candidates by float64 inner products, and keep the best k.

        The first k candidates are computed, then the others that may still beat the worst of them.

        Args:
            queries: Shape (q, D).
            bank: Shape (N, D).
            columns: Bank rows of the candidates, shape (q, c).
            bound: The most that their true scores can be, falling, -inf if masked, shape (q, c).

        Returns:
            Keys (q, k), and whether every row that may be among the k was a candidate (q,).
        """
        queries, columns = queries.to(self.fine_device), columns.to(self.fine_device)
        bound = bound.to(self.fine_device)
        masked = bound.isneginf()
        first = inner(queries, bank, columns[:, : self.k])
        first.masked_fill_(masked[:, : self.k], -math.inf)
        rivals = (bound >= first.amin(dim=1)[:, None]) & ~masked  # (q, c)
        rest = max(self.k, int(rivals.sum(dim=1).max()))
        others = inner(queries, bank, columns[:, self.k : rest], rivals[:, self.k : rest])
        scores = torch.cat([first, others.masked_fill_(masked[:, self.k : rest], -math.inf)], dim=1)
        keys = encode(scores, columns[:, :rest])
        return keys.topk(self.k, dim=1).values, ~rivals[:, -1]

    def _exact(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield blocks of these queries and their best keys, all in float64."""
        if not len(rows):
            return
        n, q = self._block_sizes(3 * 8, 0, 1)  # similarities, their float32 form, keys
        bank = self.fine_bank
        for start in range(0, len(rows), q):
            block = torch.from_numpy(rows[start : start + q])
            queries = self.queries_of(block).to(self.fine_device).double()  # (q, D)
            best = torch.empty((len(block), 0), dtype=torch.int64, device=self.fine_device)
            for first in range(0, len(bank), n):
                similarity = (queries @ bank[first : first + n].double().T).float()  # (q, n)
                self.mask.apply(similarity, block, first)
                columns = torch.arange(first, first + similarity.shape[1], device=self.fine_device)
                keys = torch.cat([best, encode(similarity, columns)], dim=1)
                best = keys.topk(min(self.k, keys.shape[1]), dim=1).values
            yield block.numpy(), best

    def _block_sizes(self, itemsize: int, wanted: int, workers: int) -> tuple[int, int]:
        """Choose how many bank rows and queries each worker multiplies at a time."""
        budget_bytes = self.budget_bytes // workers
        share = budget_bytes // (2 * itemsize * 256)  # 256 queries keep a product efficient
        n = min(len(self.bank), _MAX_BANK_BLOCK, max(_MIN_BANK_BLOCK, share))
        per_query = n * (itemsize + 2) + 2 * wanted * MAX_GROUP * (8 + itemsize)
        q = min(_MAX_QUERY_BLOCK, max(1, budget_bytes // per_query))
        return n, q


def _in_threads(
    work: Callable[[NDArray[np.int64]], _Found], blocks: list[NDArray[np.int64]], workers: int
) -> Iterator[_Found]:
    """Work on whole blocks in single-threaded workers.

    Threads that share every product wait for each other at each step, which takes longer than the
    work itself on a busy machine.
    """
    if workers == 1:
        yield from map(work, blocks)
        return
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, blocks)
    finally:
        torch.set_num_threads(threads)  # the default of threads that are new to torch


def _tensor(vectors: Array) -> Tensor:
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")  # memory maps: only read here
        tensor: Tensor = torch.from_numpy(array)
    return tensor
