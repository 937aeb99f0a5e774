#!/bin/sh
# Fetch the web viewer that tests open our reports in, an npm package; exit 1 where it cannot be had.
set -eu
version=3.13.2
[ -f .tools/ohif/package/dist/index.html ] && exit 0
command -v npm >/dev/null || sh tools/debian.sh npm || { echo "OHIF: there is no npm"; exit 1; }
mkdir -p .tools/ohif
(cd .tools/ohif && npm pack --silent "@ohif/app@$version" >/dev/null 2>&1 && tar xzf ohif-app-$version.tgz \
    && rm ohif-app-$version.tgz) || { echo "OHIF: npm could not fetch @ohif/app"; exit 1; }
