/** True where every interceptor must be a no-op (`TOOLMETER_DISABLED=1`). */
export function isDisabled(env: Record<string, string | undefined> = process.env): boolean {
  const value = env.TOOLMETER_DISABLED;
  return value !== undefined && value !== '' && value !== '0' && value.toLowerCase() !== 'false';
}
