/**
 * Secrets known by their form alone: what they start with (one of several, two characters at least), and what follows,
 * bounded so that no input costs more than its length. Sources: the issuers' documentation of their tokens.
 */
const FORMS: readonly (readonly [detector: string, starts: string, rest: string])[] = [
  ['aws_access_key', 'AKIA ASIA ABIA ACCA', '[A-Z0-9]{16}(?![A-Za-z0-9])'],
  ['aws_bedrock_key', 'ABSK', '[A-Za-z0-9+/]{100,280}={0,2}'],
  ['aws_bedrock_key', 'bedrock-api-key-', '[A-Za-z0-9+/=_-]{16,2048}'],
  ['aws_mws_key', 'amzn.mws.', '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'],
  ['alibaba_key', 'LTAI', '[A-Za-z0-9]{12,22}(?![A-Za-z0-9])'],
  ['github_token', 'ghp_ gho_ ghu_ ghs_ ghr_', '[A-Za-z0-9_]{36,255}'],
  ['github_token', 'github_pat_', '[A-Za-z0-9_]{22,255}'],
  [
    'gitlab_token',
    'glpat- gldt- glrt- glptt- glcbt- glsoat- glffct- glagent- glimt- gloas- glft-',
    '[A-Za-z0-9_.-]{20,320}',
  ],
  ['gitlab_token', 'GR1348941', '[A-Za-z0-9_-]{20}'],
  ['slack_token', 'xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-', '[A-Za-z0-9-]{10,250}'],
  ['slack_token', 'xoxe.xoxb- xoxe.xoxp-', '\\d-[A-Za-z0-9]{100,200}'],
  ['slack_token', 'xapp-', '\\d-[A-Za-z0-9-]{20,250}'],
  ['stripe_key', 'sk_ rk_', '(?:live|test|prod)_[A-Za-z0-9]{10,247}'],
  ['stripe_key', 'whsec_', '[A-Za-z0-9+/=]{24,100}'],
  ['anthropic_key', 'sk-ant-', '[A-Za-z0-9_-]{16,200}'],
  [
    'openai_key',
    'sk-',
    '(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,200}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|or-v1-[0-9a-f]{64}|lf-[0-9a-f-]{36}|[A-Za-z0-9]{32,64})(?![A-Za-z0-9])',
  ],
  ['google_key', 'AIza', '[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])'],
  ['google_key', 'GOCSPX-', '[A-Za-z0-9_-]{28}'],
  ['google_key', 'ya29.', '[A-Za-z0-9_-]{20,2048}'],
  ['npm_token', 'npm_', '[A-Za-z0-9]{36}(?![A-Za-z0-9])'],
  ['pypi_token', 'pypi-', '[A-Za-z0-9_-]{50,1000}'],
  ['rubygems_key', 'rubygems_', '[a-f0-9]{48}'],
  ['nuget_key', 'oy2', '[a-z0-9]{43}(?![A-Za-z0-9])'],
  ['clojars_token', 'CLOJARS_', '[a-z0-9]{60}'],
  ['docker_token', 'dckr_pat_ dckr_oat_', '[A-Za-z0-9_-]{27,60}'],
  ['artifactory_key', 'AKCp', '[A-Za-z0-9]{60,80}'],
  ['artifactory_key', 'cmVmdGtuOj', '[A-Za-z0-9]{54}'],
  ['digitalocean_token', 'doo_v1_ dop_v1_ dor_v1_', '[a-f0-9]{64}'],
  ['huggingface_token', 'hf_ api_org_', '[A-Za-z0-9]{34}(?![A-Za-z0-9])'],
  ['sendgrid_key', 'SG.', '[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16,64}'],
  ['mailgun_key', 'key- pubkey-', '[0-9a-f]{32}(?![A-Za-z0-9])'],
  ['mailersend_key', 'mlsn.', '[a-f0-9]{64}'],
  ['resend_key', 're_', '[A-Za-z0-9]{8}_[A-Za-z0-9]{22,26}(?![A-Za-z0-9])'],
  ['twilio_key', 'SK', '[0-9a-f]{32}(?![A-Za-z0-9])'],
  ['square_token', 'sq0atp- sq0csp- sq0idp-', '[A-Za-z0-9_-]{22,60}'],
  ['square_token', 'EAAAl EAAAE', '[A-Za-z0-9_-]{59,70}'],
  ['shopify_token', 'shpat_ shpca_ shppa_ shpss_', '[a-fA-F0-9]{32}'],
  ['shippo_token', 'shippo_live_ shippo_test_', '[a-f0-9]{40}'],
  ['easypost_key', 'EZAK EZTK', '[A-Za-z0-9]{54}'],
  [
    'plaid_token',
    'access-',
    '(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  ],
  ['lob_key', 'live_ test_', '(?:[a-f0-9]{35}|pub_[a-f0-9]{31})(?![A-Za-z0-9])'],
  ['razorpay_key', 'rzp_live_ rzp_test_', '[A-Za-z0-9]{14}(?![A-Za-z0-9])'],
  ['flutterwave_key', 'FLWSECK', '(?:_TEST)?-[A-Za-z0-9]{12,36}'],
  ['duffel_token', 'duffel_live_ duffel_test_', '[A-Za-z0-9_=-]{43}'],
  ['databricks_token', 'dapi', '[a-h0-9]{32}(?:-\\d)?(?![A-Za-z0-9])'],
  ['clickhouse_key', '4b1d', '[A-Za-z0-9]{38}(?![A-Za-z0-9])'],
  ['planetscale_token', 'pscale_pw_ pscale_tkn_ pscale_oauth_', '[A-Za-z0-9_.=-]{32,64}'],
  ['vault_token', 'hvs. hvb. hvr.', '[A-Za-z0-9_-]{24,400}'],
  ['onepassword_token', 'ops_eyJ', '[A-Za-z0-9+/_-]{100,2048}={0,3}'],
  ['onepassword_key', 'A3-', '[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}'],
  ['atlassian_token', 'ATATT3 ATCTT3', '[A-Za-z0-9_=-]{180,200}'],
  ['bitbucket_token', 'ATBB', '[A-Za-z0-9]{32}(?![A-Za-z0-9])'],
  ['trello_token', 'ATTA', '[A-Za-z0-9]{60,76}'],
  ['dynatrace_token', 'dt0', '[a-zA-Z]\\d{2}\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}'],
  ['facebook_token', 'EAAM EAAC', '[A-Za-z0-9]{20,400}'],
  ['notion_token', 'ntn_', '[A-Za-z0-9]{43,50}(?![A-Za-z0-9])'],
  ['notion_token', 'secret_', '[A-Za-z0-9]{43}(?![A-Za-z0-9])'],
  ['linear_key', 'lin_api_ lin_oauth_', '[A-Za-z0-9]{32,64}'],
  ['figma_token', 'figd_', '[A-Za-z0-9_-]{38,50}'],
  ['typeform_token', 'tfp_', '[A-Za-z0-9_.=-]{44,64}'],
  ['contentful_token', 'CFPAT-', '[A-Za-z0-9_-]{43}'],
  ['brevo_key', 'xkeysib-', '[a-f0-9]{64}-[A-Za-z0-9]{16}'],
  ['newrelic_key', 'NRAK- NRII- NRJS- NRAL- NRRA-', '[A-Za-z0-9-]{19,40}'],
  ['postman_key', 'PMAK-', '[a-f0-9]{24}-[a-f0-9]{34}'],
  ['replicate_token', 'r8_', '[A-Za-z0-9]{37}'],
  ['groq_key', 'gsk_', '[A-Za-z0-9]{48,56}'],
  ['xai_key', 'xai-', '[A-Za-z0-9]{70,90}'],
  ['perplexity_key', 'pplx-', '[A-Za-z0-9]{40,56}'],
  ['nvidia_key', 'nvapi-', '[A-Za-z0-9_-]{60,80}'],
  ['langsmith_key', 'lsv2_pt_ lsv2_sk_', '[a-f0-9]{32}_[a-f0-9]{10}'],
  ['tavily_key', 'tvly-', '(?:dev-|prod-)?[A-Za-z0-9]{24,40}(?![A-Za-z0-9])'],
  ['grafana_token', 'glsa_', '[A-Za-z0-9]{32}_[a-fA-F0-9]{8}'],
  ['grafana_token', 'glc_', '[A-Za-z0-9+/=]{32,400}'],
  ['grafana_token', 'eyJrIjoi', '[A-Za-z0-9]{60,400}={0,3}'],
  ['sentry_token', 'sntrys_ sntryu_', '[A-Za-z0-9+/=_-]{60,400}'],
  ['sonar_token', 'squ_ sqp_ sqa_', '[a-z0-9]{40}(?![A-Za-z0-9])'],
  ['sourcegraph_token', 'sgp_', '(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}'],
  ['harness_token', 'pat. sat.', '[A-Za-z0-9_-]{22}\\.[A-Za-z0-9]{24}\\.[A-Za-z0-9]{20}'],
  ['doppler_token', 'dp.', '(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9._-]{40,60}'],
  ['supabase_token', 'sbp_', '[a-f0-9]{40}'],
  ['netlify_token', 'nfp_', '[A-Za-z0-9_]{36}'],
  ['heroku_key', 'HRKU-', '[A-Za-z0-9_-]{36,64}'],
  ['flyio_token', 'fo1_', '[A-Za-z0-9_-]{43}'],
  ['flyio_token', 'fm1a_ fm1r_ fm2_', '[A-Za-z0-9+/]{100,2048}={0,3}'],
  ['cloudflare_key', 'v1.0-', '[a-f0-9]{24}-[a-f0-9]{146}'],
  ['pulumi_token', 'pul-', '[a-f0-9]{40}'],
  ['prefect_key', 'pnu_', '[a-z0-9]{36}(?![A-Za-z0-9])'],
  ['infracost_token', 'ico-', '[A-Za-z0-9]{32}(?![A-Za-z0-9])'],
  ['octopus_key', 'API-', '[A-Z0-9]{26}(?![A-Za-z0-9])'],
  ['openshift_token', 'sha256~', '[A-Za-z0-9_-]{43}'],
  ['scalingo_token', 'tk-us-', '[A-Za-z0-9_-]{48}'],
  ['settlemint_token', 'sm_aat_ sm_pat_ sm_sat_', '[A-Za-z0-9]{16}(?![A-Za-z0-9])'],
  ['readme_key', 'rdme_', '[a-z0-9]{70}'],
  ['frameio_token', 'fio-u-', '[A-Za-z0-9_=-]{64}'],
  ['intra42_secret', 's-s4t2ud- s-s4t2af-', '[a-f0-9]{64}'],
  ['adobe_secret', 'p8e-', '[A-Za-z0-9]{32}(?![A-Za-z0-9])'],
  ['airtable_token', 'pat', '[A-Za-z0-9]{14}\\.[a-f0-9]{64}'],
  ['hubspot_token', 'pat-na pat-eu', '\\d-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'],
  ['mapbox_token', 'sk.eyJ', '[A-Za-z0-9_-]{40,120}\\.[A-Za-z0-9_-]{20,30}'],
  ['yandex_key', 'AQVN', '[A-Za-z0-9_-]{35,38}'],
  ['crates_token', 'cio', '[A-Za-z0-9]{32}(?![A-Za-z0-9])'],
  ['buildkite_token', 'bkua_', '[a-f0-9]{40}'],
  ['circleci_token', 'CCIPAT_ CCIPRJ_', '[A-Za-z0-9]{22}_[a-f0-9]{40}'],
  ['tailscale_key', 'tskey-', '[a-z]{2,12}-[A-Za-z0-9_-]{16,80}'],
  ['age_key', 'AGE-SECRET-KEY-1', '[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}'],
  ['discord_token', 'M N O', '[A-Za-z0-9_-]{23,27}\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40}'],
  ['jwt', 'eyJ', '[A-Za-z0-9_-]{8,8192}\\.[A-Za-z0-9_-]{4,65536}(?:\\.[A-Za-z0-9_-]{0,65536}){0,3}'],
  // The same once more in base64: its header starts with `alg`, `typ`, `kid` or `enc`.
  ['jwt', 'ZXlKaGJHY2lPaU ZXlKMGVYQWlPaU ZXlKcmFXUWlPaU ZXlKbGJtTWlPaU', '[A-Za-z0-9+/_-]{40,65536}={0,2}'],
];

/** Forms without a start of their own: a mark that stands at a place of theirs, and the whole. */
const MARKED: readonly (readonly [detector: string, mark: string, at: number, whole: string])[] = [
  ['mailchimp_key', '-us', 32, '[0-9a-f]{32}-us\\d{1,2}(?![A-Za-z0-9])'],
  ['terraform_token', '.atlasv1.', 14, '[A-Za-z0-9]{14}\\.atlasv1\\.[A-Za-z0-9_=-]{60,70}'],
  ['azure_client_secret', 'Q~', 4, '[A-Za-z0-9_~.]{3}\\dQ~[A-Za-z0-9_~.-]{31,34}'],
  ['maxmind_key', '_', 6, '[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?![A-Za-z0-9])'],
];

interface Form {
  readonly detector: string;
  readonly start: string;
  readonly rest: RegExp;
}

/** The start of a form in which a run of word characters begins is looked up by the run's first character and second. */
const BY_START = new Map<number, Form[]>();
const STARTS = new Uint8Array(128 * 128);
for (const [detector, starts, rest] of FORMS) {
  for (const start of starts.split(' ')) {
    const form = { detector: `secret.${detector}`, start, rest: new RegExp(rest, 'y') };
    const first = start.charCodeAt(0) * 128;
    const seconds =
      start.length > 1 ? [start.charCodeAt(1)] : Array.from({ length: 128 }, (_, second) => second);
    for (const second of seconds) {
      STARTS[first + second] = 1;
      BY_START.set(first + second, [...(BY_START.get(first + second) ?? []), form]);
    }
  }
}
const BY_MARK = MARKED.map(([detector, mark, at, whole]) => ({
  detector: `secret.${detector}`,
  mark,
  first: mark.charCodeAt(0),
  at,
  whole: new RegExp(whole, 'y'),
}));

/** Fewest characters of a run of letters, digits, `_`, `-` and `.` that any form above starts with. */
export const SHORTEST_RUN = 15;
/** Fewer kinds of characters after its start, and a form is filled in for show: `ghp_xxxx…`. */
const FEWEST_KINDS = 5;

/** The form that the text at `at`, the start of a word, has: which, and where it ends. */
export function formAt(
  text: string,
  at: number,
): { readonly detector: string; readonly end: number } | undefined {
  const first = text.charCodeAt(at);
  const second = text.charCodeAt(at + 1);
  if (first < 128 && second < 128 && STARTS[first * 128 + second] === 1) {
    for (const { detector, start, rest } of BY_START.get(first * 128 + second) as Form[]) {
      if (!text.startsWith(start, at)) continue;
      const from = at + start.length;
      rest.lastIndex = from;
      if (rest.test(text) && !isFiller(text, from, rest.lastIndex)) return { detector, end: rest.lastIndex };
    }
  }
  for (const { detector, mark, first: code, at: place, whole } of BY_MARK) {
    if (text.charCodeAt(at + place) !== code || !text.startsWith(mark, at + place)) continue;
    whole.lastIndex = at;
    if (whole.test(text) && !isFiller(text, at + place + mark.length, whole.lastIndex))
      return { detector, end: whole.lastIndex };
  }
  return undefined;
}

/** Whether a stretch of text has so few kinds of characters that nobody drew it. */
function isFiller(text: string, from: number, to: number): boolean {
  const seen = new Set<number>();
  for (let i = from; i < to; i++) {
    seen.add(text.charCodeAt(i));
    if (seen.size >= FEWEST_KINDS) return false;
  }
  return to - from >= 2 * FEWEST_KINDS;
}
