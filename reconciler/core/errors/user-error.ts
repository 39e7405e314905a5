/** A mistake or an outside trouble a user can mend: printed as its message and hint, never with a stack. */
export class UserError extends Error {
  override readonly name = "UserError";
  /** Key into ERRORS. */
  readonly code: string;
  /** What to do; empty when the message says it. */
  readonly hint: string;

  constructor(code: string, message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
