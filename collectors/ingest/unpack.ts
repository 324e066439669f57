import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ToolmeterError } from '../../core/errors.ts';

const gunzipAsync = promisify(gunzip);

/**
 * The body as it was before its content encoding. Unpacking stops at `maxBytes`, so that a small body can't become
 * a large one.
 * @throws ToolmeterError TM_MEDIA_TYPE, TM_BODY_TOO_LARGE, TM_REQUEST_MALFORMED
 */
export async function unpack(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase();
  if (name === 'identity' || name === '') return body;
  if (name !== 'gzip' && name !== 'x-gzip')
    throw new ToolmeterError(
      'TM_MEDIA_TYPE',
      'The content encoding is not taken.',
      'Send gzip, or no encoding.',
    );
  try {
    return await gunzipAsync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new ToolmeterError(
        'TM_BODY_TOO_LARGE',
        `Unpacked, a body may have ${maxBytes} bytes.`,
        'Send fewer events a request, or raise api.max_body_bytes.',
      );
    throw new ToolmeterError('TM_REQUEST_MALFORMED', 'The body is not whole gzip data.', '');
  }
}
