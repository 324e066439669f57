import { formAt } from './secret-forms.ts';
import type { Hit, Segment } from './segment.ts';

/** The secret of a known form that starts at `at`, the start of a word. */
export function secretAt(segment: Segment, at: number): Hit | undefined {
  const form = formAt(segment.text, at);
  return form === undefined ? undefined : found(at, segment.text.slice(at, form.end), form.detector);
}

function found(start: number, value: string, detector: string): Hit {
  return { start, end: start + value.length, type: 'secret', detector, value };
}

const WEBHOOK =
  /(?:hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Z0-9/]{4,40}|discord(?:app)?\.com\/api\/webhooks\/\d{17,20}|webhook\.office\.com\/webhookb2\/[\w@/-]{20,120})\/$/;
const WEBHOOK_TOKEN = /[A-Za-z0-9_-]{20,80}/y;

/** The last part of a webhook's address, which whoever knows may post to, at `at`. */
export function webhookAt(segment: Segment, at: number): Hit | undefined {
  if (!WEBHOOK.test(segment.text.slice(Math.max(0, at - 200), at))) return undefined;
  WEBHOOK_TOKEN.lastIndex = at;
  const match = WEBHOOK_TOKEN.exec(segment.text);
  return match === null ? undefined : found(at, match[0], 'secret.webhook');
}

const PEM_START = /-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----/y;
const PEM_END = /-----END [A-Z0-9 ]{0,48}PRIVATE KEY(?: BLOCK)?-----/g;

/** The private key in PEM whose first hyphen is at `at`; one that was cut goes to the text's end. */
export function privateKeyAt(segment: Segment, at: number): Hit | undefined {
  PEM_START.lastIndex = at;
  if (!PEM_START.test(segment.text)) return undefined;
  PEM_END.lastIndex = PEM_START.lastIndex;
  const end = PEM_END.test(segment.text) ? PEM_END.lastIndex : segment.end;
  return found(at, segment.text.slice(at, end), 'secret.private_key');
}

/** `//user:password@`. */
const URL_USER = /:\/\/[^\s/?#@:"'<>\\]{0,128}:([^\s/?#@"'<>\\]{1,256})@/y;

/** The password in a URL whose scheme's colon is at `at`. */
export function urlPasswordAt(segment: Segment, at: number): Hit | undefined {
  URL_USER.lastIndex = at;
  const match = URL_USER.exec(segment.text);
  if (match === null) return undefined;
  const value = match[1] as string;
  if (/^(?:\$\{?\w+\}?|\{+\w+\}+|[*x.]+|pass(?:word)?|port|\[[\w-]+\])$/i.test(value)) return undefined;
  return found(URL_USER.lastIndex - 1 - value.length, value, 'secret.url_password');
}

const CREDENTIAL = /\s{1,4}((?=[^\s"',;]{0,64}[\d._~+/=-])[A-Za-z0-9._~+/-]{16,8192}={0,2})/y;
const BASIC = /\s{1,4}([A-Za-z0-9+/]{8,1024}={0,2})(?![A-Za-z0-9+/=])/y;

/** What follows `Bearer` or `Token`, which end at `at`. */
export function bearerAt(segment: Segment, at: number): Hit | undefined {
  CREDENTIAL.lastIndex = at;
  const match = CREDENTIAL.exec(segment.text);
  if (match === null || !/\d/.test(match[1] as string)) return undefined;
  return found(CREDENTIAL.lastIndex - (match[1] as string).length, match[1] as string, 'secret.bearer');
}

/** What follows `Basic`, which ends at `at`: base64 of `user:password`. */
export function basicAt(segment: Segment, at: number): Hit | undefined {
  BASIC.lastIndex = at;
  const match = BASIC.exec(segment.text);
  if (match === null) return undefined;
  const value = match[1] as string;
  if (
    !/^[\x20-\x39\x3b-\x7e]{0,128}:[\x20-\x7e]{0,256}$/.test(Buffer.from(value, 'base64').toString('latin1'))
  )
    return undefined;
  return found(BASIC.lastIndex - value.length, value, 'secret.basic');
}

const TELEGRAM = /\d{8,10}:A[A-Za-z0-9_-]{34}(?![A-Za-z0-9_-])/y;

/** A Telegram bot's token that starts with the digits at `at`. */
export function telegramAt(segment: Segment, at: number): Hit | undefined {
  TELEGRAM.lastIndex = at;
  const match = TELEGRAM.exec(segment.text);
  return match === null ? undefined : found(at, match[0], 'secret.telegram_token');
}

const AWS_SECRET =
  /(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]{0,40}\d)(?=[A-Za-z0-9/+]{0,40}[a-z])(?=[A-Za-z0-9/+]{0,40}[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g;

/** AWS secret keys have no form of their own: 40 characters of base64 in a text that also holds an access key id. */
export function awsSecrets(segment: Segment): Hit[] {
  return [...segment.text.matchAll(AWS_SECRET)].map((match) =>
    found(match.index, match[0], 'secret.aws_secret_key'),
  );
}
