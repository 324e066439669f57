import type { IncomingMessage } from 'node:http';

/** A body that was read whole, or why it was not; then with what had come of it. */
export type ReadBody =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' | 'too_slow' | 'gone'; readonly bytes: Buffer };

/** Reads a body of at most `maxBytes` that arrives within `timeoutMs`. Never rejects. */
export function readBody(request: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<ReadBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => end('too_slow'), timeoutMs);
    const end = (kind: ReadBody['kind']): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      // An error that comes after the end is nobody's.
      request.on('error', () => {});
      if (kind !== 'whole') request.pause();
      const [only] = chunks;
      resolve({ kind, bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks) });
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > maxBytes) end('too_large');
      else chunks.push(chunk);
    };
    const onEnd = (): void => end('whole');
    const onGone = (): void => end('gone');
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) end('too_large');
  });
}
