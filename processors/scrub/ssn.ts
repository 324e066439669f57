/** Numbers that the Social Security Administration has named as never valid: they were printed in advertisements. */
const ADVERTISED = new Set(['078051120', '219099999', '457555462']);

/** Whether nine digits can be a US social security number: no area 000, 666 or 9xx, no group 00, no serial 0000. */
export function isSsn(digits: string): boolean {
  return (
    digits.length === 9 &&
    !/^(?:000|666|9)/.test(digits) &&
    digits.slice(3, 5) !== '00' &&
    digits.slice(5) !== '0000' &&
    !/^(\d)\1*$/.test(digits) &&
    !ADVERTISED.has(digits)
  );
}

/** Whether nine digits can be an individual taxpayer's number, which stands where an SSN does. Source: IRS. */
export function isItin(digits: string): boolean {
  return /^9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4}$/.test(digits);
}
