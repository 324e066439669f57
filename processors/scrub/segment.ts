import type { KeyInfo } from './key-names.ts';
import { PLACEHOLDERS } from './pseudonym.ts';

/** A finding before it is named: where, what, and the value in the form by which two writings of it are equal. */
export interface Hit {
  readonly start: number;
  readonly end: number;
  readonly type: string;
  readonly detector: string;
  readonly value: string;
  /** Stands in place of a pseudonym: media. */
  readonly note?: string;
}

/** Characters of context before a candidate that its context words are looked for in. */
const CONTEXT = 56;
/** The rest of a placeholder whose beginning the window's edge cut off. */
const CUT_PLACEHOLDER = /^[a-z_]{0,32}:?[a-z2-7]{0,16}>/;

const ACCENTED = /[\u00c0-\u017f]/g;
const withoutAccent = (letter: string): string => letter.normalize('NFD').charAt(0);

/** A stretch of plain text under one key, as detectors see it: nothing outside it is looked at. */
export class Segment {
  readonly text: string;
  readonly key: KeyInfo;
  readonly end: number;

  constructor(text: string, key: KeyInfo) {
    this.text = text;
    this.key = key;
    this.end = text.length;
  }

  /** The code unit at `at`, or -1 outside. */
  code(at: number): number {
    return at >= 0 && at < this.end ? this.text.charCodeAt(at) : -1;
  }

  /** What stands before `at`, lower case and without accents, and without what was scrubbed before: its words are ours. */
  before(at: number): string {
    const window = this.text.slice(Math.max(0, at - 2 * CONTEXT), at).replace(PLACEHOLDERS, '0');
    const whole = at > 2 * CONTEXT ? window.replace(CUT_PLACEHOLDER, '') : window;
    return whole.slice(-CONTEXT).replace(ACCENTED, withoutAccent).toLowerCase();
  }
}

export const isDigit = (code: number): boolean => code >= 48 && code <= 57;
export const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;
export const isAlnum = (code: number): boolean => isDigit(code) || isLetter(code);
export const isHex = (code: number): boolean => isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);
/** Part of a word or an address that goes on, so that what touches it is no value of its own. */
export const isJoined = (code: number): boolean => isAlnum(code) || code === 95 || code === 64;
