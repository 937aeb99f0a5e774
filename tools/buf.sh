#!/bin/sh
# Fetch buf, which lints our contracts and calls the service as the documents show, an npm package; exit 1 where
# it cannot be had.
set -eu
version=1.75.0
[ -x .tools/node_modules/.bin/buf ] && exit 0
command -v npm >/dev/null || sh tools/debian.sh npm || { echo "buf: there is no npm"; exit 1; }
npm install --silent --no-audit --no-fund --prefix .tools "@bufbuild/buf@$version" >/dev/null || {
    echo "buf: npm could not install @bufbuild/buf"; exit 1
}
