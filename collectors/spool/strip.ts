import type { CallEvent, Content } from '../../schemas/call-event.ts';

/**
 * The same event without its content: sizes, hashes and counts stay, the texts go, and the state says so. Null where
 * that changes nothing, or where the text is not an event.
 */
export function stripContent(value: string | Uint8Array): string | null {
  let event: CallEvent;
  try {
    event = JSON.parse(typeof value === 'string' ? value : Buffer.from(value).toString('utf8')) as CallEvent;
  } catch {
    return null;
  }
  if (event?.kind !== 'call') return null;
  const { arguments: args, result } = event;
  if (args?.text === undefined && result?.text === undefined) return null;
  return JSON.stringify({ ...event, arguments: omitted(args), result: omitted(result) });
}

function omitted(content: Content): Content {
  if (content?.text === undefined) return content;
  const { text: _, source: __, ...rest } = content;
  return { ...rest, state: 'omitted' };
}
