import { type Envelope, EnvelopeScanner } from './envelope.ts';

const LF = 0x0a;
const CR = 0x0d;
const CR_BYTES = Uint8Array.of(CR);

/** What a splitter finds, in the order of the bytes. */
export interface LineSink {
  /** The bytes of one line without its ending; never empty. Valid until the call returns. */
  line(bytes: Uint8Array): void;
  /** A line over the limit: what could be told of each message in it, and the line's whole size in bytes. */
  tooLarge(messages: readonly Envelope[], bytes: number): void;
}

/**
 * Cuts a byte stream into lines, whatever its chunks. A line ends with LF, CR LF, or a lone CR, but a CR inside of a
 * JSON text (where it is white space) ends nothing: servers that read text with universal newlines and those that
 * split at LF both see their messages. A line over `maxBytes` is scanned as it passes and not kept.
 */
export class LineSplitter {
  readonly #sink: LineSink;
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The chunk ended with a CR inside of a JSON text: the next byte tells whether it belongs to a CR LF. */
  #heldCr = false;
  /** Made when a line needs it: it holds a CR, or it is too large. */
  #scanner: EnvelopeScanner | null = null;

  constructor(sink: LineSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#heldCr) {
      this.#heldCr = false;
      if (chunk[0] !== LF) this.#append(CR_BYTES);
    }
    let from = 0;
    while (from < chunk.length) {
      if (this.#bytes === 0 && chunk[from] === LF) {
        from++;
        continue;
      }
      const at = chunk.indexOf(LF, from);
      if (at === -1) {
        this.#segment(chunk.subarray(from), false);
        return;
      }
      this.#segment(chunk.subarray(from, at), true);
      this.#endLine();
      from = at + 1;
    }
  }

  /** The stream has ended: what is left over is a line without an ending. */
  end(): void {
    this.#heldCr = false;
    this.#endLine();
  }

  /** Bytes without LF; `ended` says that one follows. */
  #segment(bytes: Uint8Array, ended: boolean): void {
    let from = 0;
    for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
      this.#append(bytes.subarray(from, at));
      from = at;
      const last = at === bytes.length - 1;
      if (last && ended) return;
      if (this.#ensureScanner().state !== 'inside') {
        this.#endLine();
        from = at + 1;
      } else if (last) {
        this.#heldCr = true;
        return;
      }
    }
    this.#append(bytes.subarray(from));
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    this.#scanner?.push(bytes);
    if (this.#bytes <= this.#maxBytes) this.#parts.push(bytes);
    else {
      this.#ensureScanner(bytes);
      this.#parts = [];
    }
  }

  /** The scanner of this line, having seen all its bytes so far: those kept, and `last`. */
  #ensureScanner(last?: Uint8Array): EnvelopeScanner {
    if (this.#scanner === null) {
      this.#scanner = new EnvelopeScanner();
      for (const part of this.#parts) this.#scanner.push(part);
      if (last !== undefined) this.#scanner.push(last);
    }
    return this.#scanner;
  }

  #endLine(): void {
    const parts = this.#parts;
    const bytes = this.#bytes;
    const scanner = this.#scanner;
    this.#parts = [];
    this.#bytes = 0;
    this.#scanner = null;
    if (bytes > this.#maxBytes) this.#sink.tooLarge(scanner?.messages ?? [], bytes);
    else if (bytes > 0) this.#sink.line(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
  }
}
