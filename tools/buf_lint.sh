#!/bin/sh
# Lint the gRPC contract with buf, an npm package, and hold it against the released one (proto/released.binpb,
# made by `protoc --include_imports --descriptor_set_out` at a release); say so where buf cannot be had.
set -eu
buf=.tools/node_modules/.bin/buf
if [ ! -x $buf ]; then
    command -v npm >/dev/null || sh tools/debian.sh npm || { echo "buf lint: not run, there is no npm"; exit 0; }
    npm install --silent --no-audit --no-fund --prefix .tools @bufbuild/buf@1.75.0 >/dev/null || {
        echo "buf lint: not run, npm could not install @bufbuild/buf"; exit 0
    }
fi
$buf lint proto && echo "buf lint: clean"
$buf breaking proto --against proto/released.binpb && echo "buf breaking: nothing"
