#!/usr/bin/env bash
# A StatefulSet of cdk8s-plus without volume claim templates loses all volumes of its containers:
# the mounts remain in the manifest, but the volumes are missing, so the API server rejects it. With
# one volume claim template, the manifest contains the same volumes.
set -euo pipefail

CDK8S=2.70.106
CDK8S_PLUS=2.5.92
CONSTRUCTS=10.8.1

directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund "cdk8s@$CDK8S" "cdk8s-plus-32@$CDK8S_PLUS" "constructs@$CONSTRUCTS" \
    > /dev/null

cat > app.js <<'JS'
const { App, Chart, Size, Testing } = require('cdk8s');
const plus = require('cdk8s-plus-32');

function podSpec(Workload, properties = {}) {
  const chart = new Chart(new App(), 'shop');
  const service = new plus.Service(chart, 'service', { ports: [{ port: 80 }] });
  const workload = new Workload(chart, 'web', Workload === plus.StatefulSet ? { service, ...properties } : {});
  const container = workload.addContainer({ image: 'nginx' });
  container.mount('/cache', plus.Volume.fromEmptyDir(chart, 'cache', 'cache'));
  for (const { name } of properties.volumeClaimTemplates ?? []) {
    container.mount('/data', plus.Volume.fromName(chart, name, name));
  }
  const object = Testing.synth(chart).find(({ kind }) => kind !== 'Service');
  return object.spec.template.spec;
}

const names = (list) => (list ?? []).map(({ name }) => name);
const template = { name: 'data', storage: Size.gibibytes(1), accessModes: ['ReadWriteOnce'] };
const cases = {
  Deployment: podSpec(plus.Deployment),
  'StatefulSet with a volume claim template': podSpec(plus.StatefulSet, { volumeClaimTemplates: [template] }),
  'StatefulSet without volume claim templates': podSpec(plus.StatefulSet),
};
for (const [title, spec] of Object.entries(cases)) {
  const mounts = names(spec.containers[0].volumeMounts);
  console.log(`  ${title}: mounts ${mounts.join(', ')}; volumes ${names(spec.volumes).join(', ') || 'none'}`);
}
const [deployment, templated, plain] = Object.values(cases);
const isUnchanged =
  names(deployment.volumes).includes('cache') &&
  names(templated.volumes).includes('cache') &&
  names(plain.containers[0].volumeMounts).includes('cache') &&
  plain.volumes === undefined;
process.exit(isUnchanged ? 0 : 1);
JS

echo "cdk8s $CDK8S, cdk8s-plus-32 $CDK8S_PLUS"
echo 'A container mounts an emptyDir volume named cache:'
if node app.js; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
