import type { Batch, Stage, StageContext } from './stage.ts';

/** What the stages need, held by whoever runs them; each part may change under them (reloaded files). */
export interface PipelineParts {
  readonly identify: Stage;
  readonly attribute: Stage;
  readonly tokens: Stage;
  readonly cost: Stage;
  readonly scrub: Stage;
}

/**
 * The stages, in the order that a call goes through them. Dedupe comes before (`processor.ts`): only what is new
 * gets here. Attribution sees callers as they came; scrubbing is last, so that nothing after it holds personal data.
 */
export function pipeline(parts: PipelineParts): readonly Stage[] {
  return [parts.identify, parts.attribute, parts.tokens, parts.cost, parts.scrub];
}

/** Runs a batch through all stages; items that a stage marked dead stay in it, marked. */
export async function runPipeline(
  stages: readonly Stage[],
  batch: Batch,
  context: StageContext,
): Promise<void> {
  for (const stage of stages) await stage.run(batch, context);
}
