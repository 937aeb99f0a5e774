#!/bin/sh
# Check what is deployed, without a container engine: rules, chart (helm 3 and 4), unit, image files, and the install
# steps of an image in a fresh environment. Needs npm and promtool. A few minutes; not part of `make test`.
set -eu
out=build/deploy
rm -rf $out && mkdir -p $out .tools
command -v promtool >/dev/null || sh tools/debian.sh prometheus
command -v amtool >/dev/null || sh tools/debian.sh prometheus-alertmanager
command -v systemd-analyze >/dev/null || sh tools/debian.sh systemd

echo "== alert rules"
(cd deploy && promtool check config prometheus.yml && amtool check-config alertmanager.yml)

echo "== chart, unit, image and compose files"
sh tools/helm.sh
sh tools/alone.sh .venv/bin/python -m pytest -q tests/deploy

echo "== the image's install steps"
unset PYTHONPATH # what is installed must do by itself
# The same files that the Dockerfile copies, in a folder of their own.
mkdir $out/src
git ls-files -z pyproject.toml README.md LICENSE service models deploy/install.sh |
    xargs -0 cp --parents -t $out/src
(cd $out/src && sh deploy/install.sh ../venv)
(cd $out && venv/bin/millet models verify)
MILLET_STATE_DIR=$out/state sh tools/alone.sh $out/venv/bin/millet doctor
rm -rf $out/venv $out/src $out/state
# The image for CUDA takes several GB: that its packages fit together is asked, not installed.
.venv/bin/uv pip compile --quiet --extra gpu pyproject.toml -o $out/gpu.txt
grep -q '^nvidia-cudnn-cu' $out/gpu.txt
echo "deployment: all checks passed"
