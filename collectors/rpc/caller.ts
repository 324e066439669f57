/** Who calls, where that name comes from, and whether whoever vouches for it has checked. */
export interface Caller {
  readonly id: string;
  readonly source: 'mtls' | 'jwt' | 'api_key' | 'os_user' | 'header' | 'declared' | 'none';
  readonly verified: boolean;
  /** The application or user on whose behalf the caller says it acts. */
  readonly acting_as?: string | undefined;
}
