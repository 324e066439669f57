import { ToolmeterError } from '../../core/errors.ts';

/**
 * How a body holds events. `lines`: NDJSON, collectors' numbered records or foreign events. `json`: one event or an
 * array of them. The others are CloudEvents 1.0 in the modes of its HTTP binding.
 */
export type BodyFormat = 'lines' | 'json' | 'cloudevent' | 'cloudevents-batch' | 'cloudevent-binary';

const FORMATS: Readonly<Record<string, BodyFormat>> = {
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/jsonl': 'lines',
  'application/x-jsonlines': 'lines',
  'application/json': 'json',
  'application/cloudevents+json': 'cloudevent',
  'application/cloudevents-batch+json': 'cloudevents-batch',
};
export const MEDIA_TYPES = Object.keys(FORMATS);

/** The body's format by its headers (names in lower case). @throws ToolmeterError TM_MEDIA_TYPE */
export function formatOf(headers: Readonly<Record<string, unknown>>): BodyFormat {
  const [media = '', ...parameters] = String(headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice(8);
  const format = FORMATS[media];
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) throw refused('Only UTF-8 is taken.');
  if (headers['ce-specversion'] !== undefined && (format === 'json' || media.endsWith('+json')))
    return 'cloudevent-binary';
  if (format === undefined) throw refused('The content type is missing or not known.');
  return format;
}

const refused = (message: string): ToolmeterError =>
  new ToolmeterError('TM_MEDIA_TYPE', message, `These are taken: ${MEDIA_TYPES.join(', ')}.`);
