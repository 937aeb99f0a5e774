#!/bin/sh
# Lint the gRPC contract with buf, and hold it against the released one (proto/released.binpb, made by
# `protoc --include_imports --descriptor_set_out` at a release); say so where buf cannot be had.
set -eu
sh tools/buf.sh || { echo "buf lint: not run"; exit 0; }
buf=.tools/node_modules/.bin/buf
$buf lint proto && echo "buf lint: clean"
$buf breaking proto --against proto/released.binpb && echo "buf breaking: nothing"
