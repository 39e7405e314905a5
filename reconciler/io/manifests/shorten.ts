const MAX_SHOWN_LENGTH = 60;

/** A text cut to what fits into a message. */
export function shorten(text: string): string {
  return text.length <= MAX_SHOWN_LENGTH ? text : `${text.slice(0, MAX_SHOWN_LENGTH - 3)}...`;
}
