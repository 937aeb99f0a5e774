"""Load the millet.toml of each rendered chart as the service would; a mistake ends with its error."""

import sys
import tempfile
from pathlib import Path

import yaml

from millet.settings import load

for rendered in sys.argv[1:]:
    documents = yaml.safe_load_all(Path(rendered).read_text("utf-8"))
    (toml,) = (one["data"]["millet.toml"] for one in documents if one and one["kind"] == "ConfigMap")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "millet.toml"
        file.write_text(toml, "utf-8")
        print(rendered, load({}, file))
