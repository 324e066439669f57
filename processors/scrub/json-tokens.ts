import { closingQuote } from './json-string.ts';
import { isDigit } from './segment.ts';

/** Most strings of JSON end before; looking further is the engine's. */
const NEAR = 48;
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export const isWhite = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

/** One string or one number, and nothing else: text may start as one and go on as prose. */
export function isLoneScalar(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed.startsWith('"')) return closingQuote(trimmed, 1) === trimmed.length - 1;
  return trimmed.length < 64 && NUMBER.test(trimmed);
}

/** The end of the number at `at` (RFC 8259), or −1. */
export function numberEnd(units: Uint16Array, at: number, end: number): number {
  let i = digitsEnd(units, units[at] === 45 ? at + 1 : at, end);
  if (i === -1) return -1;
  if (i < end && units[i] === 46) {
    i = digitsEnd(units, i + 1, end);
    if (i === -1) return -1;
  }
  if (i < end && ((units[i] as number) | 32) === 101) {
    i++;
    if (i < end && (units[i] === 43 || units[i] === 45)) i++;
    return digitsEnd(units, i, end);
  }
  return i;
}

/** The end of one or more digits at `from`, or −1. */
export function digitsEnd(units: Uint16Array, from: number, end: number): number {
  let i = from;
  while (i < end && isDigit(units[i] as number)) i++;
  return i === from ? -1 : i;
}

/** The quote that closes the string whose content starts at `from`, or −1 when it was cut. */
export function stringEnd(text: string, units: Uint16Array, from: number): number {
  let near = Math.min(from + NEAR, text.length);
  let i = from;
  for (; i < near; i++) {
    const code = units[i];
    if (code === 34) return i;
    if (code === 92) {
      // JSON in a string has one escape after the other: those are told here too.
      i++;
      near = text.length;
    }
  }
  return i < text.length ? closingQuote(text, i) : -1;
}

/** Whether digits have a payment card's check digit (ISO/IEC 7812-1 annex B). */
export function isLuhn(units: Uint16Array, from: number, to: number): boolean {
  let sum = 0;
  let double = false;
  for (let i = to - 1; i >= from; i--) {
    const digit = ((units[i] as number) - 48) << (double ? 1 : 0);
    sum += digit > 9 ? digit - 9 : digit;
    double = !double;
  }
  return sum % 10 === 0;
}

/** The end of the literal at `at`, or −1. */
export function literalEnd(text: string, at: number): number {
  for (const literal of ['true', 'false', 'null'])
    if (text.startsWith(literal, at)) return at + literal.length;
  return -1;
}
