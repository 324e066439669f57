/** genai-prices' own calculator: what the catalogue is compared with. */
export { calcPrice, type MatchLogic as Match, waitForUpdate } from '@pydantic/genai-prices';
