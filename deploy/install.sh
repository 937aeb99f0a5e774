#!/bin/sh
# Install Millet from its source folder into a new environment: deploy/install.sh ENVIRONMENT
# The Dockerfile runs this; so does `make check-deploy`, where there is no container engine.
set -eu
python3 -m venv "$1"
# The CPU wheel of torch where pip's configuration (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) offers one.
"$1/bin/pip" install --no-cache-dir torch==2.13.0
"$1/bin/pip" install --no-cache-dir ".[cpu]"
"$1/bin/millet" --help >/dev/null
