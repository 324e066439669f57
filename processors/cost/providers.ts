/**
 * How a provider is named before a model's name (`openai/gpt-4o`, `google-gla:gemini-2.5-pro`): by LiteLLM, by
 * genai-prices, and by the SDKs whose telemetry people have.
 */
export interface ProviderName {
  /** Id in genai-prices; null where it has none. */
  readonly genai: string | null;
  /** Prefixes of LiteLLM's keys, the likeliest first, which are its provider names but for Vertex. */
  readonly litellm: readonly string[];
}

const named = (genai: string | null, ...litellm: string[]): ProviderName => ({ genai, litellm });

const openai = named('openai', 'openai', 'text-completion-openai');
const anthropic = named('anthropic', 'anthropic');
const azure = named('azure', 'azure', 'azure_text', 'azure_ai');
const aws = named('aws', 'bedrock', 'bedrock_converse');
const googleAi = named('google', 'gemini');
const vertex = named('google', 'vertex_ai');
const mistral = named('mistral', 'mistral');
const xai = named('x-ai', 'xai');
const cohere = named('cohere', 'cohere', 'cohere_chat');
const together = named('together', 'together_ai');
const fireworks = named('fireworks', 'fireworks_ai');
const moonshot = named('moonshotai', 'moonshot');
const copilot = named('github-copilot', 'github_copilot');
const voyage = named('voyageai', 'voyage');

/** Names that are not the same in both tables; any other is its own. */
export const PROVIDERS: ReadonlyMap<string, ProviderName> = new Map(
  Object.entries({
    openai,
    'text-completion-openai': openai,
    anthropic,
    azure,
    azure_openai: azure,
    'azure-openai': azure,
    'az.ai.openai': azure,
    'azure.ai.openai': azure,
    azure_ai: named('azure', 'azure_ai'),
    'az.ai.inference': named('azure', 'azure_ai'),
    'azure.ai.inference': named('azure', 'azure_ai'),
    aws,
    bedrock: aws,
    bedrock_converse: named('aws', 'bedrock_converse', 'bedrock'),
    'aws.bedrock': aws,
    'amazon-bedrock': aws,
    google: named('google', 'gemini', 'vertex_ai'),
    gemini: googleAi,
    'google-gla': googleAi,
    'google-genai': googleAi,
    google_genai: googleAi,
    'gcp.gemini': googleAi,
    'gcp.gen_ai': googleAi,
    vertex,
    vertex_ai: vertex,
    'google-vertex': vertex,
    google_vertexai: vertex,
    'google.vertex': vertex,
    'gcp.vertex': vertex,
    'gcp.vertex_ai': vertex,
    'vertex.anthropic': vertex,
    'google-vertex-anthropic': vertex,
    google_anthropic_vertex: vertex,
    mistral,
    mistralai: mistral,
    mistral_ai: mistral,
    xai,
    'x-ai': xai,
    x_ai: xai,
    cohere,
    cohere_chat: cohere,
    together,
    together_ai: together,
    'together-ai': together,
    fireworks,
    fireworks_ai: fireworks,
    moonshot,
    moonshotai: moonshot,
    'github-copilot': copilot,
    github_copilot: copilot,
    voyage,
    voyageai: voyage,
  }),
);

/** `us.anthropic.claude-sonnet-4-5-20250929-v1:0`: the shape of Amazon Bedrock's model ids and inference profiles. */
export const BEDROCK_ID =
  /^(?:(?:us-gov|us|eu|apac|au|jp|ca|sa|in|me|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|zai)\.[a-z0-9]/;

/** Which way LiteLLM calls Bedrock; it says nothing of the model. */
const ROUTE = /^(?:converse|invoke|converse_like)\//;

/** Which of a provider's interfaces an SDK calls: `openai.chat`, `openai-responses`, `gcp.vertex.agent`. */
const INTERFACE =
  /[.-](?:agent|chat|completions?|embeddings?|generative-ai|messages|responses|search|text-completion)$/;

/** Vertex' resource names: `projects/…/locations/…/publishers/google/models/…`; the Gemini API has `models/…`. */
const RESOURCE = /^(?:projects\/[^/]+\/locations\/[^/]+\/)?publishers\/[^/]+\/models\//;
const GEMINI_RESOURCE = /^models\/(?=gem(?:ini|ma)-)/;

export interface ParsedName {
  /** The provider that the name says, if it says one that is known. */
  readonly provider: ProviderName | null;
  /** The name without it. */
  readonly rest: string;
}

/** Splits a model's name, in lower case, into provider and model. `genai`: the ids of genai-prices' providers. */
export function parseName(name: string, genai: { has(id: string): boolean }): ParsedName {
  const cut = /^([a-z0-9._-]+)[/:]/.exec(name);
  const provider = cut === null ? null : providerOf(cut[1] as string, genai);
  if (cut !== null && provider !== null) {
    const rest = name.slice(cut[0].length);
    if (provider.genai === 'google')
      return { provider, rest: rest.replace(RESOURCE, '').replace(GEMINI_RESOURCE, '') };
    return { provider, rest: provider.genai === 'aws' ? bedrockModel(rest) : rest };
  }
  const bedrock = bedrockModel(name);
  if (BEDROCK_ID.test(bedrock)) return { provider: aws, rest: bedrock };
  if (RESOURCE.test(name)) return { provider: vertex, rest: name.replace(RESOURCE, '') };
  if (GEMINI_RESOURCE.test(name)) return { provider: googleAi, rest: name.replace(GEMINI_RESOURCE, '') };
  return { provider: null, rest: name };
}

function providerOf(prefix: string, genai: { has(id: string): boolean }): ProviderName | null {
  const known = PROVIDERS.get(prefix) ?? (genai.has(prefix) ? named(prefix, prefix) : null);
  if (known !== null) return known;
  const without = prefix.replace(INTERFACE, '');
  return without === prefix ? null : providerOf(without, genai);
}

/** Without the call's route, and of an ARN the model or inference profile that it names. */
function bedrockModel(name: string): string {
  const arn = /^arn:aws[a-z-]*:bedrock:[^/]*:(?:foundation-model|inference-profile)\/(.+)$/.exec(name);
  return arn?.[1] ?? name.replace(ROUTE, '');
}
