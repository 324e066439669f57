/** Labelled text for measuring the scrubber: made by rules of its own, and not by the detectors'. */
export interface Label {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}
export interface Sample {
  readonly text: string;
  readonly json: boolean;
  readonly labels: readonly Label[];
}

/** mulberry32: the same samples for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class Maker {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = random(seed);
  }
  int(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }
  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)] as T;
  }
  chars(alphabet: string, length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += alphabet[this.int(0, alphabet.length - 1)];
    return text;
  }
  /** `#` a digit, `N` 2–9, `X` an upper-case letter, `x` a hexadecimal digit; all else stands for itself. */
  fill(form: string): string {
    return form.replace(/[#NXx]/g, (mark) =>
      mark === '#'
        ? this.chars(DIGITS, 1)
        : mark === 'N'
          ? this.chars('23456789', 1)
          : mark === 'X'
            ? this.chars(UPPER, 1)
            : this.chars('0123456789abcdef', 1),
    );
  }
}

const DIGITS = '0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = LOWER.toUpperCase();
const ALNUM = LOWER + UPPER + DIGITS;
const FIRST = [
  'maria',
  'john',
  'anna',
  'li',
  'fatima',
  'josé',
  'olga',
  'kenji',
  'amara',
  'sören',
  'chloé',
  'raj',
];
const LAST = [
  'schmidt',
  'garcia',
  'smith',
  'nakamura',
  'okafor',
  'o-neill',
  'müller',
  'rossi',
  'ivanova',
  'patel',
];
const DOMAINS = [
  'example.com',
  'mail.example.org',
  'corp.example.co.uk',
  'gmail.com',
  'web.de',
  'example.museum',
  'sub.domain.example.io',
  'bücher.example',
  'xn--bcher-kva.example',
  'company-name.net',
];
const plain = (name: string): string => name.normalize('NFKD').replace(/[^a-z-]/g, '');

function email(make: Maker): string {
  const first = plain(make.pick(FIRST));
  const last = plain(make.pick(LAST));
  const local = make.pick([
    `${first}.${last}`,
    `${first}${make.int(1, 99)}`,
    `${first[0]}${last}`,
    `${first}_${last}+news`,
    `${first}.${last}+tag-${make.int(1, 9)}`,
    `${last}-${first}`,
    `${first.toUpperCase()}.${last.toUpperCase()}`,
    `"${first} ${last}"`,
    `${first}'${last}`,
    `${make.int(1000000, 99999999)}`,
  ]);
  return `${local}@${make.pick(DOMAINS)}`;
}

function luhnDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const digit = Number(body[body.length - 1 - i]);
    const value = i % 2 === 0 ? digit * 2 : digit;
    sum += value > 9 ? value - 9 : value;
  }
  return String((10 - (sum % 10)) % 10);
}

function cardDigits(make: Maker): string {
  const [prefix, length] = make.pick([
    ['4', 16],
    ['51', 16],
    ['55', 16],
    ['2221', 16],
    ['2720', 16],
    ['34', 15],
    ['37', 15],
    ['6011', 16],
    ['65', 16],
    ['36', 14],
    ['3056', 14],
    ['3530', 16],
    ['62', 16],
    ['5018', 16],
    ['6759', 16],
  ] as const);
  const body = prefix + make.chars(DIGITS, length - prefix.length - 1);
  return body + luhnDigit(body);
}

function card(make: Maker): string {
  const digits = cardDigits(make);
  const separator = make.pick(['', ' ', '-']);
  if (separator === '') return digits;
  if (digits.length === 15)
    return `${digits.slice(0, 4)}${separator}${digits.slice(4, 10)}${separator}${digits.slice(10)}`;
  if (digits.length === 14)
    return `${digits.slice(0, 4)}${separator}${digits.slice(4, 10)}${separator}${digits.slice(10)}`;
  return (digits.match(/.{4}/g) as string[]).join(separator);
}

/** Country, and the form of its account part by SWIFT's registry. */
const IBANS = [
  'DE##################',
  'GBXXXX##############',
  'FR#######################',
  'NLXXXX##########',
  'ES####################',
  'ITX######################',
  'CH#################',
  'BE############',
  'PL########################',
  'NO###########',
  'MTXXXX####################A#X',
  'SE####################',
] as const;

function iban(make: Maker): string {
  const form = make.pick(IBANS);
  const country = form.slice(0, 2);
  const account = make.fill(form.slice(2));
  const numeric = (text: string): string => [...text].map((char) => Number.parseInt(char, 36)).join('');
  const check = 98n - (BigInt(numeric(`${account}${country}00`)) % 97n);
  const value = country + String(check).padStart(2, '0') + account;
  const grouped = (value.match(/.{1,4}/g) as string[]).join(' ');
  return make.pick([value, grouped, grouped.toLowerCase(), value.toLowerCase()]);
}

const NATIONAL = [
  '(N##) N##-####',
  'N##-N##-####',
  'N##.N##.####',
  '1-N##-N##-####',
  '(N##)N##-####',
  'N## N## ####',
  '(N##) N##-#### x###',
  'N##-N##-#### ext. ##',
  '020 7### ####',
  '07### ######',
  '(0161) ### ####',
  '0151 ### ####',
  '030 ########',
  '030/######',
  '0171-#######',
  '0151 2#######',
  '(089) ######',
  '01 ## ## ## ##',
  '06.##.##.##.##',
  '06-##-##-##-##',
  '06 1###5###',
  '02-########',
  '(02) 9### ####',
  '0412 ### ###',
  '03-####-####',
  '090-####-####',
  '010-####-####',
  '(11) 9####-####',
  '98### #####',
  '138 #### ####',
  '8 (495) ###-##-##',
  '612 34 ## ##',
  '044 668 ## ##',
  '070-### ## ##',
];
const INTERNATIONAL = [
  '+1 N## N## ####',
  '+1-N##-N##-####',
  '+1 (N##) N##-####',
  '+1N##N######',
  '+44 20 7### ####',
  '+44 (0)20 7### ####',
  '+447#########',
  '+49 30 ########',
  '+49 (0) 171 #######',
  '+49-171-#######',
  '+33 6 ## ## ## ##',
  '+33.6.##.##.##.##',
  '+31 6 ########',
  '+34 612 ### ###',
  '+39 06 ########',
  '+81 90-####-####',
  '+86 138 #### ####',
  '+91 98### #####',
  '+55 11 9####-####',
  '+61 4## ### ###',
  '+7 495 ###-##-##',
  '+353 1 ### ####',
  '+41 44 668 ## ##',
  '+971 50 ### ####',
  '0049 30 ########',
  '001-N##-N##-####',
  '011 44 20 7### ####',
];
const BARE = ['N##N######', '07#########', '01#########', '138########', '06########', '###-####'];

/** Forms hold no other marks than `#` and `N`: their `x` is an extension's. */
function phone(make: Maker, forms: readonly string[]): string {
  return make.pick(forms).replace(/[#N]/g, (mark) => make.fill(mark));
}

const v6 = (make: Maker): string =>
  make.pick([
    () => make.fill('2001:db8:xxxx:xxxx:xxxx:xxxx:xxxx:xxxx'),
    () => make.fill('2001:db8::xxxx'),
    () => make.fill('fe80::1xxx:xxff:fexx:xxxx%eth0'),
    () => `::ffff:${v4(make)}`,
    () => make.fill('2a02:1xx:xxxx::1'),
    () => make.fill('FD00:ABxx::1xx'),
  ])();
const v4 = (make: Maker): string =>
  `${make.int(11, 223)}.${make.int(0, 255)}.${make.int(0, 255)}.${make.int(1, 254)}`.replace(/^127/, '128');

function ssn(make: Maker): string {
  let area = make.int(1, 899);
  if (area === 666) area = 667;
  return `${String(area).padStart(3, '0')}-${String(make.int(1, 99)).padStart(2, '0')}-${String(make.int(1, 9999)).padStart(4, '0')}`;
}

function secret(make: Maker): string {
  const b64 = `${ALNUM}-_`;
  return make.pick([
    () => `AKIA${make.chars('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}`,
    () => `ghp_${make.chars(ALNUM, 36)}`,
    () => `github_pat_${make.chars(ALNUM, 22)}_${make.chars(ALNUM, 59)}`,
    () => `glpat-${make.chars(ALNUM, 20)}`,
    () => `xoxb-${make.chars(DIGITS, 12)}-${make.chars(DIGITS, 12)}-${make.chars(ALNUM, 24)}`,
    () => `sk_live_${make.chars(ALNUM, 24)}`,
    () => `sk-proj-${make.chars(b64, 48)}`,
    () => `sk-ant-api03-${make.chars(b64, 93)}AA`,
    () => `AIza${make.chars(b64, 35)}`,
    () => `npm_${make.chars(ALNUM, 36)}`,
    () => `SG.${make.chars(b64, 22)}.${make.chars(b64, 43)}`,
    () => `hf_${make.chars(LOWER + UPPER, 34)}`,
    () => `eyJhbGciOiJIUzI1NiJ9.eyJ${make.chars(b64, 40)}.${make.chars(b64, 43)}`,
    () =>
      `-----BEGIN RSA PRIVATE KEY-----\n${make.chars(ALNUM, 64)}\n${make.chars(ALNUM, 64)}\n-----END RSA PRIVATE KEY-----`,
  ])();
}

const SENTENCES: Readonly<Record<string, readonly string[]>> = {
  email: [
    'Please write to {} today.',
    'Contact: {}',
    'from <{}> via relay',
    'user={}&next=1',
    '{} has signed in',
    'mailto:{}',
    'Reply to {}, or to nobody.',
    '- {}\n- none',
    'Kontakt ({}) für Fragen',
    'owner:{};',
    '连接{}的账户',
    'https://example.com/u?email={}',
  ],
  phone: [
    'Call me at {} tomorrow.',
    'Tel: {}',
    'My number is {}.',
    'phone={}',
    'Reach us on {} (24 h).',
    'Fax {}, room 5',
    'Telefon: {}',
    'Mobil {}',
    'Appelez le {} svp',
    'WhatsApp: {}',
    '电话：{}',
    'Please call {} or write.',
  ],
  phone_alone: [
    'The customer left {} as a contact.',
    '{}',
    'We met Ada ({}) on Monday.',
    'Ada Lovelace, {}, Paris',
    'see {} below',
    'He lives in Berlin. {}. Thanks',
  ],
  card: [
    'Charge {} please.',
    'Card number: {}',
    'paid with {} on Monday',
    '{}',
    'My credit card {} was declined',
    'Visa {} exp 12/29',
    'cc={}',
  ],
  iban: [
    'IBAN {}',
    'Transfer to {} by Friday.',
    '{}',
    'Konto: {}, Bank X',
    'account {} closed',
    'iban={}&bic=X',
  ],
  ssn: ['My SSN is {}.', 'SSN: {}', 'social security number {} on file', 'Employee {} hired', '{}'],
  ip: [
    'Login from {} failed',
    'ping {}',
    'connect to http://[{}]/',
    '{}',
    'client {} disconnected',
    'host={} port=22',
    '{} - - "GET /"',
    'IP address {} blocked',
  ],
  secret: [
    'export TOKEN={}',
    'the key {} leaked',
    '{}',
    'curl -H "X-Key: {}" https://example.com',
    'use `{}` here',
    'token: {}',
  ],
};

const KEYS: Readonly<Record<string, readonly string[]>> = {
  email: ['email', 'contactEmail', 'to', 'owner', 'note'],
  phone: ['phone', 'phoneNumber', 'mobile_number', 'tel', 'contact_phone'],
  card: ['card_number', 'creditCard', 'pan', 'note'],
  iban: ['iban', 'account', 'note'],
  ssn: ['ssn', 'socialSecurityNumber', 'note'],
  ip: ['ip', 'client_ip', 'remoteAddress', 'note'],
  secret: ['apiKey', 'access_token', 'note', 'value'],
};

const makers: Readonly<Record<string, (make: Maker) => string>> = {
  email,
  card,
  iban,
  ssn,
  secret,
  ip: (make) => (make.int(0, 2) === 0 ? v6(make) : v4(make)),
  phone: (make) => phone(make, make.pick([NATIONAL, INTERNATIONAL, BARE])),
  phone_alone: (make) => phone(make, make.pick([NATIONAL, INTERNATIONAL])),
};

/** Samples with one finding each, in a sentence or in JSON. */
export function positives(seed: number, count: number): Sample[] {
  const make = new Maker(seed);
  return Array.from({ length: count }, () => {
    const kind = make.pick(Object.keys(SENTENCES));
    const type = kind === 'phone_alone' ? 'phone' : kind;
    const value = (makers[kind] as (make: Maker) => string)(make);
    const keys = KEYS[kind];
    if (keys !== undefined && make.int(0, 2) === 0) {
      const encoded = JSON.stringify(value).slice(1, -1);
      const head = `{"id":${make.int(1, 999)},"${make.pick(keys)}":"`;
      return {
        text: `${head}${encoded}","ok":true}`,
        json: true,
        labels: [{ type, start: head.length, end: head.length + encoded.length }],
      };
    }
    const sentence = make.pick(SENTENCES[kind] as readonly string[]);
    const at = sentence.indexOf('{}');
    const bracketed =
      sentence.includes('[{}]') && !value.includes(':') ? sentence.replace('[{}]', '{}') : sentence;
    const start = bracketed === sentence ? at : at - 1;
    return {
      text: bracketed.replace('{}', () => value),
      json: false,
      labels: [{ type, start, end: start + value.length }],
    };
  });
}

const CLEAN: readonly ((make: Maker) => string)[] = [
  (make) => make.fill('order ORD-######## shipped'),
  (make) => make.fill('Order number 1########## was delivered'),
  (make) => make.fill('trace xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx span xxxxxxxxxxxxxxxx'),
  (make) => make.fill('commit xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
  (make) => make.fill('id xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'),
  (make) => make.fill('released version 1#.#.#.# of the driver'),
  (make) => make.fill('v#.##.### (build 2026.11.25.#)'),
  (make) => make.fill('at 2026-1#-2# 1#:3#:4#.### it failed'),
  (make) => make.fill('lat 48.8####### lon 2.3#######'),
  (make) => make.fill('took 12.####### ms, 0.######## of all'),
  (make) => make.fill('epoch 17######## and 17###########'),
  (make) => make.fill('sum 1,234,### and 9.87#.6##,00'),
  (make) => make.fill('ISBN 978-3-16-1484##-#'),
  (make) => make.fill('range 10-20, 100-200, 1000-2000'),
  (make) => make.fill('SKU 1##-2##-X## in stock'),
  (make) => make.fill('Chrome/12#.0.0.0 Safari/537.36'),
  (make) => make.fill('sha256:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
  (make) => make.fill('MAC xx:xx:xx:xx:xx:xx'),
  (make) => make.fill('at 12:30:4# in std::vector and Foo::Bar'),
  (make) => make.fill('lodash@4.17.## and @scope/pkg@1.2.#'),
  (make) => make.fill('logo@2x.png and sprite@3x.webp'),
  (make) => make.fill('tracking number 1Z999AA101########'),
  (make) => make.fill('the password must be at least 12 characters'),
  (make) => make.fill('max_tokens=4096 total_tokens: 1###'),
  (make) => make.fill('page 3 of 12, items 101-150'),
  (make) => make.fill('price 19.99 EUR, 3 x 6.66'),
  (make) => make.fill('127.0.0.1:80## and 0.0.0.0 listen'),
  (make) => make.fill('matrix 1 2 3 4 5 6 7 8 9 10 11 12'),
  (make) => make.fill('offset 1########### length 20##'),
  (make) => make.fill('year 1999-2026, 24/7, 50/50'),
  (make) => make.fill('base64 VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVy'),
  (make) => make.fill('arn:aws:iam::123456789###:role/name'),
  (make) => make.fill('account number 1234567890##'),
  (make) => make.fill('invoice 2026-11-0000##, ref 00##-1234-##'),
  (make) => make.fill('11/25/2026 10:15 25.11.2026 2026/11/25'),
  (make) => make.fill('GPT-4.1 costs $2.00 per 1,000,000 tokens'),
  (make) => make.fill('pi is 3.14159265358979 and e 2.718281828459045'),
];

/** Text that holds nothing, and looks as if it did. */
export function negatives(seed: number, count: number): Sample[] {
  const make = new Maker(seed);
  return Array.from({ length: count }, (_, i) =>
    i % 4 === 3
      ? { text: apiAnswer(make), json: true, labels: [] }
      : { text: make.pick(CLEAN)(make), json: false, labels: [] },
  );
}

/** What an API answers: about 1 KB of JSON without personal data. */
export function apiAnswer(make: Maker): string {
  const time = (): string => new Date(1.7e12 + make.int(0, 1e9) * 60).toISOString();
  return JSON.stringify({
    id: make.fill('xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'),
    node_id: make.chars(ALNUM, 18),
    number: make.int(1, 99999),
    order_id: make.int(1e9, 9e9),
    snowflake: String(make.int(1e8, 9e8)) + String(make.int(1e8, 9e8)),
    title: make.pick([
      'Improve the caching layer for reads',
      'Crash when the list is empty',
      'Add a dark theme',
    ]),
    state: make.pick(['open', 'closed']),
    created_at: time(),
    updated_at: time(),
    timestamp: 1.7e12 + make.int(0, 1e9),
    expires: 1.7e9 + make.int(0, 1e9),
    labels: ['bug', 'good first issue', 'help wanted'],
    assignee: {
      login: `octo${make.int(1, 99)}`,
      id: make.int(1e6, 9e7),
      site_admin: false,
      url: `https://api.example.com/users/octo${make.int(1, 99)}`,
    },
    body: 'The cache is cold after a restart, and requests take longer than they should. We could warm it from the last snapshot.',
    metrics: {
      latency_ms: make.int(1, 9e5) / 1000,
      cpu: 0.25,
      ratio: make.int(1, 9e8) / 1e9,
      version: make.fill('1.2#.#'),
      size_bytes: make.int(1e6, 9e12),
    },
    location: { lat: 48.8 + make.int(0, 1e7) / 1e8, lng: 2.3 + make.int(0, 1e7) / 1e8 },
    sha: make.fill('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'),
    html_url: `https://example.com/org/repo/issues/${make.int(1, 99999)}`,
    nextPageToken: make.chars(ALNUM, 24),
    max_tokens: 4096,
    milestone: null,
    draft: false,
  });
}

export interface Score {
  readonly type: string;
  found: number;
  missed: number;
  wrong: number;
}

/** Compares findings with labels: one counts as found where type is the same and most of the label is covered. */
export function score(
  samples: readonly Sample[],
  findingsOf: (sample: Sample) => readonly Label[],
): { scores: Map<string, Score>; mistakes: string[] } {
  const scores = new Map<string, Score>();
  const mistakes: string[] = [];
  const of = (type: string): Score => {
    let entry = scores.get(type);
    if (entry === undefined) {
      entry = { type, found: 0, missed: 0, wrong: 0 };
      scores.set(type, entry);
    }
    return entry;
  };
  for (const sample of samples) {
    const findings = findingsOf(sample);
    for (const label of sample.labels) {
      const hit = findings.some(
        ({ type, start, end }) =>
          type === label.type &&
          Math.min(end, label.end) - Math.max(start, label.start) >= 0.8 * (label.end - label.start),
      );
      if (hit) of(label.type).found++;
      else {
        of(label.type).missed++;
        mistakes.push(`missed ${label.type}: ${sample.text}`);
      }
    }
    for (const { type, start, end } of findings) {
      if (sample.labels.some((label) => label.type === type && start < label.end && end > label.start))
        continue;
      of(type).wrong++;
      mistakes.push(`wrong ${type} "${sample.text.slice(start, end)}": ${sample.text.slice(0, 200)}`);
    }
  }
  return { scores, mistakes };
}
