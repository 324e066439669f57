import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Gunzip,
  type Inflate,
  type ZstdDecompress,
} from 'node:zlib';
import { type Envelope, EnvelopeScanner } from '../stdio/envelope.ts';
import { EventStreamReader } from './event-stream.ts';

/** What is found in an answer: texts that may be JSON-RPC, and of those too large what their envelopes tell. */
export interface AnswerSink {
  text(text: string, event: string): void;
  tooLarge(messages: readonly Envelope[]): void;
}

/** Bytes that the records of all open answers may hold together. */
export interface Budget {
  leftBytes: number;
}

/** Reads a copy of an answer's body, beside its passing on. */
export interface AnswerReader {
  push(chunk: Buffer): void;
  /** The body is complete. `done` is called when all of it has been read: at once, unless it was compressed. */
  end(done: () => void): void;
  /** There will be no more of it, and no use for it. */
  drop(): void;
  /** Of an event stream: whether it had ids. */
  readonly hasIds: boolean;
  /** Whether an event can be added to the stream here. */
  readonly canAppend: boolean;
}

/** A reader for the content type and coding; none for what holds no JSON-RPC, or is coded in a way not known. */
export function openAnswerReader(
  contentType: string | undefined,
  contentEncoding: string | undefined,
  maxBytes: number,
  budget: Budget,
  sink: AnswerSink,
): AnswerReader | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  const reader =
    type === 'text/event-stream'
      ? new StreamReader(maxBytes, sink)
      : type === 'application/json' || type?.endsWith('+json') === true
        ? new BodyReader(maxBytes, budget, sink)
        : undefined;
  if (reader === undefined) return undefined;
  const coding = contentEncoding?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return reader;
  const decoder = decoderFor(coding);
  return decoder === undefined ? undefined : new DecodedReader(reader, decoder, maxBytes);
}

class StreamReader implements AnswerReader {
  readonly #events: EventStreamReader;

  constructor(maxBytes: number, sink: AnswerSink) {
    this.#events = new EventStreamReader(maxBytes, {
      data: (text, event) => sink.text(text, event),
      tooLarge: (messages) => sink.tooLarge(messages),
    });
  }
  get hasIds(): boolean {
    return this.#events.hasIds;
  }
  get canAppend(): boolean {
    return this.#events.isBetweenEvents;
  }
  push(chunk: Buffer): void {
    this.#events.push(chunk);
  }
  end(done: () => void): void {
    done();
  }
  drop(): void {}
}

class BodyReader implements AnswerReader {
  readonly hasIds = false;
  readonly canAppend = false;
  readonly #maxBytes: number;
  readonly #budget: Budget;
  readonly #sink: AnswerSink;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #scanner: EnvelopeScanner | null = null;

  constructor(maxBytes: number, budget: Budget, sink: AnswerSink) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    if (this.#scanner !== null) {
      this.#scanner.push(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#budget.leftBytes -= chunk.length;
    if (this.#bytes <= this.#maxBytes && this.#budget.leftBytes >= 0) return;
    this.#scanner = new EnvelopeScanner();
    for (const held of this.#chunks) this.#scanner.push(held);
    this.drop();
  }

  end(done: () => void): void {
    if (this.#scanner !== null) this.#sink.tooLarge(this.#scanner.messages);
    else {
      const [only] = this.#chunks;
      const body = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
      this.drop();
      if (body.length > 0) this.#sink.text(body.toString('utf8'), '');
    }
    done();
  }

  drop(): void {
    this.#budget.leftBytes += this.#bytes;
    this.#chunks = [];
    this.#bytes = 0;
  }
}

type Decoder = Gunzip | Inflate | BrotliDecompress | ZstdDecompress;

function decoderFor(coding: string): Decoder | undefined {
  if (coding === 'gzip' || coding === 'x-gzip') return createGunzip();
  if (coding === 'deflate') return createInflate();
  if (coding === 'br') return createBrotliDecompress();
  return coding === 'zstd' ? createZstdDecompress() : undefined;
}

/** Compressed bytes that may wait for the decoder; decompressed ones that it may give, as a multiple of the limit. */
const MAX_WAITING = 8 * 1024 * 1024;
const MAX_EXPANSION = 4;

/** The same of a compressed body, decompressed beside its passing on. Past its bounds it reads no further. */
class DecodedReader implements AnswerReader {
  readonly canAppend = false;
  readonly #reader: AnswerReader;
  #decoder: Decoder | null;
  #leftBytes: number;
  #done: (() => void) | undefined;

  constructor(reader: AnswerReader, decoder: Decoder, maxBytes: number) {
    this.#reader = reader;
    this.#decoder = decoder;
    this.#leftBytes = maxBytes * MAX_EXPANSION;
    decoder.on('data', (chunk: Buffer) => {
      if (this.#decoder === null) return;
      this.#leftBytes -= chunk.length;
      if (this.#leftBytes < 0) this.drop();
      else reader.push(chunk);
    });
    decoder.once('end', () => this.#ended(true));
    // Not what its header says: there is nothing to record of it.
    decoder.once('error', () => this.#ended(false));
  }

  get hasIds(): boolean {
    return this.#reader.hasIds;
  }

  push(chunk: Buffer): void {
    if (this.#decoder === null) return;
    if (this.#decoder.writableLength > MAX_WAITING) this.drop();
    else this.#decoder.write(chunk);
  }

  end(done: () => void): void {
    if (this.#decoder === null) {
      done();
      return;
    }
    this.#done = done;
    this.#decoder.end();
  }

  drop(): void {
    this.#reader.drop();
    this.#decoder?.destroy();
    this.#ended(false);
  }

  #ended(whole: boolean): void {
    if (this.#decoder === null) return;
    this.#decoder = null;
    const done = this.#done;
    this.#done = undefined;
    if (whole) this.#reader.end(() => done?.());
    else {
      this.#reader.drop();
      done?.();
    }
  }
}
