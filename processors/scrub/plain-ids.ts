import { isDigit as isDigitCode } from './segment.ts';

/** Whether a string is nothing but a time or an id of a well-known form: an API's answers are full of them. */
export function isPlainId(units: Uint16Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < 20 || length > 64) return false;
  return (length <= 35 && isTime(units, start, end)) || isHexId(units, start, end);
}

const isDigit = (units: Uint16Array, at: number): boolean => isDigitCode(units[at] as number);

/** `2026-11-25T01:04:35…`: RFC 3339 and nothing else. */
function isTime(units: Uint16Array, start: number, end: number): boolean {
  if (end - start > 35 || units[start + 4] !== 45 || units[start + 7] !== 45 || units[start + 13] !== 58)
    return false;
  if (units[start + 10] !== 84 || units[start + 16] !== 58) return false;
  for (let i = start; i < end; i++) {
    if (isDigit(units, i)) continue;
    const code = units[i] as number;
    // - : . T Z +
    if (code !== 45 && code !== 58 && code !== 46 && code !== 84 && code !== 90 && code !== 43) return false;
  }
  return true;
}

/** A UUID, or a digest in hexadecimal: letters among the digits, so that it is no number. */
function isHexId(units: Uint16Array, start: number, end: number): boolean {
  const length = end - start;
  const dashed = length === 36;
  if (!dashed && length !== 32 && length !== 40 && length !== 64) return false;
  let letters = 0;
  for (let i = start; i < end; i++) {
    const code = units[i] as number;
    if (dashed && (i - start === 8 || i - start === 13 || i - start === 18 || i - start === 23)) {
      if (code !== 45) return false;
    } else if ((code | 32) >= 97 && (code | 32) <= 102) letters++;
    else if (!isDigit(units, i)) return false;
  }
  return letters > 0;
}
