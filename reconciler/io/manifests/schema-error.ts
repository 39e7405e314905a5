import { isScalar } from "yaml";
import type { ErrorObject } from "ajv/dist/2020.js";
import { placeOf, type Path } from "./locate.ts";
import type { YamlDocument } from "./yaml-structure.ts";

/** A schema error with what a message needs to know about it. */
export interface SchemaError {
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Where the offending value, or the map with the offending field, stands. */
  readonly path: Path;
  /** `spec.hosts[0].zone`. */
  readonly where: string;
  readonly value: unknown;
  /** The value as written, without quotes; null where it is not a single value. */
  readonly written: string | null;
  /** The value of the failed keyword. */
  readonly rule: unknown;
  /** The schema that holds the failed keyword. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The key that breaks a rule on names; null where a value does. */
  readonly name: string | null;
}

/** What a message needs to know about an error of the validator. */
export function describeError(error: ErrorObject, document: YamlDocument): SchemaError {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const node = placeOf(document, path).value;
  return {
    keyword: error.keyword,
    params: error.params,
    path,
    where: pathText(path),
    value: error.data,
    written: isScalar(node) && typeof node.source === "string" ? node.source : null,
    rule: error.schema,
    schema: error.parentSchema ?? {},
    name: error.propertyName ?? null,
  };
}

/** `spec.hosts[0].labels`; `the document` for the top. */
function pathText(path: Path): string {
  if (path.length === 0) return "the document";
  return path.map((step, index) => (/^\d+$/.test(String(step)) ? `[${step}]` : `${index === 0 ? "" : "."}${step}`)).join("");
}
