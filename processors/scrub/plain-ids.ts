import { isDigit as isDigitCode } from './segment.ts';

/** Whether a string is nothing but a time or an id of a well-known form: an API's answers are full of them. */
export function isPlainId(text: string, start: number, end: number): boolean {
  const length = end - start;
  if (length < 20 || length > 64) return false;
  return (length <= 35 && isTime(text, start, end)) || isHexId(text, start, end);
}

const isDigit = (text: string, at: number): boolean => isDigitCode(text.charCodeAt(at));

/** `2026-11-25T01:04:35…`: RFC 3339 and nothing else. */
function isTime(text: string, start: number, end: number): boolean {
  if (
    end - start > 35 ||
    text.charCodeAt(start + 4) !== 45 ||
    text.charCodeAt(start + 7) !== 45 ||
    text.charCodeAt(start + 13) !== 58
  )
    return false;
  if (text.charCodeAt(start + 10) !== 84 || text.charCodeAt(start + 16) !== 58) return false;
  for (let i = start; i < end; i++) {
    if (isDigit(text, i)) continue;
    const code = text.charCodeAt(i);
    // - : . T Z +
    if (code !== 45 && code !== 58 && code !== 46 && code !== 84 && code !== 90 && code !== 43) return false;
  }
  return true;
}

/** A UUID, or a digest in hexadecimal: letters among the digits, so that it is no number. */
function isHexId(text: string, start: number, end: number): boolean {
  const length = end - start;
  const dashed = length === 36;
  if (!dashed && length !== 32 && length !== 40 && length !== 64) return false;
  let letters = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (dashed && (i - start === 8 || i - start === 13 || i - start === 18 || i - start === 23)) {
      if (code !== 45) return false;
    } else if ((code | 32) >= 97 && (code | 32) <= 102) letters++;
    else if (!isDigit(text, i)) return false;
  }
  return letters > 0;
}
