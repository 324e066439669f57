import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { VERSION } from '../../core/version.ts';

it('is the package’s version', () => {
  const path = fileURLToPath(new URL('../../package.json', import.meta.url));
  expect((JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version).toBe(VERSION);
});
