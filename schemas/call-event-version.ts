/** Version of the shape of events that this code writes; `readCallEvent` accepts every earlier one. */
export const CALL_EVENT_VERSION = 1;
