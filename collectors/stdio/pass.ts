import type { Readable, Writable } from 'node:stream';

/** How a passage came to its end: the source ended, or one of the two failed. */
export type Passed = { by: 'end' } | { by: 'source' | 'sink'; error: NodeJS.ErrnoException };

/**
 * Passes bytes from one stream to another as they come: each chunk is written first and looked at afterwards.
 * Back-pressure goes through: a sink that is full stops the reading of the source. Resolves when there is nothing
 * more to pass and the sink has taken what was written; it never ends the sink. Errors of both streams are handled
 * from the call on, also those after the end.
 */
export function pass(source: Readable, sink: Writable, look: (chunk: Buffer) => void): Promise<Passed> {
  return new Promise((resolve) => {
    let over = false;
    const settle = (passed: Passed): void => {
      if (over) return;
      over = true;
      source.off('data', onData);
      sink.off('drain', onDrain);
      resolve(passed);
    };
    const onData = (chunk: Buffer): void => {
      const more = sink.write(chunk);
      look(chunk);
      if (!more) source.pause();
    };
    const onDrain = (): void => {
      source.resume();
    };
    source.on('data', onData);
    sink.on('drain', onDrain);
    source.once('end', () => {
      if (over || sink.destroyed || sink.writableEnded) settle({ by: 'end' });
      else sink.write('', () => settle({ by: 'end' }));
    });
    source.once('close', () => settle({ by: 'end' }));
    source.on('error', (error) => settle({ by: 'source', error }));
    sink.on('error', (error) => settle({ by: 'sink', error }));
  });
}

/** Bytes of standard error that wait for a reader before newer ones are dropped. */
const STDERR_WAITING_MAX_BYTES = 1024 * 1024;

/**
 * Passes a child's diagnostics on, and drains them whether or not anybody reads: a server that logs much must not
 * stand still because its client never looks. What doesn't fit is dropped whole chunks at a time, and said.
 */
export function drain(source: Readable, sink: Writable): Promise<Passed> {
  let droppedBytes = 0;
  return new Promise((resolve) => {
    source.on('data', (chunk: Buffer) => {
      if (sink.destroyed || sink.writableLength > STDERR_WAITING_MAX_BYTES) {
        droppedBytes += chunk.length;
        return;
      }
      if (droppedBytes > 0) {
        sink.write(
          `\ntoolmeter wrap: ${droppedBytes} bytes of standard error were dropped: nobody read them.\n`,
        );
        droppedBytes = 0;
      }
      sink.write(chunk);
    });
    source.once('end', () => resolve({ by: 'end' }));
    source.once('close', () => resolve({ by: 'end' }));
    source.on('error', (error) => resolve({ by: 'source', error }));
    // A closed standard error can't be told of anything; draining goes on.
    sink.on('error', () => {});
  });
}
