"""Importing: what comes in as a bundle or as ONNX comes out as a model that the service runs."""

import hashlib
import json
import shutil

import bundles
import numpy as np
import onnx
import pytest
import torch
from looking import look
from onnx import TensorProto, helper, numpy_helper

from millet import app
from millet.core.manifest import written
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.errors import ModelError
from millet.flow.model import Model
from millet.train import bundle, imported
from millet.train.box_graph import BoxGraph
from millet.train.imported import Wishes

NAMED = Wishes(name="boxes", version="7", window=(192, 192, 80), licence="none", threshold=0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle of random weights, pyramid and heads at full width."""
    return bundles.write(tmp_path_factory.mktemp("source") / "lung", bundles.network(bias=-2.0))


@pytest.fixture(scope="module")
def made(folder):
    """That bundle, imported."""
    return imported.read(folder, NAMED)


def test_a_bundle_becomes_one_level_with_its_grid_and_window(made):
    """Spacing in our order of axes; windows of 80 x 192 x 192 with their overlap as halo."""
    (level,) = made.manifest.levels
    assert level.spacing_mm == (1.25, 0.703125, 0.703125)
    assert level.multiple_voxels == (8, 16, 16)
    assert (level.halo_voxels, level.core_voxels) == ((16, 32, 32), (48, 128, 128))
    assert (level.threshold, made.manifest.hu_range) == (0.4, (-1024, 300))


def test_a_bundles_caps_become_its_manifests_rules(made):
    """300 a scan is its limit, and the rules are MONAI's."""
    found = made.manifest
    assert (found.name, found.version, found.licence, found.count_limit) == ("boxes", "7", "none", 300)
    assert (found.post.nms_iou, found.post.most_per_level, found.post.most_per_scan) == (0.22, 1000, 300)


def test_its_card_tells_the_limit_and_what_was_not_measured(made):
    """In words, with the numbers."""
    card = made.files["MODEL_CARD.md"].decode()
    assert "returns at most 300 findings a scan" in card
    assert "No accuracy was measured" in card
    assert "0.4 for boxes" in card


def test_the_written_model_runs_in_the_service_as_in_torch(folder, made, tmp_path):
    """Written, its digest checked, loaded, run on the engine of the service: what torch says."""
    models.add(tmp_path / "models", made.manifest, made.files)
    manifest, graphs = models.load(models.find(tmp_path / "models", "boxes/7"))
    detector = OpenVinoDetector(graphs["retinanet"], threads=1)
    app.prove(Model(manifest, {"retinanet": detector}))
    hu = np.random.default_rng(3).normal(-800, 200, (16, 32, 16)).clip(-1024, 300).astype(np.float32)
    graph = BoxGraph(bundles.network(bias=-2.0), bundle.read(folder).frame, bundles.SHAPE.strides).eval()
    with torch.no_grad():
        position, diameter, score, _ = (v.numpy() for v in graph(torch.from_numpy(hu)[None, None]))
    peaks = look(detector, hu)
    assert len(score) > 100
    assert np.abs(peaks.score - score).max() < 1e-4
    assert np.abs(peaks.position_voxels - position).max() < 0.01
    assert np.allclose(peaks.diameter_voxels, diameter, rtol=1e-3)


def test_a_model_that_is_there_is_not_overwritten(made, tmp_path):
    """The second import of a version is refused; nothing is left half written."""
    small = {name: made.files[name] for name in made.files}
    models.add(tmp_path, made.manifest, small)
    with pytest.raises(ModelError, match="is there already"):
        models.add(tmp_path, made.manifest, small)
    assert [path.name for path in tmp_path.iterdir()] == ["boxes"]


@pytest.mark.parametrize("wishes", [Wishes(window=(100, 192, 80)), Wishes(window=(32, 32, 16))])
def test_a_window_that_cannot_be_is_refused(folder, wishes):
    """No multiple of the strides; nothing left between the halos."""
    with pytest.raises(ModelError, match="must be a larger multiple"):
        imported.read(folder, wishes)


# --- ONNX with a manifest -----------------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path):
    """A copy of the bundled analytic model, without digests and card."""
    shutil.copytree(models.bundled() / "log/1", tmp_path / "plain")
    path = tmp_path / "plain/manifest.json"
    document = json.loads(path.read_text())
    for graph in document["graphs"]:
        del graph["digest"]
    path.write_text(json.dumps(document))
    (tmp_path / "plain/MODEL_CARD.md").unlink()
    return tmp_path / "plain"


def changed(folder, **fields):
    """Change fields of a manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("source", ["", "model.onnx"], ids=["folder", "file"])
def test_onnx_with_a_manifest_gets_its_digests(plain, source):
    """The same manifest as the bundled one but for the name, and a card that claims nothing."""
    made = imported.read(plain / source, Wishes(name="mine", version="2"))
    bundled = models.manifest(models.bundled() / "log/1")
    assert (made.manifest.name, made.manifest.version) == ("mine", "2")
    assert made.manifest.graphs == bundled.graphs
    assert b"No accuracy was measured" in made.files["MODEL_CARD.md"]
    assert b"states no limit" in made.files["MODEL_CARD.md"]


@pytest.mark.parametrize("wishes", [Wishes(threshold=0.9), Wishes(window=(16, 16, 16)), Wishes(trust=True)])
def test_what_only_bundles_know_is_not_passed_over(plain, wishes):
    """A threshold for ONNX stands in its manifest; one that is given besides is refused, not ignored."""
    with pytest.raises(ModelError, match="are for bundles"):
        imported.read(plain, wishes)


def test_a_card_that_is_there_is_kept(plain):
    """Byte for byte."""
    (plain / "MODEL_CARD.md").write_text("# mine\n")
    assert imported.read(plain, Wishes()).files["MODEL_CARD.md"] == b"# mine\n"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"count_limit": 0}, "count_limit 0"),
        ({"colour": "red"}, "colour is unknown"),
        ({"levels": []}, "levels must not be empty"),
        ({"graphs": []}, "there is no graph"),
        ({"graphs": [{"name": "log", "precision": "fp32", "file": "../model.onnx"}]}, "plain file name"),
        ({"graphs": [{"name": "log", "precision": "fp32", "file": "other.onnx"}]}, r"lacks other\.onnx"),
        (
            {"graphs": [{"name": "log", "precision": "fp32", "file": "model.onnx", "digest": "ab" * 32}]},
            "graph log digest is not that of",
        ),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_field(plain, fields, named):
    """Unknown fields, files outside the folder, digests of other files."""
    changed(plain, **fields)
    with pytest.raises(ModelError, match=named):
        imported.read(plain, Wishes())


def test_a_link_out_of_the_folder_is_refused(plain, tmp_path):
    """A graph that lies elsewhere."""
    (plain / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (plain / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ModelError, match="leads out of plain"):
        imported.read(plain, Wishes())


def graph(*, score="score", value=0.5, rank=2, hu="hu", kind=TensorProto.FLOAT, most=None):
    """One peak at the window's first voxel, of any name, score, shape and input."""
    ints = numpy_helper.from_array(np.asarray([0, 2], np.int64), "two")
    shape = [1, 3] if rank == 2 else [3]
    position = numpy_helper.from_array(np.zeros(shape, np.float32), "p")
    nodes = [
        helper.make_node("Identity", ["p"], ["position_voxels"]),
        helper.make_node("Identity", ["d"], ["diameter_voxels"]),
        helper.make_node("Identity", ["s"], [score]),
        helper.make_node("ReduceMax", [hu], ["seen"], keepdims=0),
    ]
    numbers = {"d": [3.0], "s": [value] * (most or 1)}
    held = [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in numbers.items()]
    outputs = [("position_voxels", shape), ("diameter_voxels", [1]), (score, [most or 1]), ("seen", [])]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(hu, kind, [1, 1, "d", "h", "w"])],
        [
            helper.make_tensor_value_info(name, kind if name == "seen" else TensorProto.FLOAT, dims)
            for name, dims in outputs
        ],
        [ints, position, *held],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    ("encoded", "named"),
    [
        (b"no graph", "model.onnx is no ONNX"),
        (graph(hu="image").SerializeToString(), "input must be `hu` alone, not `image`"),
        (graph(kind=TensorProto.DOUBLE).SerializeToString(), "input hu is DOUBLE, not FLOAT"),
        (graph(score="confidence").SerializeToString(), "output score is missing"),
        (graph(rank=1).SerializeToString(), "position_voxels has 1 axes, not 2"),
        (graph(value=1.5).SerializeToString(), r"score must be 0\.\.1"),
        (graph(value=float("nan")).SerializeToString(), "not all outputs are finite"),
        (graph(most=2).SerializeToString(), "for 2 scores"),
    ],
    ids=["bytes", "input", "type", "output", "rank", "range", "nan", "counts"],
)
def test_a_graph_that_breaks_the_contract_is_refused(plain, encoded, named):
    """By its names, types and shapes, and by what it says of a small window."""
    (plain / "model.onnx").write_bytes(encoded)
    with pytest.raises(ModelError, match=named):
        imported.read(plain, Wishes())


def test_a_graph_that_keeps_the_contract_is_taken(plain):
    """The same one-peak graph with nothing wrong."""
    (plain / "model.onnx").write_bytes(graph().SerializeToString())
    made = imported.read(plain, Wishes())
    digest = hashlib.sha256(made.files["model.onnx"]).hexdigest()
    assert {g.digest for g in made.manifest.graphs} == {digest}
    assert json.loads(written(made.manifest))["post"] is None


def test_weights_in_other_files_are_refused(plain):
    """A digest would not cover them, and a path could lead anywhere."""
    model = graph()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="../../secret"))
    (plain / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="keeps weights in other files"):
        imported.read(plain, Wishes())


def test_what_is_not_there_is_refused(tmp_path):
    """Neither a folder nor a file; a folder with nothing in it."""
    with pytest.raises(ModelError, match="is not there"):
        imported.read(tmp_path / "nothing", Wishes())
    with pytest.raises(ModelError, match=r"lacks manifest\.json"):
        imported.read(tmp_path, Wishes())
