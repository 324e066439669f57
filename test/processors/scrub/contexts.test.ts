import { describe, expect, it } from 'vitest';
import { createScrubber } from '../../../processors/scrub/index.ts';

/** What the text around decides: labels, names, operators, schemes; and values that are only filled in. */
const scrubber = createScrubber({ key: { kid: 'k1', secret: new Uint8Array(32).fill(7) } });
const drawn = (length: number): string => 'aB3dE5gH7'.repeat(30).slice(0, length);
const hex = (length: number): string => '9f86d081884c7d65'.repeat(10).slice(0, length);

/** What stands between ⟦ and ⟧, or all of it, is found, and nothing else. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  phone: [
    'Hill Lane 4\n⟦042 555 0199⟧-Fax',
    'Hill Lane 4\n⟦555 0199⟧ office',
    '⟦(32) 555-019⟧-Office, desk 12',
    'nobody answers at ⟦24 555 019⟧',
    'stop sending messages to ⟦699 555 019⟧',
    'phone: ⟦(0-312) 55019⟧',
    'Tel: ⟦(06 1) 555 0199⟧',
    'my driver said: call ⟦0161 496 0123⟧',
  ],
  ip: ['ssh ops@⟦2001:db8:7::1f⟧', 'bound to ⟦10.4.7.19⟧@eth0'],
  card: [
    'my credit card ⟦3502000000000007⟧ was stolen',
    'card number ⟦587400000002⟧, please block it',
    'Which cc? ⟦3519 0000 0000 0008⟧',
  ],
  secret: [
    'api_key_staging: "⟦k3v9d2m4q8⟧"',
    'DB_PASSWORD_PROD=⟦k3v9d2m4q8⟧',
    'TOKEN ?= "⟦k3v9d2m4q8⟧"',
    'deploy_token ::= "⟦k3v9d2m4q8⟧"',
    'auth_token :::= ⟦k3v9d2m4q8⟧',
    '$apiToken .= "⟦k3v9d2m4q8⟧";',
    'if (password !== "⟦k3v9d2m4q8⟧") {',
    'var billingToken string = "⟦k3v9d2m4q8⟧"',
    'const accessToken: string = "⟦k3v9d2m4q8⟧";',
    'password = @"⟦k3v9d2m4q8⟧";',
    'password = b"⟦k3v9d2m4q8⟧"',
    'System.setProperty("DB_PASSWORD", "⟦k3v9d2m4q8⟧")',
    "headers.set('X-Api-Key', '⟦k3v9d2m4q8⟧')",
    'log: "{\\"user\\": 4, \\"password\\": \\"⟦k3v9d2m4q8⟧\\"}"',
    "Connect -ClientSecret '⟦k3v9d2m4q8⟧'",
    'Authorization: Token ⟦k3v9d2m4q8w7⟧',
    '-H "Authorization: ApiKey ⟦k3v9d2m4q8w7⟧" https://example.com',
    'curl -u mona:⟦k3v9d2m4⟧ https://example.com',
    'curl --user "mona:⟦k3v9d2m4⟧" https://example.com',
    `weather_key: "⟦${drawn(32)}⟧"`,
    `https://api.example.com/v1/rates?key=⟦${drawn(30)}⟧`,
    'Authorization: Basic ⟦dGVzdHVzZXI6⟧',
    `⟦HRKU-${drawn(40)}⟧`,
    `⟦pscale_tkn_${drawn(43)}⟧`,
    `⟦shippo_test_${hex(40)}⟧`,
    `⟦EZAK${drawn(54)}⟧`,
    `⟦squ_${hex(40)}⟧`,
    `⟦fo1_${drawn(43)}⟧`,
    `⟦NRAK-${drawn(27).toUpperCase()}⟧`,
    `⟦access-sandbox-9f86d081-884c-4d65-9a2f-eaa0c55ad015⟧`,
    `⟦nvapi-${drawn(64)}⟧`,
    `⟦sha256~${drawn(43)}⟧`,
    `it is ⟦qZ78Q~${drawn(34)}⟧`,
    `⟦ZXlKaGJHY2lPaUpJVXpJMU5pSjkuZXlKemRXSWlPaUl4SW4wLnNpZ25hdHVyZQ⟧`,
  ],
};

const NOT_FOUND: readonly string[] = [
  // Filled in for show.
  `ghp_${'x'.repeat(36)}`,
  `AKIA${'X'.repeat(16)}`,
  `glpat-${'x'.repeat(11)}-${'x'.repeat(8)}`,
  `hvs.${'x'.repeat(40)}`,
  'api_key = "YOUR_API_KEY"',
  'token = "ADD_YOUR_ACCESS_TOKEN_HERE"',
  'password = "****************1"',
  // Named, and no secret.
  `cache_key: "${drawn(32)}"`,
  `primary_key = "${drawn(32)}"`,
  `build_key: "${hex(40)}"`,
  'sort_key: "2026-11-25T01:04:35Z#order#88213"',
  'weather_key: "9f86d081-884c-4d65-9a2f-eaa0c55ad015"',
  'use -token handling as before',
  'docker run -u 1000:1000 image',
  'rsync -u host:backup-2026 .',
  // Named as something else.
  "my driver's license number is 6940579",
  'The account number is 69405791',
  'my gift order number was 55501234',
  'SIM card, IMEI 490154203237518',
  // Columns of a log, and a house.
  '081111 060015 21733 INFO dfs.DataNode: PacketResponder',
  'Bill to: 03262 2437 Main St Suite 442',
  // Written as an IBAN, with a digit wrong or cut.
  'DE89 3704 0044 0532 0130 01',
  'DK50 0040 0440 1162 44',
  'RS35 2600 0560 1001 6113 70',
  // Right by their check digits, and no cards: a decimal, a snowflake, a product's number.
  '525287.2292118854',
  '811150732845703657',
  '4012345678909',
  // Columns.
  '078 00 1123',
  '633 873 9142 778',
  // A repository's address.
  'org-6811@github.example.com:octo-org/octo-repo.git',
];

describe.each(Object.entries(FOUND))('%s', (type, texts) => {
  it.each(texts)('in %s', (marked) => {
    const open = marked.indexOf('⟦');
    const start = Math.max(0, open);
    const text = marked.replace(/[⟦⟧]/g, '');
    const end = open === -1 ? text.length : marked.indexOf('⟧') - 1;
    expect(scrubber.plain(text).findings).toEqual([
      { type, start, end, detector: expect.stringMatching(/^\w/) },
    ]);
  });
});

describe('nothing', () => {
  it.each(NOT_FOUND)('in %s', (text) => {
    expect(scrubber.plain(text)).toEqual({ text, findings: [], media: { items: 0, bytes: 0 } });
  });

  it.each([
    '{"dob":{"day":null,"month":null,"year":null}}',
    '{"credentials":[null]}',
    '{"extended_authorization":{"status":"disabled"}}',
    '{"permissions":{"secrets":"read","contents":"write"}}',
    '{"client_secret":"client_secret"}',
    `{"partition_key":"${drawn(40)}"}`,
  ])('in JSON %s', (text) => {
    expect(scrubber.json(text).findings).toEqual([]);
  });
});

describe('JSON keys of services', () => {
  it('holds what is drawn to be a secret', () => {
    expect(scrubber.json(`{"maps_key":"${drawn(36)}"}`).findings).toMatchObject([{ type: 'secret' }]);
  });

  it('keeps replacing an object that holds a value among nulls', () => {
    expect(scrubber.json('{"dob":{"day":4,"month":null}}').findings).toMatchObject([{ type: 'dob' }]);
  });
});
