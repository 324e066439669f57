import { PLACEHOLDERS } from './pseudonym.ts';

/** What a JSON key, or the name before a `=` or `:` in text, says about its value. */
export interface KeyInfo {
  /** The value is replaced whole. */
  readonly rule: KeyRule | undefined;
  /** The value is a phone number, a card, …: formats that are not enough by themselves count. */
  readonly phone: boolean;
  readonly card: boolean;
  readonly ssn: boolean;
  readonly ip: boolean;
  /** The value is an id, a time, an amount: digits in it are no phone, card or SSN. */
  readonly identifier: boolean;
  /** The value is a version or a user agent: four numbers with dots are no address. */
  readonly version: boolean;
  /** Says nothing of its own: the context of the key around it stays. */
  readonly neutral: boolean;
  /** Keys of MCP's media blocks, and JSON Schema's `properties`, under which keys declare and hold no values. */
  readonly role: 'type' | 'mimeType' | 'payload' | 'declarations' | undefined;
}

/** How much a value must look like what its key says. */
export type ValueForm = 'any' | 'token' | 'random' | 'word' | 'digits' | 'cookie';

export interface KeyRule {
  readonly type: string;
  readonly detector: string;
  readonly form: ValueForm;
}

const rule = (type: string, name: string, form: ValueForm): KeyRule => ({
  type,
  detector: `key_name.${name}`,
  form,
});

const PASSWORD = rule('secret', 'password', 'any');
const SECRET = rule('secret', 'secret', 'any');
const API_KEY = rule('secret', 'api_key', 'any');
const KEY = rule('secret', 'key', 'token');
const TOKEN = rule('secret', 'token', 'token');
const AUTHORIZATION = rule('secret', 'authorization', 'any');
const COOKIE = rule('secret', 'cookie', 'cookie');
const CODE = rule('secret', 'code', 'digits');
const SSN = rule('ssn', 'ssn', 'any');
const DOB = rule('dob', 'dob', 'any');
const GOVERNMENT_ID = rule('government_id', 'government_id', 'any');

/** By the end of the name's letters, whatever its style: `userPassword`, `USER_PASSWORD`, `user-password`. */
const BY_ENDING: readonly (readonly [RegExp, KeyRule])[] = [
  [
    /(?:password|passwd|passphrase|passcode|passwort|kennwort|motdepasse|contrasena|senha|userpwd|dbpwd|dbpass|userpass)$/,
    PASSWORD,
  ],
  [/(?:api|app)(?:key|secret|token)$/, API_KEY],
  [/(?:secret|secretkey|secretaccesskey|privatekey|credentials?|connectionsecret)$/, SECRET],
  [
    /(?:access|signing|encryption|decryption|master|shared|account|hmac|auth|ssh|license|storage|service|subscription|deploy|session)key$/,
    KEY,
  ],
  [
    /(?:access|refresh|auth|id|session|bearer|csrf|xsrf|oauth|security|personalaccess|bot|webhook|deploy|reset|verification|device|push|login|service|jwt|user|admin|client|github|gitlab|slack|npm|vault|x)token$/,
    TOKEN,
  ],
  [/(?:^(?:x|http|proxy|request|api|upstream)?authorization|authorizationheader|httpauth)$/, AUTHORIZATION],
  [/(?:^cookies?|setcookie|sessioncookie|authcookie)$/, COOKIE],
  [
    /(?:cardsecuritycode|securitycode|verificationcode|recoverycode|backupcode|mfacode|otpcode|pincode|cardpin|userpin)$/,
    CODE,
  ],
  [
    /(?:socialsecurity|socialsecuritynumber|socialsecurityno|ssnnumber|ssnlast4|sozialversicherungsnummer)$/,
    SSN,
  ],
  [/(?:dateofbirth|birthdate|birthday|birthdt|geburtsdatum|datedenaissance|fechadenacimiento)$/, DOB],
  [
    /(?:passport|passportnumber|passportno|driverslicense|driverslicence|driverlicense|driverlicensenumber|driverslicensenumber|nationalid|nationalidnumber|taxid|taxpayerid|nationalinsurancenumber)$/,
    GOVERNMENT_ID,
  ],
];

/** By the last word alone: too short to be trusted as the end of a longer word. */
const BY_WORD: Readonly<Record<string, KeyRule>> = {
  pass: rule('secret', 'password', 'word'),
  pwd: rule('secret', 'password', 'word'),
  pw: rule('secret', 'password', 'word'),
  auth: rule('secret', 'authorization', 'word'),
  jwt: TOKEN,
  token: TOKEN,
  secrets: SECRET,
  creds: rule('secret', 'secret', 'word'),
  cvv: CODE,
  cvc: CODE,
  cvv2: CODE,
  cvc2: CODE,
  pin: CODE,
  otp: CODE,
  ssn: SSN,
  dob: DOB,
};

/** `…token` that pages, cancels or marks up text. */
const PLAIN_TOKEN =
  /(?:next|prev|previous|page|pagination|continuation|continue|sync|cursor|start|stop|end|progress|cancel|cancellation|pad|eos|bos|unk|sep|cls|mask|special|last|first|max|min|new|resume|range|delta|change|scroll|concurrency|idempotency|ancillary|position|watch)token$/;

const PHONE =
  /(?:phone|telephone|mobile|cell|cellphone|fax|msisdn|whatsapp|telefon|telefono|telefone|handy|rufnummer|mobil|movil|portable|landline|hotline|sms)s?(?:number|no|nr|num|nummer)?s?$/;
const CARD =
  /(?:card|cardnumber|cardno|creditcard|debitcard|ccnumber|ccnum|pan|visa|mastercard|amex|kreditkarte|kartennummer|paymentcard)s?$/;
const IP =
  /(?:^|address|addr|client|remote|source|src|dest|dst|peer|host|server|x?forwardedfor|x?realip|local|public|private)(?:ip|ips|ipv4|ipv6|ipaddr|ipaddress|ipaddresses|addr|addresses|forwardedfor|realip)$/;
const IDENTIFIER =
  /(?:ids?|uuid|guid|gid|uid|oid|sku|ean|upc|isbn|issn|asin|order|ordernumber|orderno|invoice|invoicenumber|tracking|trackingnumber|serial|serialnumber|sha|sha1|sha256|md5|hash|digest|checksum|etag|ts|time|timestamp|timestamps|date|datetime|epoch|at|ms|ns|us|seconds|millis|nanos|size|bytes|length|count|total|amount|price|cost|balance|offset|seq|sequence|index|position|version|build|revision|rev|commit|lat|latitude|lng|lon|long|longitude|coordinates|duration|port|pid|score|value_id|ref|reference|referencenumber|ticket|ticketnumber|case|casenumber|batch|lot|part|partnumber|model|modelnumber|trace|span|cursor|nonce|zip|zipcode|postcode|postalcode|isin|cusip|lei|vin|imei|imsi|iccid|barcode|gtin|doi|pmid|bigint|random|seed)$/;
const IDENTIFIER_WORDS = new Set(
  'id ids uuid guid gid uid oid sku ean upc isbn issn asin order invoice tracking serial sha md5 hash digest checksum etag ts time timestamp date datetime epoch at ms ns us size bytes length count total amount price cost balance offset seq sequence index position version build revision rev commit lat latitude lng lon longitude coordinates duration port pid score ref reference ticket case batch lot part model trace span cursor nonce zip zipcode postcode isin cusip lei vin imei imsi iccid barcode gtin doi pmid seed sid'.split(
    ' ',
  ),
);
const VERSION =
  /(?:version|versions|ver|release|build|firmware|useragent|agent|ua|oid|revision|semver|schema|protocol)$/;
const NEUTRAL = new Set(
  'number value no num nr raw national international formatted text content data primary home work main other personal business office'.split(
    ' ',
  ),
);
const DECLARATIONS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);

export const NO_KEY: KeyInfo = {
  rule: undefined,
  phone: false,
  card: false,
  ssn: false,
  ip: false,
  identifier: false,
  version: false,
  neutral: true,
  role: undefined,
};

/** Longest key that can have a meaning here; longer ones are data. */
const MAX_KEY = 64;

export function keyInfo(key: string): KeyInfo {
  if (key.length === 0 || key.length > MAX_KEY || key.includes('<')) return NO_KEY;
  const words = wordsOf(key);
  const last = words.at(-1);
  if (last === undefined) return NO_KEY;
  const joined = words.join('');
  const isPhone = PHONE.test(joined);
  return {
    rule: ruleOf(joined, last) ?? keyRule(words),
    phone: isPhone || last === 'tel',
    card: CARD.test(joined) || last === 'cc',
    ssn: last === 'ssn',
    ip: last === 'ip' || IP.test(joined),
    identifier: !isPhone && (IDENTIFIER_WORDS.has(last) || (IDENTIFIER.test(joined) && words.length > 1)),
    version: VERSION.test(joined),
    neutral: NEUTRAL.has(last) && words.length === 1,
    role: roleOf(key),
  };
}

function ruleOf(joined: string, last: string): KeyRule | undefined {
  if (PLAIN_TOKEN.test(joined)) return undefined;
  const word = BY_WORD[last];
  if (word !== undefined) return word;
  for (const [ending, found] of BY_ENDING) if (ending.test(joined)) return found;
  return undefined;
}

/** `…key`: of a service by most names, of a table, a cache or a file by these. */
const PLAIN_KEYS = new Set(
  'cache primary public foreign partition sort routing idempotency object index hash lookup group message record row dedupe dedup map event item node translation issue project board shortcut hot registry file image asset upload blob s3 bucket query param config header path folder session composite unique natural surrogate secondary shard range answer order sub parent child entity model data storage state json property metric feature flag locale lang sorting'.split(
    ' ',
  ),
);
export const NAMED_KEY = rule('secret', 'key', 'random');

function keyRule(words: readonly string[]): KeyRule | undefined {
  return words.at(-1) === 'key' && words.length > 1 && !PLAIN_KEYS.has(words.at(-2) as string)
    ? NAMED_KEY
    : undefined;
}

function roleOf(key: string): KeyInfo['role'] {
  if (key === 'type') return 'type';
  if (key === 'mimeType') return 'mimeType';
  if (key === 'data' || key === 'blob') return 'payload';
  return DECLARATIONS.has(key) ? 'declarations' : undefined;
}

/** Words that only say how a value is written, and so don't end the name. */
const TRAILERS = new Set([
  'hash',
  'hashed',
  'value',
  'plain',
  'plaintext',
  'raw',
  'encrypted',
  'string',
  'str',
  'text',
  'confirm',
  'confirmation',
  ...'prod production staging stage dev development test testing qa uat live sandbox local default old new backup secure primary secondary root admin'.split(
    ' ',
  ),
  'base',
]);

/** `x-apiKey_2` → x, api, key. Accents are dropped, numbers and trailers at the end too. */
function wordsOf(key: string): string[] {
  const words = key
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z\d\u0080-\uffff]+/)
    .filter((word) => word !== '');
  while (words.length > 1 && /^\d+$/.test(words.at(-1) as string)) words.pop();
  while (words.length > 1 && TRAILERS.has(words.at(-1) as string)) words.pop();
  const last = words.at(-1);
  if (last !== undefined && !(last in BY_WORD)) words[words.length - 1] = last.replace(/(?<=[a-z])\d+$/, '');
  return words;
}

/** Longer, nothing stands for a value. */
const LONGEST_FILLER = 256;
/** Values that stand for "not here": masks, templates, the words for nothing, and versions of a package of that name. */
const NOT_A_VALUE =
  /^(?:[*•xX._\-\s]+|\$\{[^}]*\}|\{\{.*\}\}|\[?(?:redacted|masked|hidden|filtered|removed|omitted)\]?|<[^<>]*>|null|none|nil|undefined|true|false|n\/a|changeme|required|optional|string|read|write|enabled|disabled|(?:client_secret|api_key|apikey|access_token|auth_token)|(?:add|insert|replace|enter|put|paste|set|use)?[_-]?(?:with[_-])?(?:your|my)(?:[_-][a-z]+)+|[a-z]+(?:[_-][a-z]+)*[_-]here|[\^~>=v]{0,3}\d+\.\d+\.\d+(?:-[\w.]+)?)$/i;

/**
 * Whether text is what `rule` says its key's values are. A pseudonym in it stands for a value of any kind, so that a
 * text is judged after scrubbing as it was before.
 */
export function accepts(found: KeyRule, value: string): boolean {
  const bare = value.replace(PLACEHOLDERS, 'x');
  if (bare !== value && found.form !== 'any') return false;
  const trimmed = bare.trim();
  if (trimmed === '' || (trimmed.length <= LONGEST_FILLER && NOT_A_VALUE.test(trimmed))) return false;
  switch (found.form) {
    case 'any':
      return true;
    case 'token':
      return trimmed.length >= 8 && !/\s/.test(trimmed.replace(/^(?:Bearer|Basic|Token)\s+/i, ''));
    case 'random':
      return isRandom(trimmed);
    case 'word':
      return (
        trimmed.length >= 4 &&
        !/\s|^[/~.]|^(?:pass|passed|fail|failed|skip|skipped|error|basic|bearer|oauth2?)$/i.test(trimmed)
      );
    case 'cookie':
      return /^[^\s=;]+=[^\s;]/.test(trimmed);
    case 'digits':
      return /^\d{3,8}$/.test(trimmed);
  }
}

/** Drawn by a machine, and no digest, number or UUID: those are ids more often than secrets. */
function isRandom(value: string): boolean {
  return (
    /^[A-Za-z0-9_+/=-]{24,512}$/.test(value) &&
    /(?:\d[^\d]*){3}/.test(value) &&
    /(?:[A-Za-z][^A-Za-z]*){6}/.test(value) &&
    !/^[0-9a-fA-F-]+$/.test(value) &&
    !/^\/|[a-z]{9}|[/_-][^/_-]{0,8}[/_-]/.test(value)
  );
}
