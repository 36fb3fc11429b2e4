"""The exact nearest neighbours of unit vectors by inner product, within a stated memory.

A coarse matrix product (bfloat16 where the processor has it) names more candidates than are
wanted, float64 inner products put them in order, and a bound on the coarse product's error
proves that no row left out belongs among them. The few queries for which it proves nothing are
searched again wholly in float64. So the answer does not depend on blocks, device or BLAS: it is
the order of the true inner products, rounded to float32.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError

__all__ = [
    "BUDGET_BYTES",
    "NO_ROW",
    "Mask",
    "Neighbours",
    "check_unit_vectors",
    "decode",
    "encode",
    "nearest",
    "nearest_inner",
]

BUDGET_BYTES = 256 << 20  # for similarities and candidates; vectors and results come on top
NO_ROW = -1  # stands where fewer than k rows may be neighbours

_UNIT_TOLERANCE = 2e-3  # of a norm; vectors stored in float16 are off by 1e-4
_MAX_GROUP = 16  # bank rows that share one maximum while candidates are picked
_MAX_BANK_BLOCK = 1 << 17  # bank rows in one matrix product
_MIN_BANK_BLOCK = 1 << 10
_MAX_QUERY_BLOCK = 1 << 12
_SMALL = 1 << 22  # so many query-bank pairs go straight to float64

Array = NDArray[np.floating]
Codes = NDArray[np.integer]
_Found = TypeVar("_Found")


class Neighbours(NamedTuple):
    """The nearest bank rows of each query, best first; equal scores in the order of the rows.

    Where fewer than k rows may be neighbours the rest are row -1 with score -inf.
    """

    scores: NDArray[np.float32]  # (Q, k) inner products
    rows: NDArray[np.int64]  # (Q, k) rows of the bank

    def first(self, k: int) -> Neighbours:
        """Keep the k nearest.

        Raises:
            EvaluationError: If k is not between 1 and the number of neighbours searched.
        """
        if not 1 <= k <= self.rows.shape[1]:
            raise EvaluationError(
                f"k must be between 1 and {self.rows.shape[1]}, the neighbours found; got {k}"
            )
        return Neighbours(self.scores[:, :k], self.rows[:, :k])


def nearest(
    queries: Array,
    bank: Array,
    k: int,
    *,
    exclude: Codes | None = None,
    query_groups: Codes | None = None,
    bank_groups: Codes | None = None,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Neighbours:
    """Find the k nearest bank rows of every query.

    Args:
        queries: Unit vectors, shape (Q, D).
        bank: Unit vectors to search, shape (N, D); may be ``queries`` itself.
        k: Neighbours wanted, at least 1; where it is more than N the rest are row -1.
        exclude: For each query the bank row that it may not find, or -1, shape (Q,);
            ``numpy.arange(N)`` is leave-one-out.
        query_groups: Group of each query, shape (Q,), or several, shape (Q, G). Rows of the same
            group in any column are never neighbours; -1 is no group and masks nothing.
        bank_groups: Group of each bank row, shape (N,) or (N, G); given together with
            ``query_groups``.
        budget_bytes: Memory for similarities and candidates. Vectors, a bfloat16 copy of them
            and the result come on top; one query by 1,024 rows is the least that is computed.
        device: Where the products are computed. Float64 work stays on the CPU for ``mps``.

    Raises:
        EvaluationError: If k is below 1, shapes do not fit together, or a vector is not a
            finite unit vector.
    """
    check_unit_vectors(queries, "queries")
    if bank is not queries:
        check_unit_vectors(bank, "bank")
    return nearest_inner(
        queries,
        bank,
        k,
        exclude=exclude,
        query_groups=query_groups,
        bank_groups=bank_groups,
        budget_bytes=budget_bytes,
        device=device,
    )


def nearest_inner(
    queries: Array,
    bank: Array,
    k: int,
    *,
    exclude: Codes | None = None,
    query_groups: Codes | None = None,
    bank_groups: Codes | None = None,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Neighbours:
    """Find the k bank rows of largest inner product: `nearest` for vectors of any length."""
    if k < 1:
        raise EvaluationError(f"k must be at least 1, got {k}")
    if queries.shape[1] != bank.shape[1]:
        raise EvaluationError(
            f"queries have {queries.shape[1]} dimensions and the bank {bank.shape[1]}; "
            "both must come from one tap of one model"
        )
    mask = Mask(len(queries), len(bank), exclude, query_groups, bank_groups)
    search = _Search(queries, bank, min(k, len(bank)), mask, budget_bytes, torch.device(device))
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), NO_ROW, dtype=np.int64)
    for block, keys in search.run():
        scores[block, : search.k], rows[block, : search.k] = decode(keys)
    return Neighbours(scores, rows)


def check_unit_vectors(vectors: Array, name: str) -> None:
    """Refuse what is not a matrix of finite unit vectors.

    Args:
        vectors: What should have shape (N, D).
        name: What the message calls them.

    Raises:
        EvaluationError: If the shape, the type, a value or a norm is not as it should be.
    """
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        raise EvaluationError(
            f"{name} must be a matrix of floating-point vectors (N, D), "
            f"got shape {vectors.shape} of {vectors.dtype}"
        )
    for start in range(0, len(vectors), 1 << 14):
        block = vectors[start : start + (1 << 14)]
        norms = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float32, casting="same_kind"))
        if not np.isfinite(norms).all():
            row = start + int(np.argmin(np.isfinite(norms)))
            raise EvaluationError(f"row {row} of {name} holds NaN or infinity; embed it again")
        if (abs(norms - 1) > _UNIT_TOLERANCE).any():
            row = int(np.argmax(abs(norms - 1) > _UNIT_TOLERANCE))
            raise EvaluationError(
                f"row {start + row} of {name} has norm {norms[row]:.4g}, not 1; "
                "divide each vector by its norm first"
            )


class Mask:
    """Which bank rows a query may not find."""

    def __init__(
        self,
        n_queries: int,
        n_bank: int,
        exclude: Codes | None,
        query_groups: Codes | None,
        bank_groups: Codes | None,
    ) -> None:
        if (query_groups is None) != (bank_groups is None):
            raise EvaluationError("query_groups and bank_groups must be given together")
        self.exclude = None if exclude is None else _codes(exclude, "exclude", n_queries)
        self.query_groups = _columns(query_groups, "query_groups", n_queries)
        self.bank_groups = _columns(bank_groups, "bank_groups", n_bank)
        if len(self.query_groups) != len(self.bank_groups):
            raise EvaluationError(
                f"query_groups have {len(self.query_groups)} codes a vector and bank_groups "
                f"{len(self.bank_groups)}; both must be of the same groups"
            )

    def apply(self, similarity: Tensor, queries: Tensor, start: int) -> None:
        """Set what is masked to -inf, in place.

        Args:
            similarity: Of these queries and the bank rows from ``start``, shape (q, n).
            queries: Which queries they are, shape (q,).
            start: First bank row of the block.
        """
        device = similarity.device
        if self.exclude is not None:
            columns = self.exclude[queries] - start  # (q,)
            inside = ((columns >= 0) & (columns < similarity.shape[1])).nonzero()[:, 0]
            similarity[inside.to(device), columns[inside].to(device)] = -math.inf
        for query_groups, bank_groups in zip(self.query_groups, self.bank_groups, strict=True):
            mine = query_groups[queries].to(device)[:, None]  # (q, 1)
            mine = mine.masked_fill(mine < 0, -2)  # no group equals no group of the bank
            theirs = bank_groups[start : start + similarity.shape[1]].to(device)  # (n,)
            similarity.masked_fill_(mine == theirs, -math.inf)


class _Search:
    """One search under way: the vectors as tensors, and the sizes of its blocks."""

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

    def run(self) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield blocks of queries (b,) and their best keys (b, k); the last word on a query counts.

        A query comes again, with more candidates and in the end against the whole bank, until
        its neighbours are proven.
        """
        queries = np.arange(len(self.queries))
        if len(self.queries) * len(self.bank) > _SMALL and len(self.bank) > 8 * self.k:
            coarse = _CoarseBank.of(self.bank, self.device)
            for wanted in (2 * self.k + 32, 6 * self.k + 256):
                unproven = []
                for block, keys, proven in self._candidates(coarse, queries, wanted):
                    yield block, keys
                    unproven.append(block[~proven])
                queries = np.concatenate([*unproven, queries[:0]])
        yield from self._exact(queries)

    def _candidates(
        self, bank: _CoarseBank, rows: NDArray[np.int64], wanted: int
    ) -> Iterator[tuple[NDArray[np.int64], Tensor, NDArray[np.bool_]]]:
        """Yield blocks of queries, their best keys, and whether these are proven to be the best."""
        if not len(rows):
            return
        size = len(self.bank)
        wanted = min(size, wanted)
        fine_bank = self.bank.to(self.fine_device)
        workers = min(torch.get_num_threads(), len(rows)) if self.device.type == "cpu" else 1
        n, q = self._block_sizes(bank.vectors.dtype.itemsize, wanted, workers)
        q = min(q, -(-len(rows) // workers))
        rooms = threading.local()  # memory that a thread uses again

        def search(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Tensor, NDArray[np.bool_]]:
            block = torch.from_numpy(rows)
            queries = self.queries[block].to(self.device)  # (b, D)
            coarse = queries.to(bank.vectors.dtype)
            if not hasattr(rooms, "room"):
                rooms.room = torch.empty(q * n, dtype=bank.vectors.dtype, device=self.device)
            found = []
            for first in range(0, size, n):
                part = bank.vectors[first : first + n]  # (n, D)
                similarity = rooms.room[: len(block) * len(part)].view(len(block), len(part))
                torch.mm(coarse, part.T, out=similarity)  # (b, n)
                self.mask.apply(similarity, block, first)
                values, columns = _top(similarity, wanted)
                found.append((values, columns + first))
            values, columns = _merge(found, wanted)  # (b, wanted), largest first
            bound = bank.most_true(queries, coarse, values).to(self.fine_device)
            keys, proven = self._rerank(queries, fine_bank, columns, bound)
            if wanted == size:
                proven = torch.ones_like(proven)
            return rows, keys, proven.cpu().numpy()

        blocks = [rows[start : start + q] for start in range(0, len(rows), q)]
        yield from _in_threads(search, blocks, workers)

    def _rerank(
        self, queries: Tensor, bank: Tensor, columns: Tensor, bound: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Order candidates by float64 inner products; keep k and say whether they are the best.

        The first k candidates are computed, and then those others that may reach the last of them.

        Args:
            queries: Shape (q, D).
            bank: Shape (N, D).
            columns: Bank rows of the candidates, shape (q, c).
            bound: The most that their true scores can be, falling, -inf if masked, shape (q, c).

        Returns:
            Keys (q, k), and whether all that may reach the last were candidates (q,).
        """
        queries, columns = queries.to(self.fine_device), columns.to(self.fine_device)
        bound = bound.to(self.fine_device)
        masked = bound.isneginf()
        first = _inner(queries, bank, columns[:, : self.k])
        first.masked_fill_(masked[:, : self.k], -math.inf)
        rivals = (bound >= first.amin(dim=1)[:, None]) & ~masked  # (q, c)
        rest = max(self.k, int(rivals.sum(dim=1).max()))
        others = _inner(queries, bank, columns[:, self.k : rest], rivals[:, self.k : rest])
        scores = torch.cat([first, others.masked_fill_(masked[:, self.k : rest], -math.inf)], dim=1)
        keys = encode(scores, columns[:, :rest])
        return keys.topk(self.k, dim=1).values, ~rivals[:, -1]

    def _exact(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield blocks of these queries and their best keys, all in float64."""
        if not len(rows):
            return
        n, q = self._block_sizes(3 * 8, 0, 1)  # similarities, their float32 form, keys
        bank = self.bank.to(self.fine_device)
        for start in range(0, len(rows), q):
            block = torch.from_numpy(rows[start : start + q])
            queries = self.queries[block].to(self.fine_device).double()  # (q, D)
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
        per_query = n * (itemsize + 2) + 2 * wanted * _MAX_GROUP * (8 + itemsize)
        q = min(_MAX_QUERY_BLOCK, max(1, budget_bytes // per_query))
        return n, q


@dataclass(frozen=True)
class _CoarseBank:
    """The bank as the coarse product takes it, and how far that is from the truth.

    In bfloat16 the vectors are taken from their mean. That shifts all scores of a query alike,
    so it changes no order, but smaller vectors and smaller products lose less to rounding.
    """

    vectors: Tensor  # (N, D)
    mean: Tensor  # (D,)
    radius: float  # the longest of the vectors
    error: float  # the most that rounding moved one of them

    @classmethod
    def of(cls, bank: Tensor, device: torch.device) -> _CoarseBank:
        """Round the bank on this device, in blocks."""
        bank = bank.to(device)
        if not _has_bfloat16(device):
            radius = float(_norms(bank).max())
            return cls(bank, torch.zeros(bank.shape[1], device=device), radius, 0.0)
        vectors = torch.empty_like(bank, dtype=torch.bfloat16)
        mean = bank.mean(dim=0)
        radius = error = 0.0
        step = 1 << 9 if device.type == "cpu" else 1 << 15  # so few stay in the processor's cache
        for start in range(0, len(bank), step):
            centred = bank[start : start + step] - mean
            vectors[start : start + step] = centred
            radius = max(radius, float(_norms(centred).max()))
            moved = _norms(centred - vectors[start : start + step])
            error = max(error, float(moved.max()))
        return cls(vectors, mean, radius, error)

    def most_true(self, queries: Tensor, coarse: Tensor, products: Tensor) -> Tensor:
        """Bound the true scores from above that coarse products can stand for, shape (q, c).

        With b the centred row and a prime for rounded, |q.b - q'.b'| is at most
        |q - q'| |b| + |q'| |b - b'|, and the product is itself summed and rounded.
        """
        error = _norms(queries - coarse) * self.radius + _norms(coarse.float()) * self.error
        length = _norms(queries)
        longest = self.radius + float(torch.linalg.vector_norm(self.mean))
        error += 2.0**-23 * self.vectors.shape[1] * longest * length  # float32 sums
        # room for the bound's own rounding
        shift = queries @ self.mean + error * 1.01 + 1e-6 * length * (1 + longest)
        if self.vectors.dtype is torch.bfloat16:
            products = products * torch.where(products < 0, 1 - 2.0**-8, 1 + 2.0**-8)
        return products + shift[:, None]


def _top(similarity: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Pick the largest values of each row, largest first, and their columns, each (q, wanted).

    The columns that are apart by a fixed stride share one maximum: the largest values all lie
    under the largest maxima, so only those groups are looked into.
    """
    q, n = similarity.shape
    if n <= 4 * wanted:
        return _topk(similarity, min(wanted, n))
    size = min(_MAX_GROUP, 1 << round(math.log2(n / wanted) / 2))  # least is looked at so
    groups = n // size
    maxima = similarity[:, : groups * size].view(q, size, groups).amax(dim=1)  # (q, groups)
    best = maxima.float().topk(wanted, dim=1, sorted=False).indices  # (q, wanted)
    strides = torch.arange(0, groups * size, groups, device=similarity.device)  # (size,)
    tail = torch.arange(groups * size, n, device=similarity.device).expand(q, -1)
    columns = torch.cat([(best[:, :, None] + strides).view(q, -1), tail], dim=1)
    values, places = _topk(similarity.gather(1, columns), wanted)
    return values, columns.gather(1, places)


def _topk(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    best = values.float().topk(k, dim=1)
    return best.values, best.indices


def _merge(found: list[tuple[Tensor, Tensor]], wanted: int) -> tuple[Tensor, Tensor]:
    """Keep the largest of what several blocks of the bank gave."""
    if len(found) == 1:
        return found[0]
    values = torch.cat([block for block, _ in found], dim=1)
    columns = torch.cat([block for _, block in found], dim=1)
    values, places = _topk(values, wanted)
    return values, columns.gather(1, places)


def _inner(queries: Tensor, bank: Tensor, columns: Tensor, needed: Tensor | None = None) -> Tensor:
    """Compute the float64 inner products of each query and some bank rows of its own.

    Args:
        queries: Shape (q, D).
        bank: Shape (N, D).
        columns: Bank rows, shape (q, c).
        needed: Which are needed, shape (q, c): in each row the first few. The rest become -inf.

    Returns:
        Products, rounded to float32, shape (q, c).
    """
    q, c = columns.shape
    counts = np.full(q, c) if needed is None else needed.sum(dim=1).cpu().numpy()
    products = torch.full((q, c), -math.inf, device=columns.device)
    rows = 256 if columns.device.type == "cpu" else 1 << 16  # so few stay in the processor's cache
    step = max(1, rows // max(1, c))
    blocks = [slice(start, start + step) for start in range(0, q, step)]
    if columns.device.type != "cpu":
        for block in blocks:
            n = counts[block].max()
            vectors = bank[columns[block, :n]].double()  # (s, n, D)
            query = queries[block].double()[:, :, None]  # (s, D, 1)
            products[block, :n] = torch.bmm(vectors, query)[:, :, 0].float()
        return products

    arrays = (queries.numpy(), bank.numpy(), columns.numpy(), products.numpy())
    _inner_on_cpu(*arrays, counts, blocks)
    return products


def _inner_on_cpu(
    queries: NDArray[np.float32],
    bank: NDArray[np.float32],
    columns: NDArray[np.int64],
    products: NDArray[np.float32],
    counts: NDArray[np.int64],
    blocks: list[slice],
) -> None:
    """Fill in the products of blocks of queries, in buffers that are used again."""
    room = max((counts[block].max() * len(counts[block]) for block in blocks), default=0)
    single = np.empty((room, bank.shape[1]), dtype=np.float32)
    double = np.empty((room, bank.shape[1]), dtype=np.float64)
    for block in blocks:
        wanted = columns[block, : counts[block].max()]  # (s, n)
        bank.take(wanted.ravel(), axis=0, out=single[: wanted.size], mode="clip")
        double[: wanted.size] = single[: wanted.size]
        vectors = double[: wanted.size].reshape(*wanted.shape, bank.shape[1])  # (s, n, D)
        query = queries[block].astype(np.float64)[:, None]  # (s, 1, D)
        products[block, : wanted.shape[1]] = np.vecdot(vectors, query)


def _in_threads(
    work: Callable[[NDArray[np.int64]], _Found], blocks: list[NDArray[np.int64]], workers: int
) -> Iterator[_Found]:
    """Work on blocks in threads each of which computes alone.

    Threads that share every product wait for each other at each step, which on a busy machine
    takes longer than the work.
    """
    if workers == 1:
        yield from map(work, blocks)
        return
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, blocks)
    finally:
        torch.set_num_threads(threads)  # what threads that are new to torch begin with


def encode(scores: Tensor, rows: Tensor) -> Tensor:
    """Make integers that sort as (score, then the lower row first), so that no two are equal."""
    bits = (scores + 0.0).contiguous().view(torch.int32)  # + 0.0 makes -0 into 0
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # floats sort as their bits now
    return (bits.long() << 32) | (0x7FFFFFFF - rows)


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    scores: Tensor = bits.view(torch.float32)
    return scores


def decode(keys: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the scores and rows that `encode` made keys of; row -1 where the score is -inf."""
    scores = _scores(keys)
    rows = 0x7FFFFFFF - (keys & 0x7FFFFFFF)
    return scores.cpu().numpy(), rows.masked_fill(scores.isneginf(), NO_ROW).cpu().numpy()


def _norms(vectors: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norms


def _has_bfloat16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 faster than float32."""
    if device.type != "cpu":
        return device.type == "cuda"
    instructions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in instructions)


def _tensor(vectors: Array) -> Tensor:
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")  # memory maps: only read here
        tensor: Tensor = torch.from_numpy(array)
    return tensor


def _codes(codes: Codes, name: str, n: int) -> Tensor:
    if codes.shape != (n,):
        raise EvaluationError(f"{name} must have one code a vector, {n}, got shape {codes.shape}")
    return torch.from_numpy(codes.astype(np.int64))


def _columns(groups: Codes | None, name: str, n: int) -> list[Tensor]:
    """Take the columns of group codes, (n,) or (n, G), apart."""
    if groups is None:
        return []
    columns = groups.T if groups.ndim == 2 else groups[None]
    return [_codes(column, name, n) for column in columns]
