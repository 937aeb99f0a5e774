"""Which documents are replaced by those that name them as predecessors (PS3.3 C.17.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def replaced(before: Mapping[str, AbstractSet[str]]) -> frozenset[str]:
    """The documents, of those that are here, that another one replaces.

    One that names a predecessor which names it, too, be it through others, replaces it not: neither is the
    later one.

    Args:
        before: of each document that is here the predecessors that it names, by UID.
    """
    place = {uid: number for number, uid in enumerate(before)}
    named = [(uid, old) for uid, olds in before.items() for old in olds if old in place]
    news, olds = [place[new] for new, _ in named], [place[old] for _, old in named]
    graph = coo_array(([True] * len(named), (news, olds)), shape=(len(place), len(place)))
    _, ring = connected_components(graph, directed=True, connection="strong")
    return frozenset(old for new, old in named if ring[place[new]] != ring[place[old]])
