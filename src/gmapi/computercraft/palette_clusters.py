"""Palettes of clusters: k-means and the octree; formats document, 3.4 and 3.5."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.palette import median_cut, reorder
from gmapi.computercraft.screen import U8

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_ROUNDS = 100

_MOST_PIXELS = 2.0**44
"""Sums are exact up to here. Pixels that are counted again and again can become more than any
memory could hold one by one."""


def kmeans(pixels: U8, colors: int) -> U8:
    """The k-means palette of (n, 3) u8 pixels: (k, 3) u8, where k is `colors` (1 to 16), or fewer
    if the median cut finds fewer."""
    start = median_cut(pixels)
    if len(start) < colors:
        return start
    distinct = _distinct(pixels)
    points = pixels[distinct.first].astype(np.float64)
    found = _KMeans(points, distinct.count.astype(np.float64), start[:colors]).run()
    return reorder(found.astype(np.uint8), kmeans=True)[:colors]


def octree(pixels: U8, colors: int) -> U8:
    """The octree palette of (n, 3) u8 pixels, at least one: (colors, 3) u8, black where nothing is
    left. `colors` is 1 to 16."""
    return _Octree(pixels).palette(colors)


@dataclass(frozen=True)
class _Distinct:
    """The distinct colours of a picture as leaves of an octree, in the order of the tree."""

    path: I64
    """Numbers of the children from the root down, three bits each."""
    first: I64
    """Position of the first pixel."""
    count: I64


_SPREAD = np.array([sum((byte >> bit & 1) << 3 * bit for bit in range(8)) for byte in range(256)])


def _distinct(pixels: U8) -> _Distinct:
    spread = _SPREAD[pixels]
    path = spread[:, 0] << 2 | spread[:, 1] << 1 | spread[:, 2]
    return _Distinct(*np.unique(path, return_index=True, return_counts=True))


@dataclass
class _Buffer:
    """One of the two sets of centroids and bags. A bag holds the points assigned to the cluster
    when the set was filled, and those that had been left in it before."""

    centroids: F64
    left: dict[int, tuple[I64, F64]] = field(default_factory=dict)
    """Cluster to points and how often they count."""


class _KMeans:
    """Pixels of one colour are one point with a weight. A point is looked at only when centroids
    have moved so far that another one may be nearest."""

    def __init__(self, points: F64, weights: F64, start: U8) -> None:
        self._points = points
        self._weights = weights
        self._total = float(weights.sum())
        self._clusters = len(start)
        # Coordinates, and a one that counts.
        self._terms = np.column_stack([points, np.ones(len(points))])
        self._from = _Buffer(start.astype(np.float64))
        self._assigned, margins = _nearest(points, self._from.centroids)
        # A point's nearest centroid is certain until the drift is that great.
        self._certain = margins
        self._drift = 0.0
        self._sums = self._sum(np.arange(len(points)), self._assigned, weights)
        self._to = _Buffer(_means(self._sums))

    def run(self) -> F64:
        """The centroids at the end."""
        for _ in range(_ROUNDS):
            if not self._round() or self._total > _MOST_PIXELS:
                break
        return self._to.centroids

    def _round(self) -> bool:
        """Put all points of one buffer into the other; whether a truncated mean has changed."""
        source, target = self._from, self._to
        before = self._weights
        self._count_left_again(source)
        moved, old = self._move_points()
        totals = self._sums.copy()
        for cluster, (points, weights) in target.left.items():
            totals[cluster] += self._sum(points, np.full(len(points), cluster), weights)[cluster]
        full = totals[:, 3] > 0
        left: dict[int, tuple[I64, F64]] = {}
        for cluster in np.flatnonzero(~full).tolist():
            # The bag stays as it was before the round: what was assigned to it has moved away.
            gone = moved[old == cluster]
            points, weights = source.left.get(cluster, (gone[:0], before[:0]))
            points = np.concatenate([points, gone])
            if len(points):
                left[cluster] = points, np.concatenate([weights, before[gone]])
        source.left = left
        source.centroids = np.where(full[:, None], _means(totals), source.centroids)
        self._from, self._to = target, source
        return not np.array_equal(
            source.centroids[full].astype(np.int64), target.centroids[full].astype(np.int64)
        )

    def _count_left_again(self, source: _Buffer) -> None:
        if source.left:
            self._weights = self._weights.copy()
        for points, weights in source.left.values():
            np.add.at(self._weights, points, weights)
            self._total += float(weights.sum())
            self._sums += self._sum(points, self._assigned[points], weights)

    def _move_points(self) -> tuple[I64, I64]:
        """Points that have another nearest centroid, and the one they had."""
        centroids = self._to.centroids
        drifts = np.sort(_distances(self._from.centroids, centroids))
        # By as much can two distances have drawn nearer to each other.
        self._drift += float(drifts[-2:].sum())
        looked = np.flatnonzero(self._certain <= self._drift)
        now, margins = _nearest(self._points[looked], centroids)
        self._certain[looked] = self._drift + margins
        other = np.flatnonzero(now != self._assigned[looked])
        moved, new = looked[other], now[other]
        old = self._assigned[moved]
        weights = self._weights[moved]
        self._sums += self._sum(moved, new, weights) - self._sum(moved, old, weights)
        self._assigned[moved] = new
        return moved, old

    def _sum(self, points: I64, clusters: I64, weights: F64) -> F64:
        """(clusters, 4): weighted sums of the coordinates, and of the weights."""
        terms = self._terms[points] * weights[:, None]
        return np.stack([np.bincount(clusters, term, self._clusters) for term in terms.T], axis=1)


def _means(sums: F64) -> F64:
    return sums[:, :3] / np.where(sums[:, 3:] > 0, sums[:, 3:], 1)


def _distances(a: F64, b: F64) -> F64:
    # The rounding is that of the formats document.
    x, y, z = np.moveaxis(a - b, -1, 0)
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def _nearest(points: F64, centroids: F64) -> tuple[I64, F64]:
    """Index of the nearest centroid of each point, and by how much the next one is farther."""
    index = np.zeros(len(points), np.int64)
    least = np.full(len(points), np.inf)
    following = np.full(len(points), np.inf)
    for cluster, centroid in enumerate(centroids):
        distance = _distances(points, centroid)
        nearer = distance < least
        np.minimum(following, np.where(nearer, least, distance), out=following)
        least[nearer] = distance[nearer]
        index[nearer] = cluster
    # The sums of drifts are rounded, too.
    return index, following - least - 1e-6


@dataclass(frozen=True)
class _Level:
    """Inner nodes of one depth. Children (of the level below) and colours of node i are those from
    entry i to entry i + 1."""

    child: I64
    color: I64
    order: U64
    """Order of merging: the count, then 32 bits for the place in the list, which is known by the
    pixel that put a node there; the later, the nearer to the head."""


class _Leaf(NamedTuple):
    """A node whose children are merged, or a colour; sorts by the merges, the last one first."""

    order: int
    depth: int
    node: int
    """Its number in the level, or that of the colour."""
    parent_place: int


_PLACE = np.uint64(0xFFFFFFFF)
_COUNT = np.uint64(32)
_DEPTH = 9
"""Bits of each channel, of which the first is always 0."""


class _Octree:
    """The reference merges nodes one by one: always the first one with the smallest count in a list
    of those that have leaves, where new nodes stand at the head and a parent takes the place of the
    first of its children that was merged. A node's count never changes, and no inner node counts
    more than its parent, so the order of all merges is known beforehand: ascending by count, then
    by place in the list. The tree is therefore cut from the root downwards, undoing the last merges
    first, and only as many as there are colours.
    """

    def __init__(self, pixels: U8) -> None:
        self._distinct = below = _distinct(pixels)
        self._colors = pixels[below.first].astype(np.int64)
        path, counts = below.path, below.count.astype(np.uint64)
        orders = _PLACE - below.first.astype(np.uint64)
        color = np.arange(len(path))
        self._levels: list[_Level] = []
        for depth in range(_DEPTH - 1, -1, -1):
            child = np.flatnonzero(np.diff(path >> 3, prepend=-1))
            # The first of its colours puts a node into the list, later the first child to merge.
            earliest = np.maximum if depth == _DEPTH - 1 else np.minimum
            places = earliest.reduceat(orders, child) & _PLACE
            counts = np.add.reduceat(counts, child)
            orders = counts << _COUNT | places
            ends = np.append(child, len(path)), np.append(color[child], len(self._colors))
            self._levels.insert(0, _Level(*ends, orders))
            path, color = path[child] >> 3, color[child]

    def palette(self, colors: int) -> U8:
        """(colors, 3) u8."""
        leaves = sorted(self._cut(colors), key=lambda leaf: (leaf.parent_place, leaf.node))
        palette = np.zeros((colors, 3), np.uint8)
        for slot, leaf in enumerate(leaves, 0 if len(leaves) == colors else 1):
            palette[slot] = self._mean(leaf)
        return palette

    def _cut(self, colors: int) -> list[_Leaf]:
        whole = self._leaf(0, 0, 0)
        inner, finest = [whole], list[_Leaf]()
        while inner:
            _, depth, node, _ = inner[0]
            level = self._levels[depth]
            children = range(level.child[node], level.child[node + 1])
            if len(inner) + len(finest) - 1 + len(children) > colors:
                break
            heapq.heappop(inner)
            place = int(level.order[node] & _PLACE)
            for child in children:
                leaf = self._leaf(depth + 1, child, place)
                if leaf.depth < _DEPTH:
                    heapq.heappush(inner, leaf)
                else:
                    finest.append(leaf)
        return inner + finest

    def _leaf(self, depth: int, node: int, parent_place: int) -> _Leaf:
        order = int(self._levels[depth].order[node]) if depth < _DEPTH else 0
        return _Leaf(-order, depth, node, parent_place)

    def _mean(self, leaf: _Leaf) -> I64:
        begin, end = leaf.node, leaf.node + 1
        if leaf.depth < _DEPTH:
            begin, end = self._levels[leaf.depth].color[begin : end + 1].tolist()
        weights = self._distinct.count[begin:end]
        return np.asarray((weights @ self._colors[begin:end]) // weights.sum())
