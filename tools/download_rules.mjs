// Writes src/hub/download_rules_table.cpp: which request counts as a download, per library, from the npm package @huggingface/tasks (MIT)
// that the end-to-end tests install. Run it when that package is updated:  node tools/download_rules.mjs
import { writeFileSync } from 'node:fs';
import { MODEL_LIBRARIES_UI_ELEMENTS as libraries } from '../tests/e2e/node_modules/@huggingface/tasks/dist/esm/model-libraries.js';

const rows = Object.entries(libraries)
  .filter(([, library]) => library.countDownloads)
  .map(([name, library]) => [name, library.countDownloads.trim().replace(/\s+/g, ' ')])
  .sort(([a], [b]) => (a < b ? -1 : 1));
const text = rows.map(([name, query]) => `    {${JSON.stringify(name)}, ${JSON.stringify(query)}},`).join('\n');
writeFileSync(
  new URL('../src/hub/download_rules_table.cpp', import.meta.url),
  `// Written by tools/download_rules.mjs from the npm package @huggingface/tasks; do not edit.
#include "hub/download_rules.h"

namespace lyceum::hub {
namespace {

constexpr LibraryRule kRules[] = {
${text}
};

}  // namespace

std::span<const LibraryRule> library_rules() { return kRules; }

}  // namespace lyceum::hub
`,
);
console.log(`${rows.length} rules`);
