import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readDirectory } from '../../processors/attribute/index.ts';
import { readOverlay } from '../../processors/cost/overlay.ts';
import { readDetectRules } from '../../processors/detect/index.ts';

/** The YAML blocks of a page. */
function blocks(page: string): string[] {
  const text = readFileSync(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  return [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => block as string);
}

it.each([
  ['directory.md', readDirectory],
  ['cost.md', readOverlay],
  ['detection.md', readDetectRules],
] as const)('the examples in %s are valid', (page, read) => {
  expect(blocks(page).length).toBeGreaterThan(0);
  for (const block of blocks(page)) expect(read(block, page)).toMatchObject({ ok: true });
});
