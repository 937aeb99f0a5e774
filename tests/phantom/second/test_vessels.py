from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from millet.phantom.second import vessels

LITRES = 5.0
SINGHAL = {
    (0.2, 0.34): 5861 * 3.16,
    (0.34, 0.55): 2290 * 4.69,
    (0.55, 0.84): 675 * 6.6,
    (0.84, 1.4): 203 * 10.5,
}
"""Range of radii in mm and length in mm of the arteries of an adult's lungs: Horsfield orders 9 to 12."""


def length_mm(tree, low, high):
    """The length of the branches of a range of radii."""
    edges = tree.edges[(tree.radius_mm[tree.edges] >= low) & (tree.radius_mm[tree.edges] < high)]
    return float(np.linalg.norm(tree.place_mm[edges] - tree.place_mm[tree.parent[edges]], axis=1).sum())


@pytest.mark.parametrize("radii_mm", SINGHAL, ids=str)
@pytest.mark.parametrize("kind", ["arteries", "veins"])
def test_lengths_per_width_are_published_ones(chest, trees, kind, radii_mm):
    """Per litre of lung there is as much of each width as in casts, within a factor of 2."""
    litres = (chest.lung < 0).sum() * chest.frame.grid.voxel_mm3 / 1e6
    found = length_mm(getattr(trees, kind), *radii_mm) / litres
    assert 0.5 < found / (SINGHAL[radii_mm] / LITRES) < 2.0


def test_branches_stay_in_their_lobe(chest, trees):
    """Few nodes of a lobe's tree lie in another lobe."""
    index = np.rint(chest.frame.grid.to_index_array(trees.arteries.place_mm)).astype(int)
    lobe = chest.lobe[tuple(index.T)]
    inside = lobe > 0
    assert (lobe[inside] == trees.arteries.group[inside] + 1).mean() > 0.95


def test_arteries_run_beside_bronchi(trees):
    """Along a bronchus there is an artery at hand, hardly wider or narrower; a vein is farther off."""
    wide = trees.airways.radius_mm > 1.0
    far = {}
    for kind in ("arteries", "veins"):
        tree = getattr(trees, kind)
        same = tree.radius_mm > 0.5
        far[kind] = cKDTree(tree.place_mm[same]).query(trees.airways.place_mm[wide])[0]
    assert np.median(far["arteries"] / trees.airways.radius_mm[wide]) < 3
    assert np.median(far["veins"]) > 2 * np.median(far["arteries"])


def test_trees_fill_the_lungs(chest, trees):
    """Nearly every place in the lungs has the end of an artery and of a vein within a centimetre."""
    deep = chest.frame.points(chest.lung < -5)
    for tree in (trees.arteries, trees.veins):
        far, _ = cKDTree(tree.place_mm[tree.tips]).query(deep)
        assert np.quantile(far, 0.95) < 10


def test_vessels_end_in_the_lungs(chest, trees):
    """Hardly a tip pierces the pleura."""
    for tree in (trees.arteries, trees.veins):
        assert (chest.lung_at(tree.place_mm[tree.tips]) < 0).mean() < 0.01


def test_the_trachea_is_the_widest_airway(trees):
    """Airways narrow from the trachea to bronchioles that CT just loses."""
    widest = max(radius.max() for _, radius in trees.mains)
    assert 2 * widest == pytest.approx(17.6 * 0.5**0.25, rel=0.05)
    assert trees.airways.radius_mm.max() < widest
    assert 0.2 < trees.airways.radius_mm.min() < 0.5
    assert vessels.wall_mm(np.asarray([0.5, 7.0])) == pytest.approx([0.275, 1.175], abs=0.01)


def test_contrast_brightens_blood_alone(trees):
    """With contrast medium the vessels are brighter, the walls of airways are not."""
    plain, bright = (vessels.blood(trees, contrast=c).hu for c in (False, True))
    assert plain.max() == vessels.BLOOD_HU
    assert bright.min() == vessels.CONTRAST_HU
    walls, lumens = vessels.air_passages(trees)
    assert walls.hu.max() < vessels.BLOOD_HU
    assert lumens.hu.max() < -950
