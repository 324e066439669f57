/**
 * The form in which names that people write are compared: without surrounding white space, compatibility-composed
 * (Unicode NFKC) and case-folded (by way of upper case, so that `ß` is `ss` and both sigmas are one).
 */
export function fold(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.normalize('NFKC').toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC').trim();
}

/** Nothing to do: printable ASCII without capitals and without spaces at its ends. */
const PLAIN = /^(?:[!-@[-~](?:[ -@[-~]*[!-@[-~])?)?$/;
