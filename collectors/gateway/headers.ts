/** Headers as they stand on the wire: name, value, name, value. */
export type RawHeaders = readonly string[];

/** Of one connection, never of the next (RFC 9110 §7.6.1); and the credentials of a proxy, which we are none of. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The names that a Connection header adds to those, lower case. */
function namedByConnection(raw: RawHeaders): Set<string> | undefined {
  let named: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() !== 'connection') continue;
    for (const token of (raw[i + 1] as string).split(',')) {
      const name = token.trim().toLowerCase();
      if (name === '' || name === 'keep-alive' || name === 'close') continue;
      named ??= new Set();
      named.add(name);
    }
  }
  return named;
}

/** Headers without those of the connection and those in `without` (lower case), otherwise as they came. */
export function endToEnd(raw: RawHeaders, without?: ReadonlySet<string>): string[] {
  const named = namedByConnection(raw);
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (HOP_BY_HOP.has(name) || named?.has(name) || without?.has(name)) continue;
    out.push(raw[i] as string, raw[i + 1] as string);
  }
  return out;
}

/** Header values by lower-case name; of a repeated one the values joined, as RFC 9110 §5.3 has it. */
export function headerOf(raw: RawHeaders, name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() !== name) continue;
    found = found === undefined ? (raw[i + 1] as string) : `${found}, ${raw[i + 1]}`;
  }
  return found;
}
