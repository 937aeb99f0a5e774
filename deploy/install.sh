#!/bin/sh
# Install Millet from its source folder into a new environment: deploy/install.sh ENVIRONMENT [cpu|gpu]
# The Dockerfile runs this; so does whoever runs it by systemd, and `make check-deploy`, where there is no container engine.
set -eu
runtime=${2:-cpu}
case $runtime in cpu | gpu) ;; *) echo "deploy/install.sh: cpu or gpu, not $runtime" >&2; exit 2 ;; esac
python3 -m venv "$1"
# The CPU wheel of torch where pip's configuration (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) offers one; a GPU needs the other.
"$1/bin/pip" install --no-cache-dir torch==2.13.0
"$1/bin/pip" install --no-cache-dir ".[$runtime]"
"$1/bin/millet" --help >/dev/null
# What runs installs nothing.
"$1/bin/pip" uninstall --yes --quiet pip
