"""Reading a bundle: what it says is understood, or refused with the file and the field."""

import json

import bundles
import pytest
import torch
from torch import nn

from millet.errors import ModelError
from millet.train import bundle, bundle_weights
from millet.train.retinanet import RetinaNet, Shape

SMALL = Shape(widen_factor=0.125, channels=8)


def test_everything_that_matters_is_read(tmp_path):
    """Spacing, HU, axes, anchors, window, overlap and counts, as the published bundle has them."""
    found = bundle.read(bundles.write(tmp_path / "b"))
    assert found.frame.orientation == "RAS"
    assert found.frame.spacing_mm == (0.703125, 0.703125, 1.25)
    assert found.frame.hu_range == (-1024, 300)
    assert found.frame.scaled_range == (0, 1)
    assert found.frame.anchor_shapes == ((6, 8, 4), (8, 6, 5), (10, 10, 6))
    assert found.shape == Shape(widen_factor=bundles.WIDEN)
    assert (found.window, found.overlap) == ((512, 512, 192), 0.25)
    assert (found.rules.nms_iou, found.rules.score_floor) == (0.22, 0.02)
    assert (found.rules.most_per_level, found.rules.most_per_scan) == (1000, 300)
    assert (found.version, found.licence) == ("0.6.8", "not stated in the bundle")


def test_an_apache_licence_is_recognised(tmp_path):
    """By the title of its text."""
    folder = bundles.write(tmp_path / "b")
    (folder / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    assert bundle.read(folder).licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("axcodes", "axes", "flipped"),
    [("RAS", (2, 1, 0), (0, 1)), ("LPS", (2, 1, 0), ()), ("IAL", (0, 1, 2), (0, 1))],
)
def test_axes_are_told_in_our_order(tmp_path, axcodes, axes, flipped):
    """Ours run to head, back and left: RAS has x first, and x and y against ours."""
    prepared = transforms("Orientationd", axcodes=axcodes)
    frame = bundle.read(bundles.write(tmp_path / "b", preprocessing=prepared)).frame
    assert (frame.axes, frame.flipped) == (axes, flipped)


def component(section, **changes):
    """A section with some of its fields changed."""
    return bundles.inference()[section] | changes


def transforms(kind, **changes):
    """The preprocessing with one transform changed."""
    made = bundles.inference()["preprocessing"]
    made["transforms"] = [t | (changes if t["_target_"] == kind else {}) for t in made["transforms"]]
    return made


def operations(old, new):
    """The detector's calls with a piece of text changed."""
    return [text.replace(old, new) for text in bundles.inference()["detector_ops"]]


def stem(old, new):
    """The backbone's expression with a piece of text changed."""
    return bundles.inference()["backbone"].replace(old, new)


BAD = {
    "no backbone": ({"backbone": None}, "backbone is missing"),
    "another backbone": ({"backbone": stem("resnet50", "resnet18")}, "resnet18, not resnet50"),
    "2D": ({"backbone": stem("spatial_dims=3", "spatial_dims=2")}, "spatial_dims must be 3"),
    "code for a backbone": ({"backbone": "$__import__('os').system('true')"}, "named arguments"),
    "code in an argument": (
        {"backbone": stem("spatial_dims=3", "spatial_dims=open('x')")},
        "neither a literal nor a reference",
    ),
    "no expression": ({"backbone": "$resnet50(("}, "is no expression"),
    "other layers": (
        {"feature_extractor": bundles.inference()["feature_extractor"].replace("[1,2]", "[1,2,3]")},
        "returned_layers must be",
    ),
    "another network": ({"network_def": component("network_def", _target_="UNet")}, "another architecture"),
    "two classes": ({"num_classes": 2}, "num_classes must be 1"),
    "unknown field": (
        {"network_def": component("network_def", dropout=0.1)},
        "network_def dropout is unknown",
    ),
    "a missing reference": ({"num_classes": "@nowhere"}, "nowhere, which is missing"),
    "a circle": ({"num_classes": "@num_classes"}, "in a circle"),
    "an override": ({"network_def#num_classes": 1}, "overrides another field"),
    "too few anchors": (
        {"anchor_generator": component("anchor_generator", base_anchor_shapes=[[6, 8, 4]])},
        "must be 3 triples",
    ),
    "an anchor of nothing": (
        {"anchor_generator": component("anchor_generator", base_anchor_shapes=[[6, 8, 0]] * 3)},
        "must be above 0",
    ),
    "scales": ({"anchor_generator": component("anchor_generator", feature_map_scales=[1])}, "3 numbers"),
    "no spacing": ({"preprocessing": transforms("Spacingd", pixdim=None)}, "pixdim must be three numbers"),
    "odd axes": ({"preprocessing": transforms("Orientationd", axcodes="RRS")}, "axcodes must be three axes"),
    "no HU": ({"preprocessing": transforms("ScaleIntensityRanged", a_min="low")}, "a_min must be a number"),
    "unclipped": ({"preprocessing": transforms("ScaleIntensityRanged", clip=False)}, "clip must be True"),
    "unknown transform": (
        {"preprocessing": transforms("EnsureTyped", _target_="RandFlipd")},
        "RandFlipd, which is unknown",
    ),
    "unknown call": ({"detector_ops": operations("set_target_keys", "train")}, "calls train, which is"),
    "no selector": (
        {"detector_ops": operations("set_box_selector_parameters", "set_target_keys")},
        "does not call set_box_selector_parameters",
    ),
    "unknown argument": ({"detector_ops": operations("nms_thresh", "iou")}, "iou is unknown"),
    "a cap of nothing": ({"detector_ops": operations("img=300", "img=0")}, "must be a whole number above 0"),
    "a share above one": ({"detector_ops": operations("0.22", "1.22")}, "nms_iou 1.22 must be 0..1"),
    "an odd window": ({"infer_patch_size": [500, 512, 192]}, "no multiple of the network's stride 16"),
    "full overlap": ({"detector_ops": operations("overlap=0.25", "overlap=1")}, "overlap"),
}


@pytest.mark.parametrize(("fields", "named"), BAD.values(), ids=BAD)
def test_what_is_not_understood_is_refused(tmp_path, fields, named):
    """A ModelError with the file and the field; nothing of the configuration is ever run."""
    folder = bundles.write(tmp_path / "b", **fields)
    with pytest.raises(ModelError, match=named) as refusal:
        bundle.read(folder)
    assert "configs/inference.json" in str(refusal.value)


@pytest.mark.parametrize("name", ["configs/inference.json", "configs/metadata.json"])
def test_files_that_are_missing_or_no_json_are_named(tmp_path, name):
    """Missing, then damaged."""
    folder = bundles.write(tmp_path / "b")
    (folder / name).write_text("{")
    with pytest.raises(ModelError, match=name):
        bundle.read(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        bundle.read(folder)


@pytest.mark.parametrize("name", ["configs/inference.json", "models/model.pt"])
def test_no_link_leads_out_of_the_bundle(tmp_path, name):
    """A file that lies elsewhere is refused before it is read."""
    folder = bundles.write(tmp_path / "b", RetinaNet(SMALL))
    (tmp_path / "elsewhere").write_bytes((folder / name).read_bytes())
    (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=f"{name} leads out of b"):
        bundle.read(folder) if name.startswith("configs") else bundle_weights.weights(folder)


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_runs_something_is_refused_unrun(tmp_path):
    """Only tensors are read of model.pt."""
    folder = bundles.write(tmp_path / "b")
    torch.save({"model": Harmful(tmp_path / "made")}, folder / "models/model.pt")
    with pytest.raises(ModelError, match=r"models/model\.pt holds no weights that can be read safely"):
        bundle_weights.weights(folder)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("found", [[1, 2], {"a": 3}, {"model": {"a": "b"}}], ids=["list", "number", "text"])
def test_what_is_no_table_of_tensors_is_refused(tmp_path, found):
    """Read safely, but no weights."""
    folder = bundles.write(tmp_path / "b")
    torch.save(found, folder / "models/model.pt")
    with pytest.raises(ModelError, match="must hold tensors by name"):
        bundle_weights.weights(folder)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_that_was_cut_short_is_refused(tmp_path, share):
    """Nothing, a beginning, all but the end."""
    folder = bundles.write(tmp_path / "b", RetinaNet(SMALL))
    path = folder / "models/model.pt"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ModelError, match=r"models/model\.pt holds no weights"):
        bundle_weights.weights(folder)


@pytest.mark.parametrize("name", ["model.pt", "model.ts"])
def test_bytes_that_are_no_weights_are_refused(tmp_path, name):
    """Whatever they are called."""
    folder = bundles.write(tmp_path / "b")
    (folder / "models" / name).write_bytes(bytes(range(256)) * 9)
    with pytest.raises(ModelError, match=f"models/{name} holds no weights"):
        bundle_weights.weights(folder, trust=True)


def test_weights_under_model_are_found(tmp_path):
    """As some checkpoints have them."""
    folder, made = bundles.write(tmp_path / "b"), RetinaNet(SMALL)
    torch.save({"model": made.state_dict(), "epoch": torch.tensor(1)}, folder / "models/model.pt")
    bundle_weights.load(RetinaNet(SMALL), bundle_weights.weights(folder))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda state: state.pop("feature_extractor.body.conv1.weight"), "conv1.weight is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra is unknown"),
        (
            lambda state: state.update({"classification_head.cls_logits.bias": torch.zeros(6)}),
            r"cls_logits.bias is \(6,\), not \(3,\)",
        ),
        (lambda state: state["regression_head.bbox_reg.bias"].fill_(float("nan")), "not all finite"),
    ],
    ids=["missing", "unknown", "of another size", "not a number"],
)
def test_weights_that_do_not_fit_are_named(spoil, named):
    """Each name and each size must be the network's, and each number a number."""
    state = {name: value.clone() for name, value in RetinaNet(SMALL).state_dict().items()}
    spoil(state)
    with pytest.raises(ModelError, match=named):
        bundle_weights.load(RetinaNet(SMALL), state)


def test_another_networks_weights_are_told_shortly():
    """A few names and a number, not two hundred names."""
    with pytest.raises(ModelError, match=r"and \d+ more"):
        bundle_weights.load(RetinaNet(SMALL), nn.Linear(2, 2).state_dict())


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_loaded_only_on_trust(tmp_path):
    """Refused without the switch, which it names; with it the weights are taken."""
    folder, made = bundles.write(tmp_path / "b"), RetinaNet(SMALL).eval()
    traced = torch.jit.trace(made, torch.zeros(1, 1, 32, 32, 16), strict=False, check_trace=False)
    traced.save(folder / "models/model.ts")
    with pytest.raises(ModelError, match="--trust"):
        bundle_weights.weights(folder)
    found = bundle_weights.weights(folder, trust=True)
    bundle_weights.load(RetinaNet(SMALL), found)
    assert json.dumps(sorted(found)) == json.dumps(sorted(made.state_dict()))
