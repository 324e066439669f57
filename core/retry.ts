export interface RetryOptions {
  /** First pause, milliseconds; it doubles up to `maxPauseMs`, half of each drawn at random. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** Attempts in all; `Infinity` to go on until `signal` aborts. */
  readonly attempts: number;
  readonly signal?: AbortSignal;
  /** Only errors for which this is true are tried again. Default: all. */
  readonly retryable?: (error: unknown) => boolean;
  /** Told of each failure that will be tried again. */
  readonly onRetry?: (error: unknown, attempt: number, pauseMs: number) => void;
}

/** Exponential back-off with equal jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const again =
        attempt < options.attempts && !options.signal?.aborted && (options.retryable?.(error) ?? true);
      if (!again) throw error;
      const ceiling = Math.min(options.maxPauseMs, options.pauseMs * 2 ** (attempt - 1));
      const pauseMs = ceiling / 2 + (Math.random() * ceiling) / 2;
      options.onRetry?.(error, attempt, pauseMs);
      await sleep(pauseMs, options.signal);
    }
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. With `unref` it doesn't keep the process alive. */
export function sleep(ms: number, signal?: AbortSignal, unref = false): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (unref) timer.unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}
