import { describe, expect, it } from 'vitest';
import { createScrubber } from '../../../processors/scrub/index.ts';

const scrubber = createScrubber({ key: { kid: 'k1', secret: new Uint8Array(32).fill(7) } });
/** Scrubbed JSON, its pseudonyms shortened to their types. */
const scrub = (text: string): string => scrubber.json(text).text.replace(/<([a-z_]+):[a-z2-7]{16}>/g, '<$1>');

describe('JSON', () => {
  it.each([
    [
      'keys, strings and numbers',
      '{"ada@example.org": ["+1 415 555 0132", 4111111111111111]}',
      '{"<email>": ["<phone>", "<card>"]}',
    ],
    ['escapes can hide nothing', '{"a":"ada\\u0040example.org \\u00e9"}', '{"a":"<email> \\u00e9"}'],
    [
      'digits, zeros and spaces stay',
      '{ "a" : 12345678901234567890 , "b":1.0,\n"c": 1E+2 }',
      '{ "a" : 12345678901234567890 , "b":1.0,\n"c": 1E+2 }',
    ],
    [
      'JSON in a string is JSON',
      '{"text":"{\\"phone\\":4155550132,\\"ok\\":true}"}',
      '{"text":"{\\"phone\\":\\"<phone>\\",\\"ok\\":true}"}',
    ],
    [
      'and JSON in that',
      JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ password: 'x1y2z3' }) }) }),
      JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ password: '<secret>' }) }) }),
    ],
    [
      'a key decides about numbers',
      '{"phone":4155550132,"id":4155550132}',
      '{"phone":"<phone>","id":4155550132}',
    ],
    [
      'and about the elements of its array',
      '{"phones":["4155550132",4155550133]}',
      '{"phones":["<phone>","<phone>"]}',
    ],
    [
      'a card in an id is an id',
      '{"order_id":4111111111111111,"order_ids":["4111111111111111"]}',
      '{"order_id":4111111111111111,"order_ids":["4111111111111111"]}',
    ],
    ['several values after each other', '{"a":"ada@example.org"}\n{"a":1}\n', '{"a":"<email>"}\n{"a":1}\n'],
    ['a text after the JSON', '{"a":1} call 415-555-0132', '{"a":1} call <phone>'],
    ['a lone string', '"ada@example.org"', '"<email>"'],
    ['a lone number', ' 4111111111111111 ', ' "<card>" '],
    ['no JSON', 'ada@example.org, "a"', '<email>, "a"'],
    ['brackets that open no JSON', '[INFO] login of ada@example.org', '[INFO] login of <email>'],
    ['a number that the rest begins with', '[376629109564551 345-664-5209', '[<card> <phone>'],
    ['numbers that are none', '[415-555-0132]', '[<phone>]'],
    ['a string that was cut', '{"a":"mail ada@example.org, an', '{"a":"mail <email>, an'],
    ['an escape that was cut', '{"a":"mail ada@example.org \\u00', '{"a":"mail <email> \\u00'],
    ['line ends inside strings', '{"a":"x\nada@example.org"}', '{"a":"x\n<email>"}'],
    ['lone surrogates and NUL', '{"a":"\\ud800 ada@example.org \\u0000"}', '{"a":"\\ud800 <email> \\u0000"}'],
  ])('%s', (_name, input, expected) => {
    expect(scrub(input)).toBe(expected);
  });

  it('gives offsets of the JSON text, escapes and all', () => {
    const input = '{"a":"\\u0041da@example.org"}';
    const { findings } = scrubber.json(input);
    expect(findings).toEqual([{ type: 'email', start: 6, end: 26, detector: 'email' }]);
    expect(input.slice(6, 26)).toBe('\\u0041da@example.org');
  });

  it('takes a million open brackets', () => {
    const deep = '['.repeat(1_000_000);
    expect(scrubber.json(deep).text).toBe(deep);
  });
});

describe('key names', () => {
  it.each([
    'password',
    'Password',
    'userPassword',
    'DB_PASSWORD',
    'db-password',
    'user.passwd',
    'passphrase',
    'client_secret',
    'clientSecret',
    'X-Api-Key',
    'apiKey',
    'APIKEY',
    'authorization',
    'Authorization',
    'private_key',
    'password_hash',
    'password2',
    'credentials',
    'aws_secret_access_key',
    'AWSSecretAccessKey',
    'Passwort',
    'contraseña',
  ])('replaces whatever stands under %s', (key) => {
    for (const value of ['a b c', 12345, { a: 1 }, ['x']]) {
      expect(scrub(JSON.stringify({ [key]: value }))).toBe(JSON.stringify({ [key]: '<secret>' }));
    }
  });

  it.each([
    ['ssn', '536-22-8145', 'ssn'],
    ['socialSecurityNumber', 536228145, 'ssn'],
    ['dob', '1984-06-12', 'dob'],
    ['date_of_birth', '12 June 1984', 'dob'],
    ['passport_number', 'C01X00T47', 'government_id'],
    ['accessToken', 'abcdefgh12345678', 'secret'],
    ['token', 'abcdefgh12345678', 'secret'],
    ['pin', 4821, 'secret'],
    ['cvv', '123', 'secret'],
    ['Set-Cookie', 'session=abc; Secure', 'secret'],
  ])('replaces the value of %s', (key, value, type) => {
    expect(scrub(JSON.stringify({ [key]: value }))).toBe(JSON.stringify({ [key]: `<${type}>` }));
  });

  it.each([
    { password: null, secret: true, api_key: '', authorization: false, credentials: {}, cookies: [] },
    { 'pbkdf2-password': '^1.2.1', cookie: '^2.0.0', cookies: ['./cookie'] },
    { password: '********', secret: '[REDACTED]', api_key: '$\u007bAPI_KEY}' },
    {
      max_tokens: 4096,
      total_tokens: 12345678,
      nextPageToken: 'abcdefgh12345678',
      progressToken: 'abcdefgh12345678',
      eos_token: '<|endoftext|>',
    },
    {
      passed: 'yes it did',
      compass: 'north by west',
      secretary: 'Ada L',
      keyboard: 'qwerty12345',
      author: 'Ada Lovelace',
      token: 'a b',
    },
    {
      password_policy: 'long',
      password_changed_at: '2026-11-25',
      pass: 'failed',
      PWD: '/home/ada',
      pin: 'A12',
      auth: 'none',
    },
  ])('leaves what is no value, and names that only look so: %j', (value) => {
    expect(scrub(JSON.stringify(value))).toBe(JSON.stringify(value));
  });

  it('leaves the declarations of a schema: a tool may ask for a password', () => {
    const schema = JSON.stringify({
      inputSchema: {
        type: 'object',
        properties: { password: { type: 'string' }, ssn: { type: 'string', description: 'The SSN' } },
      },
    });
    expect(scrub(schema)).toBe(schema);
  });

  it('replaces what a cut left open', () => {
    expect(scrub('{"credentials":{"user":"ada","pw":"x')).toBe('{"credentials":"<secret>"');
  });
});

describe('media', () => {
  const payload = Buffer.from('not really an image, but long enough').toString('base64');

  it.each([
    ['an image', { type: 'image', data: payload, mimeType: 'image/png' }, 'image/png'],
    [
      'an image, its keys in another order',
      { data: payload, mimeType: 'image/png', type: 'image' },
      'image/png',
    ],
    ['sound', { type: 'audio', data: payload, mimeType: 'audio/wav' }, 'audio/wav'],
    ['a blob', { uri: 'file:///a', mimeType: 'application/pdf', blob: payload }, 'application/pdf'],
    ['a blob of unknown type', { uri: 'file:///a', blob: payload }, 'application/octet-stream'],
  ])('puts a note in place of %s, and counts it', (_name, block, type) => {
    const { text, media, findings } = scrubber.json(JSON.stringify({ content: [block] }));
    expect(text).toContain(`<media:${type} ${payload.length} bytes>`);
    expect(text).not.toContain(payload.slice(0, 12));
    expect(media).toEqual({ items: 1, bytes: payload.length });
    expect(findings).toEqual([]);
  });

  it('keeps the head of a data URL', () => {
    const { text, media } = scrubber.plain(`see data:image/png;base64,${payload} here`);
    expect(text).toBe(`see data:image/png;base64,<media:image/png ${payload.length} bytes> here`);
    expect(media.items).toBe(1);
  });

  it('keeps base64 that is no media, and scrubs data that is text', () => {
    const json = JSON.stringify({ type: 'file', data: payload, sha: payload });
    expect(scrub(json)).toBe(json);
    expect(scrub('{"data":"ada@example.org"}')).toBe('{"data":"<email>"}');
  });

  it('takes a payload that was cut before its type for media', () => {
    const { text, media } = scrubber.json(`{"content":[{"data":"${'QUJD'.repeat(200)}`);
    expect(text).toBe('{"content":[{"data":"<media:application/octet-stream 800 bytes>');
    expect(media).toEqual({ items: 1, bytes: 800 });
  });
});
