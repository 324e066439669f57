import type { Hit, Segment } from './segment.ts';

/** Secrets known by their form alone. Sticky, each bounded, so that no input costs more than its length. */
const FORMS: readonly (readonly [detector: string, form: string])[] = [
  ['aws_access_key', '(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])'],
  ['github_token', '(?:gh[pousr]_[A-Za-z0-9_]{36,255}|github_pat_[A-Za-z0-9_]{22,255})'],
  [
    'gitlab_token',
    '(?:gl(?:pat|dt|rt|ptt|cbt|soat|ffct|agent|imt|oas|ft)-[A-Za-z0-9_.-]{20,320}|GR1348941[A-Za-z0-9_-]{20})',
  ],
  [
    'slack_token',
    '(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xoxe\\.xox[bp]-\\d-[A-Za-z0-9]{100,200}|xapp-\\d-[A-Za-z0-9-]{20,250})',
  ],
  ['stripe_key', '(?:(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,247}|whsec_[A-Za-z0-9+/=]{24,100})'],
  ['anthropic_key', 'sk-ant-[A-Za-z0-9_-]{16,200}'],
  [
    'openai_key',
    'sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,200}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|or-v1-[0-9a-f]{64}|lf-[0-9a-f-]{36}|[A-Za-z0-9]{32,64})(?![A-Za-z0-9])',
  ],
  [
    'google_key',
    '(?:AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])|GOCSPX-[A-Za-z0-9_-]{28}|ya29\\.[A-Za-z0-9_-]{20,2048})',
  ],
  ['npm_token', 'npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])'],
  ['pypi_token', 'pypi-[A-Za-z0-9_-]{50,1000}'],
  ['rubygems_key', 'rubygems_[a-f0-9]{48}'],
  ['docker_token', 'dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,60}'],
  ['digitalocean_token', 'do[opr]_v1_[a-f0-9]{64}'],
  ['huggingface_token', '(?:hf|api_org)_[A-Za-z0-9]{34}(?![A-Za-z0-9])'],
  ['sendgrid_key', 'SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16,64}'],
  ['mailgun_key', '(?:key-[0-9a-f]{32}|pubkey-[0-9a-f]{32})(?![A-Za-z0-9])'],
  ['mailchimp_key', '[0-9a-f]{32}-us\\d{1,2}(?![A-Za-z0-9])'],
  ['twilio_key', 'SK[0-9a-f]{32}(?![A-Za-z0-9])'],
  ['square_token', '(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,60}|EAAA[lE][A-Za-z0-9_-]{59,70})'],
  ['shopify_token', 'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}'],
  ['databricks_token', 'dapi[a-h0-9]{32}(?:-\\d)?(?![A-Za-z0-9])'],
  ['vault_token', '(?:hvs|hvb|hvr)\\.[A-Za-z0-9_-]{24,400}'],
  ['atlassian_token', 'ATATT3[A-Za-z0-9_=-]{180,200}'],
  ['dynatrace_token', 'dt0[a-zA-Z]\\d{2}\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}'],
  ['facebook_token', 'EAA[MC][A-Za-z0-9]{20,400}'],
  ['notion_token', '(?:ntn_[A-Za-z0-9]{43,50}|secret_[A-Za-z0-9]{43})(?![A-Za-z0-9])'],
  ['linear_key', 'lin_(?:api|oauth)_[A-Za-z0-9]{32,64}'],
  ['figma_token', 'figd_[A-Za-z0-9_-]{38,50}'],
  ['brevo_key', 'xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}'],
  ['newrelic_key', 'NRAK-[A-Z0-9]{27}'],
  ['postman_key', 'PMAK-[a-f0-9]{24}-[a-f0-9]{34}'],
  ['replicate_token', 'r8_[A-Za-z0-9]{37}'],
  ['groq_key', 'gsk_[A-Za-z0-9]{48,56}'],
  ['xai_key', 'xai-[A-Za-z0-9]{70,90}'],
  ['perplexity_key', 'pplx-[A-Za-z0-9]{40,56}'],
  ['grafana_token', '(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,400})'],
  ['sentry_token', 'sntry[su]_[A-Za-z0-9+/=_-]{60,400}'],
  ['doppler_token', 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9._-]{40,60}'],
  ['supabase_token', 'sbp_[a-f0-9]{40}'],
  ['netlify_token', 'nfp_[A-Za-z0-9_]{36}'],
  ['pulumi_token', 'pul-[a-f0-9]{40}'],
  ['terraform_token', '[A-Za-z0-9]{14}\\.atlasv1\\.[A-Za-z0-9_=-]{60,70}'],
  ['airtable_token', 'pat[A-Za-z0-9]{14}\\.[a-f0-9]{64}'],
  ['hubspot_token', 'pat-(?:na|eu)\\d-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'],
  ['tailscale_key', 'tskey-[a-z]{2,12}-[A-Za-z0-9_-]{16,80}'],
  ['age_key', 'AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}'],
  ['azure_client_secret', '[A-Za-z0-9_~.]{3}\\dQ~[A-Za-z0-9_~.-]{31,34}'],
  ['discord_token', '[MNO][A-Za-z0-9_-]{23,27}\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40}'],
  ['jwt', 'eyJ[A-Za-z0-9_-]{8,8192}\\.[A-Za-z0-9_-]{4,65536}(?:\\.[A-Za-z0-9_-]{0,65536}){0,3}'],
];

const ANY_FORM = new RegExp(FORMS.map(([, form]) => `(${form})`).join('|'), 'y');
/** Fewest characters of a run of letters, digits, `_`, `-` and `.` that any form above starts with. */
export const SHORTEST_RUN = 15;

/** The secret of a known form that starts at `at`, the start of a word. */
export function secretAt(segment: Segment, at: number): Hit | undefined {
  ANY_FORM.lastIndex = at;
  const match = ANY_FORM.exec(segment.text);
  if (match === null) return undefined;
  const form = FORMS[match.findIndex((group, i) => i > 0 && group !== undefined) - 1];
  return found(at, match[0], `secret.${form?.[0]}`);
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
    !/^[\x20-\x39\x3b-\x7e]{0,128}:[\x20-\x7e]{1,256}$/.test(Buffer.from(value, 'base64').toString('latin1'))
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
