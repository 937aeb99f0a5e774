from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from millet.phantom import anatomy, places, scars, vessels
from millet.phantom.spec import Preset

SCALE = 0.5
COUNT = 60


@pytest.fixture(scope="module")
def room():
    """A chest at half its size, with vessels, airways and a few scars."""
    rng = np.random.default_rng(1)
    chest = anatomy.chest(rng, scale=SCALE, mass=False, effusion=False)
    trees = [vessels.grow_pair(chest, roots, rng) for roots in (vessels.ARTERY_ROOTS, vessels.VEIN_ROOTS)]
    arteries = vessels.tubes(trees[0], rng)
    return places.Room(
        chest=chest,
        tree=trees[0],
        arteries=arteries,
        blood=arteries.joined(vessels.tubes(trees[1], rng)),
        airways=vessels.with_walls(vessels.airways(trees[0], chest, rng)),
        scars=scars.scars(chest, 4, rng),
    )


def diameters(count=COUNT, seed=2):
    """From 1.5 to 4 mm."""
    return np.random.default_rng(seed).uniform(1.5, 4.0, count)


def lie(room, spread, sizes=None, **more):
    """Centres of nodules of a spread."""
    sizes = diameters() if sizes is None else sizes
    wanted = Preset(nodules=len(sizes), diameter_mm=(1.5, 4.0), spread=spread, **more)
    return places.places(wanted, sizes, room, np.random.default_rng(5))


def below_pleura_mm(room, points):
    """How deep points lie in the lung, by a distance transform of the lung on the chest's grid."""
    deep = ndimage.distance_transform_edt(room.chest.lung < 0, room.chest.grid.spacing_mm)
    return ndimage.map_coordinates(deep, room.chest.grid.to_index_array(points).T, order=1)


def to_tubes_mm(points, tubes):
    """Distance from points to the nearest wall of a tube, each sampled at eleven places."""
    t = np.linspace(0, 1, 11)[:, None, None]
    line = (tubes.start_mm + t * (tubes.end_mm - tubes.start_mm)).reshape(-1, 3)
    radius = np.tile(tubes.radius_mm.mean(axis=1), 11)
    far, which = cKDTree(line).query(points, k=8)
    return (far - radius[which]).min(axis=1)


@pytest.mark.parametrize("spread", ["random", "centrilobular", "perilymphatic"])
def test_nodules_lie_in_the_lungs_and_not_in_each_other(room, spread):
    """However they are spread, each is in a lung by its centre, apart from others and clear of scars."""
    points, size = lie(room, spread), diameters()
    assert below_pleura_mm(room, points).min() > 0
    gap = squareform(pdist(points)) + 1e3 * np.eye(COUNT) - (size[:, None] + size[None]) / 2
    assert gap.min() > 0
    assert scars.clear(room.scars, points, 1.0).all()


def test_random_nodules_touch_nothing(room):
    """They keep from the pleura by a millimetre at least."""
    points = lie(room, "random")
    grid_mm = room.chest.grid.spacing_mm[0]
    assert (below_pleura_mm(room, points) - diameters() / 2).min() > 1 - grid_mm


def test_centrilobular_nodules_sit_on_arterioles_and_spare_the_pleura(room):
    """Each is at the tip of a terminal arteriole, 3 mm or more below pleura and fissures."""
    points = lie(room, "centrilobular")
    tips = room.tree.end_mm[room.tree.ends == 1]
    assert cKDTree(tips).query(points)[0].max() < 2.5
    grid_mm = room.chest.grid.spacing_mm[0]
    assert (below_pleura_mm(room, points) - diameters() / 2).min() > places.PLEURA_CLEAR_MM - grid_mm
    fissure_mm = np.abs(room.chest.sample(room.chest.fissure, points))
    assert (fissure_mm - diameters() / 2).min() > places.PLEURA_CLEAR_MM - 0.5


def test_perilymphatic_nodules_touch_pleura_fissure_or_vessel(room):
    """Each touches one of the three, and each of the three has its share."""
    points, radius = lie(room, "perilymphatic"), diameters() / 2
    pleura = below_pleura_mm(room, points) - radius < room.chest.grid.spacing_mm[0]
    fissure = np.abs(room.chest.sample(room.chest.fissure, points)) < radius + 0.35
    sheath = to_tubes_mm(points, room.arteries) < radius + 0.35
    assert (pleura | fissure | sheath).all()
    assert min(pleura.mean(), fissure.mean(), sheath.mean()) > 0.08


def test_spreads_differ_at_the_pleura(room):
    """Within 3 mm of the pleura lie most of the perilymphatic ones of pleura, and no centrilobular one."""
    share = {
        spread: float((below_pleura_mm(room, lie(room, spread)) < places.PLEURA_CLEAR_MM).mean())
        for spread in ("random", "centrilobular", "perilymphatic")
    }
    assert share["centrilobular"] == 0
    assert share["perilymphatic"] > 0.25
    assert share["random"] < 0.5 * share["perilymphatic"]


def test_pairs_lie_as_far_apart_as_asked(room):
    """Nodules come two by two, 4 mm from centre to centre, and further from all others."""
    points = lie(room, "random", np.full(20, 3.0), pair_mm=4.0)
    first, second = points[::2], points[1::2]
    assert np.linalg.norm(first - second, axis=1) == pytest.approx(4.0)
    others = squareform(pdist((first + second) / 2)) + 1e3 * np.eye(10)
    assert others.min() > 8.0


def test_masses_find_a_place_beside_small_nodules(room):
    """A large nodule may touch the pleura; no small one lies in it."""
    size = np.asarray([2.0, 25.0, 3.0, 16.0, 3.0])
    points = lie(room, "random", size)
    gap = squareform(pdist(points)) + 1e3 * np.eye(5) - (size[:, None] + size[None]) / 2
    assert gap.min() > 0
    assert below_pleura_mm(room, points).min() > 0


@pytest.mark.parametrize(
    ("spread", "size"), [("centrilobular", 3.0), ("perilymphatic", 3.0), ("random", 90.0)]
)
def test_what_does_not_fit_is_refused(room, spread, size):
    """Too many or too large for the lung is an error, not a shorter list."""
    with pytest.raises(ValueError, match=r"fit|no place"):
        lie(room, spread, np.full(3 if size > 50 else 3000, size))
