#!/bin/sh
# Create .venv and install Millet with the cpu or the gpu runtime. Called by `make install`.
set -eu
extra=${1:-cpu}
python=${PYTHON:-python3}
case $extra in cpu) other=gpu ;; gpu) other=cpu ;;
    *) echo "make install: EXTRA is cpu or gpu, not $extra" >&2; exit 2 ;;
esac

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "make install: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3" >&2; exit 1
}
# Debian's Python comes without ensurepip, which venv needs.
"$python" -c 'import ensurepip' 2>/dev/null || sh tools/debian.sh python3-venv || {
    echo "make install: this Python cannot make environments; install Debian's python3-venv" >&2; exit 1
}

[ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || {
    echo "== .venv (1/4)"
    rm -rf .venv
    "$python" -m venv .venv
}
# pip first, since it heeds the machine's configuration, which may offer the CPU wheel; uv does not.
echo "== torch, by pip (2/4)"
.venv/bin/python -m pip install --progress-bar on torch==2.13.0
echo "== uv (3/4)"
.venv/bin/python -m pip install --quiet uv
echo "== Millet with [$extra,dev] (4/4)"
# Both runtimes own the folder onnxruntime/, so only one may be there.
if [ -e ".venv/installed-$other" ]; then
    .venv/bin/uv pip uninstall --python .venv/bin/python onnxruntime onnxruntime-gpu
fi
rm -f .venv/installed-*
.venv/bin/uv pip install --compile-bytecode --python .venv/bin/python -e ".[$extra,dev]"
# pip may have been offered torch's CPU build, which leaves a GPU to ONNX Runtime alone.
[ "$extra" = cpu ] || .venv/bin/python -c '
import sys, torch, onnxruntime
one, two = torch.version.cuda or "no CUDA", onnxruntime.cuda_version or "no CUDA"
if one.split(".")[0] != two.split(".")[0] or torch.version.cuda is None:
    sys.exit(f"make install: torch {torch.__version__} has {one}, ONNX Runtime {onnxruntime.__version__} has {two}; "
             "uninstall torch and name pip an index that has the build for the CUDA of the other")
'
