import { type Hit, isAlnum, isDigit, isHex, type Segment } from './segment.ts';

/**
 * Addresses that say nothing about anyone are left: unspecified, loopback, broadcast and netmasks. Private addresses
 * are masked: inside a company they lead to one desk.
 */
export function isPersonalV4(a: number, b: number, c: number, d: number): boolean {
  if (a === 0 || a === 127) return false;
  return !(a === 255 && b === 255) && !(a === 255 && b === 0 && c === 0 && d === 0);
}

/** Words before four numbers with dots that make them a version, a section or a clause. */
const VERSION_WORDS =
  /(?:\b(?:v|ver|vers|version|versions|release|released|build|rev|revision|firmware|sdk|driver|upgrade|upgraded|downgrade|downgraded|update|updated|patch|patched|section|chapter|clause|paragraph|oid|package|nuget|assembly|chrome|edge|safari|opera|webkit|gecko)\b[^\d\n]{0,12}|§\s?|\bv\.?)$/;
const ADDRESS_WORDS =
  /\b(?:ip|ipv4|address|host|server|client|from|inet|addr|gateway|peer|ping|ssh|login|dns)\b[^\d\n]{0,16}$/;

/** Whether the text before an address says that it is a version. */
export function inVersion(segment: Segment, at: number): boolean {
  if (segment.key.ip) return false;
  if (segment.key.version) return true;
  const before = segment.before(at);
  return VERSION_WORDS.test(before) && !ADDRESS_WORDS.test(before);
}

/** The IPv6 address whose first character stands at `at`. */
export function ipv6At(segment: Segment, at: number): Hit | undefined {
  const { text } = segment;
  let end = at;
  while (end - at < 46) {
    const code = segment.code(end);
    if (!isHex(code) && code !== 58 && code !== 46) break;
    end++;
  }
  while (
    end > at &&
    (segment.code(end - 1) === 46 || (segment.code(end - 1) === 58 && segment.code(end - 2) !== 58))
  )
    end--;
  const code = segment.code(end);
  if (isAlnum(code) || code === 95 || (code === 58 && isAlnum(segment.code(end + 1)))) return undefined;
  const groups = parseV6(text.slice(at, end));
  if (groups === undefined || !isPersonalV6(text.slice(at, end), groups)) return undefined;
  let last = end;
  if (segment.code(last) === 37 && isAlnum(segment.code(last + 1))) {
    last += 2;
    while (last - end < 17 && (isAlnum(segment.code(last)) || segment.code(last) === 45)) last++;
  }
  return {
    start: at,
    end: last,
    type: 'ip',
    detector: 'ip.v6',
    value: groups.map((group) => group.toString(16)).join(':'),
  };
}

/** The eight groups of an IPv6 address (RFC 4291), or nothing. */
export function parseV6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(halves.length === 1 ? 0 : missing).fill(0), ...tail];
}

function groupsOf(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (mayEndInV4 && i === parts.length - 1 && part.includes('.')) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      groups.push((v4[0] as number) * 256 + (v4[1] as number), (v4[2] as number) * 256 + (v4[3] as number));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

export function parseV4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.map(Number);
}

/**
 * Written short, an address can look like names joined by `::`: it must start as addresses in use do. Loopback and
 * unspecified are left.
 */
function isPersonalV6(text: string, groups: readonly number[]): boolean {
  if (groups.slice(0, 7).every((group) => group === 0) && (groups[7] as number) < 2) return false;
  if (!text.includes('::')) return groups.some((group) => group > 0xff);
  if (![...text].some((char) => isDigit(char.charCodeAt(0)))) return false;
  if (text.startsWith('::'))
    return (
      /^::(?:ffff:(?:0:)?)?\d+\.|^::ffff:/i.test(text) || groups.filter((group) => group > 0xff).length > 1
    );
  return (groups[0] as number) > 0xff || (groups[0] === 0x64 && groups[1] === 0xff9b);
}
