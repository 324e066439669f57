import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readTls } from '../../eventlog/kafka/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'toolmeter-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pem = join(folder, 'some.pem');
writeFileSync(pem, '-----BEGIN CERTIFICATE-----\n');

test('TLS is on where it is asked for or a file is named', () => {
  expect(readTls(false, {})).toBeUndefined();
  expect(readTls(false, { ca: undefined, cert: '' })).toBeUndefined();
  expect(readTls(true, {})).toEqual({});
  expect(readTls(false, { ca: pem })).toEqual({ ca: '-----BEGIN CERTIFICATE-----\n' });
});

test('what can not be read, is no PEM or half a pair is told', () => {
  const text = join(folder, 'text');
  writeFileSync(text, 'no');
  expect(() => readTls(true, { ca: join(folder, 'nope') })).toThrow(/can't be read: ENOENT/);
  expect(() => readTls(true, { ca: text })).toThrow(/is no PEM file/);
  expect(() => readTls(true, { cert: pem })).toThrow(/ssl_key_file is not set/);
  expect(() => readTls(true, { key: pem })).toThrow(/ssl_cert_file is not set/);
});
