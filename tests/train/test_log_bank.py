import onnx

from millet.edge import models
from millet.train import log_bank, log_card


def test_the_committed_model_is_what_its_program_builds():
    """Building the graph again gives the committed bytes."""
    committed = (models.bundled() / "log/1/model.onnx").read_bytes()
    assert log_bank.build().SerializeToString(deterministic=True) == committed


def test_the_committed_card_and_manifest_are_what_the_program_writes(tmp_path):
    """Card and manifest are generated with the graph."""
    folder = tmp_path / "log/1"
    log_bank.main([str(folder)])
    for name in ("manifest.json", "MODEL_CARD.md"):
        assert (folder / name).read_text() == (models.bundled() / "log/1" / name).read_text()
    assert log_card.CARD


def test_there_is_no_limit_in_the_graph():
    """No node of the graph can cut a list of peaks short."""
    kinds = {node.op_type for node in onnx.load(models.bundled() / "log/1/model.onnx").graph.node}
    assert not kinds & {"TopK", "NonMaxSuppression"}
