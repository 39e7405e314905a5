/** Something a plan must never contain. `code` names the rule. */
export interface Violation {
  readonly code: string;
  readonly text: string;
}
