#!/bin/sh
# Install the programs that tests run against, deselect what this machine cannot run, run the rest with
# no network but loopback.
set -eu
sh tools/debian.sh dcmtk dicom3tools libpixelmed-java pixelmed-apps default-jre-headless orthanc \
    orthanc-dicomweb prometheus prometheus-alertmanager chromium curl iproute2 openssl postgresql systemd || echo "== tests that need these programs skip and say so"

MILLET_TEST_DATA=${MILLET_TEST_DATA:-../shared/data}
MILLET_TEST_DATA=$(cd "$MILLET_TEST_DATA" 2>/dev/null && pwd || echo "$MILLET_TEST_DATA")
export MILLET_TEST_DATA
markers=
deselect() {
    markers="${markers:+$markers and }not $1"
    echo "== deselected: tests marked $1: $2"
}
[ -d "$MILLET_TEST_DATA" ] || deselect real_data "no folder $MILLET_TEST_DATA (MILLET_TEST_DATA)"
PYTHONPATH=tests .venv/bin/python -m faults.disk || deselect loop_devices "no loop device can be mounted (root)"
PYTHONPATH=tests .venv/bin/python -m machine || deselect machine "no machine to try commands in (root, overlays)"
sh tools/axe.sh || echo "== tests of accessibility skip and say so"
sh tools/ohif.sh || deselect viewer "OHIF is not to be had"
sh tools/buf.sh || deselect buf "buf is not to be had"
sh tools/helm.sh || deselect helm "Helm is not to be had"
.venv/bin/python tools/has_gpu.py || deselect gpu "no CUDA device with a runtime for it"

mkdir -p build/test
sh tools/alone.sh .venv/bin/python -m pytest ${markers:+-m "$markers"} --junitxml=build/test/junit.xml "$@"
