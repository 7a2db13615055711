#!/usr/bin/env bash
# The JSON schema of SARIF 2.1.0 contains a pattern with an unmatched bracket. Validators that
# compile patterns with Unicode support reject the schema. Other validators accept almost any text
# as a language.
set -euo pipefail

AJV=8.20.0
SERDE_SARIF=0.8.0

directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"

# The crate serde-sarif contains the published schema.
cargo init --quiet --vcs none --name fetch .
cargo add --quiet "serde-sarif@=$SERDE_SARIF"
cargo vendor --quiet vendor > /dev/null
npm install --silent --no-audit --no-fund "ajv@$AJV" > /dev/null

cat > check.js <<'JS'
const Ajv = require('ajv');
const schema = require('./vendor/serde-sarif/src/schema.json');

const compile = (unicodeRegExp) =>
  new Ajv({ strict: false, validateFormats: false, unicodeRegExp }).compile(schema);
const log = (language) => ({
  version: '2.1.0',
  runs: [{ tool: { driver: { name: 'example' } }, results: [], language }],
});

let message = 'no error';
try {
  compile(true);
} catch (error) {
  message = error.message;
}
console.log(`Compiling the schema with ajv's default settings fails: ${message}`);

const validate = compile(false);
const accepted = ['en', 'en-US', 'english', 'en, or not?'].filter((language) => validate(log(language)));
const rejected = ['', 'e', '12'].filter((language) => !validate(log(language)));
console.log(`Without Unicode patterns, the schema accepts the languages: ${accepted.join(' | ')}`);
console.log('Without Unicode patterns, the schema rejects only texts that do not start with two letters.');

const isUnchanged = message.includes('Lone quantifier brackets') && accepted.length === 4 && rejected.length === 3;
process.exit(isUnchanged ? 0 : 1);
JS

echo "ajv $AJV, schema of SARIF 2.1.0 in serde-sarif $SERDE_SARIF"
if node check.js; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
