/** Key of a slot, `web/3`: unique in the fleet, and what people type. */
export function slotKey(set: string, index: number): string {
  return `${set}/${index}`;
}

/** Inverse of slotKey; null for anything else. */
export function parseSlotKey(key: string): { set: string; index: number } | null {
  const match = /^([a-z][a-z0-9-]*)\/(0|[1-9][0-9]*)$/.exec(key);
  if (match === null) return null;
  return { set: match[1]!, index: Number(match[2]) };
}

/** Key of an entry of the trash, `a-1/web-0-data-5`: unique in the fleet, and what people type. Names of hosts have no slash. */
export function trashKey(host: string, trashId: string): string {
  return `${host}/${trashId}`;
}
