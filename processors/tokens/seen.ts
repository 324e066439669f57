import type { ObservedCall } from '../../schemas/call-event.ts';

/**
 * What a model writes or reads of a call, as text. `text` has its placeholders replaced by stand-ins of the usual
 * length; `exact` is false where any was, or where the text was cut. `scale`: what the whole is, by bytes, of the part
 * that is here.
 */
export interface Seen {
  readonly text: string;
  readonly exact: boolean;
  readonly scale: number;
}

/** Methods whose results a host puts before the model. */
const READ_METHODS = new Set(['tools/call', 'resources/read', 'prompts/get']);

/** Arguments: the model writes those of a tool call, and the host those of everything else. */
export function writtenBy(event: ObservedCall): Seen | undefined {
  if (event.method !== 'tools/call' || event.arguments.text === undefined) return undefined;
  return seen(event.arguments.text, scaleOf(event.arguments));
}

/**
 * Results: the text of the content blocks, which hosts pass on. `structuredContent` repeats it, for programs; it counts
 * only where no block has text. Images and sound are not text, and are not counted here.
 */
export function readFrom(event: ObservedCall): Seen | undefined {
  const { text } = event.result;
  if (text === undefined || !READ_METHODS.has(event.method)) return undefined;
  const scale = scaleOf(event.result);
  const result = parse(text);
  if (result === undefined) return seen(firstText(text), scale);
  const parts =
    event.method === 'prompts/get'
      ? messages(result)
      : blocks(event.method === 'resources/read' ? result.contents : result.content);
  if (parts.length === 0 && isObject(result.structuredContent))
    parts.push(JSON.stringify(result.structuredContent));
  return seen(parts.join('\n'), scale);
}

/** Definitions: of each tool its name, description and input schema, once for each `tools/list`. */
export function definitionsIn(event: ObservedCall): Seen | undefined {
  const { text } = event.result;
  if (event.method !== 'tools/list' || text === undefined) return undefined;
  const tools = parse(text)?.tools;
  if (!Array.isArray(tools)) return seen(text, scaleOf(event.result));
  const known = tools
    .filter(isObject)
    .map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  return seen(known.map((tool) => JSON.stringify(tool)).join('\n'), 1);
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object that a text is, or nothing: cut text is no JSON. */
function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Texts of content blocks: text, embedded and linked resources, contents of resources. */
function blocks(content: unknown): string[] {
  if (!Array.isArray(content)) return [];
  return content.filter(isObject).flatMap((block) => {
    if (typeof block.text === 'string') return block.text === '' ? [] : [block.text];
    if (isObject(block.resource)) return typeof block.resource.text === 'string' ? [block.resource.text] : [];
    if (block.type === 'resource_link')
      return [JSON.stringify({ uri: block.uri, name: block.name, description: block.description })];
    return [];
  });
}

function messages(result: Json): string[] {
  if (!Array.isArray(result.messages)) return [];
  return result.messages
    .filter(isObject)
    .flatMap((message) => blocks(Array.isArray(message.content) ? message.content : [message.content]));
}

const FIRST_TEXT = /^\s*\{\s*"content"\s*:\s*\[\s*\{\s*(?:"type"\s*:\s*"text"\s*,\s*)?"text"\s*:\s*"/;

/** Of a result that was cut inside its first text, that text; else the JSON as it stands. */
function firstText(text: string): string {
  const head = FIRST_TEXT.exec(text);
  if (head === null) return text;
  const raw = text.slice(head[0].length).replace(/\\(?:u[\da-fA-F]{0,3})?$/, '');
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return text;
  }
}

/** How much larger the whole is than what was kept, by bytes of text: media are not text. */
function scaleOf({ state, bytes, text, media }: ObservedCall['arguments']): number {
  if (state !== 'truncated' || text === undefined) return 1;
  const kept = Buffer.byteLength(text);
  return kept === 0 ? 1 : Math.max(1, (bytes - (media?.bytes ?? 0)) / kept);
}

const PLACEHOLDER = /<(?:media:[^<>]{1,150} bytes|([a-z_]{2,32}):[a-z2-7]{16})>/g;

/** Values of the usual length, by type of finding: the model saw what the scrubber took out. */
const STAND_INS: Readonly<Record<string, string>> = {
  email: 'maria.schmidt@example.com',
  phone: '+1 415 555 0132',
  card: '4111 1111 1111 1111',
  iban: 'DE89370400440532013000',
  ssn: '536-22-8145',
  ip: '203.0.113.42',
  dob: '1984-06-12',
  government_id: 'C01X00T47',
  secret: 'k7Qz2Vw9Rt4Lm8Xp1Ns6',
};

function seen(text: string, scale: number): Seen {
  if (!text.includes('<')) return { text, exact: scale === 1, scale };
  let replaced = false;
  const restored = text.replace(PLACEHOLDER, (_, type?: string) => {
    replaced = true;
    return type === undefined ? '' : (STAND_INS[type] ?? 'value');
  });
  return { text: restored, exact: scale === 1 && !replaced, scale };
}
