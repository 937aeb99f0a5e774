#!/bin/sh
# Fetch the checker of accessibility that tests run on each page, an npm package (MPL-2.0, for tests alone);
# exit 1 where it cannot be had.
set -eu
version=4.14.1
[ -f .tools/axe/package/axe.min.js ] && exit 0
command -v npm >/dev/null || sh tools/debian.sh npm || { echo "axe: there is no npm"; exit 1; }
mkdir -p .tools/axe
(cd .tools/axe && npm pack --silent "axe-core@$version" >/dev/null 2>&1 && tar xzf axe-core-$version.tgz \
    && rm axe-core-$version.tgz) || { echo "axe: npm could not fetch axe-core"; exit 1; }
