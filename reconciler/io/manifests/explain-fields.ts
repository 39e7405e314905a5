import { suggest } from "../../core/suggest.ts";
import { offsetOf, placeOf } from "./locate.ts";
import type { Mistake } from "./mistake.ts";
import type { SchemaError } from "./schema-error.ts";
import { definitionOf, placesOf, type Kind } from "./schemas.ts";
import { shorten } from "./shorten.ts";
import type { YamlDocument } from "./yaml-structure.ts";

/** Longest field name for which a likely meaning is looked for. */
const MAX_SUGGEST_LENGTH = 40;

/** Words of Kubernetes and Compose, and what they are called here. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  environment: "env",
  healthcheck: "health",
  livenessProbe: "health",
  readinessProbe: "health",
  limits: "cpu",
  requests: "cpu",
  containerPort: "port",
  cap_add: "capabilities",
  cap_drop: "capabilities",
  logging: "log",
  oom_kill_disable: "oomKillDisable",
  read_only: "readOnlyRoot",
  readOnlyRootFilesystem: "readOnlyRoot",
  runtimeClassName: "runtime",
  secretKeyRef: "secret",
  configMap: "config",
  emptyDir: "dir",
  hostPath: "dir",
  size: "softLimit",
  sizeLimit: "softLimit",
  driver_opts: "options",
  mountPath: "path",
  volumeMounts: "mounts",
  nodeSelector: "hostLabels",
  count: "replicas",
  instances: "replicas",
  matchLabels: "labels",
  affinity: "placement",
  strategy: "rollout",
};

/** A field its map does not have, and the missing one it probably stands for (as `MAP/FIELD`). */
export function unknownFieldMistake(
  error: SchemaError,
  document: YamlDocument,
  kind: Kind,
): { readonly mistake: Mistake; readonly meant: string | null } {
  const field = String(error.params["additionalProperty"]);
  const allowed = fieldsOf(error.schema);
  const near = likely(field, allowed);
  const offset = placeOf(document, [...error.path, field]).keyOffset;
  const message = `${error.where} has no field \`${shorten(field)}\`; allowed: ${allowed.join(", ")}`;
  const hint = near === null ? placeHint(field, kind) : `Did you mean \`${near}\`?`;
  return { mistake: { code: "manifest-unknown-field", offset, message, hint }, meant: near === null ? null : `${error.where}/${near}` };
}

/** Where a field that is right elsewhere belongs: mostly the indentation is wrong. */
function placeHint(field: string, kind: Kind): string {
  const places = placesOf(kind, field);
  if (places.length === 0) return "Remove it.";
  return `A field of this name belongs to ${places.slice(0, 3).join(" or ")}: mend the indentation.`;
}

/** A required field nobody wrote; nothing where an unknown one probably stands for it. */
export function missingMistake(error: SchemaError, document: YamlDocument, meant: ReadonlySet<string>): Mistake[] {
  const field = String(error.params["missingProperty"]);
  if (meant.has(`${error.where}/${field}`)) return [];
  const message = `${error.where} lacks \`${field}\``;
  return [
    { code: "manifest-missing-field", offset: offsetOf(document, error.path), message, hint: `Add it: ${descriptionOf(error, field)}` },
  ];
}

/** A choice between fields of which none or too many are written; nothing where an unknown field probably stands for one. */
export function choiceMistake(error: SchemaError, document: YamlDocument, meant: ReadonlySet<string>): Mistake[] {
  const options = (error.rule as readonly { readonly required: readonly [string] }[]).map(({ required }) => required[0]);
  const written = options.filter((option) => Object.hasOwn(error.value as object, option));
  if (written.length === 0 && options.some((option) => meant.has(`${error.where}/${option}`))) return [];
  const rule = `${error.keyword === "oneOf" ? "exactly" : "at least"} one of ${quoted(options, ", ")}`;
  if (written.length === 0) {
    const message = `${error.where} needs ${rule}, and has none`;
    return [{ code: "manifest-choice", offset: offsetOf(document, error.path), message, hint: "" }];
  }
  const offset = Math.max(...written.map((option) => placeOf(document, [...error.path, option]).keyOffset));
  const message = `${error.where} has ${quoted(written, " and ")}, but takes ${rule}`;
  return [{ code: "manifest-choice", offset, message, hint: "Remove one of them." }];
}

/** The field a wrong one most likely stands for. */
export function likely(field: string, allowed: readonly string[]): string | null {
  if (field.length > MAX_SUGGEST_LENGTH) return null;
  const foreign = Object.hasOwn(FOREIGN_FIELDS, field) ? FOREIGN_FIELDS[field]! : null;
  return foreign !== null && allowed.includes(foreign) ? foreign : suggest(field, allowed);
}

/** Fields of a closed map, sorted. */
export function fieldsOf(schema: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys((schema["properties"] ?? {}) as object).sort();
}

/** The schema's own words about a field. */
function descriptionOf(error: SchemaError, field: string): string {
  const properties = error.schema["properties"] as Readonly<Record<string, { readonly description?: string; readonly $ref?: string }>>;
  const schema = properties[field];
  return schema?.description ?? definitionOf(schema?.$ref ?? "")?.description ?? "";
}

function quoted(names: readonly string[], separator: string): string {
  return names.map((name) => `\`${name}\``).join(separator);
}
