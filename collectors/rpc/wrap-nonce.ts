/** By this variable a wrapper tells the servers under it its nonce: both then derive the same call ids. */
export const WRAP_NONCE_VARIABLE = 'TOOLMETER_WRAP_NONCE';
