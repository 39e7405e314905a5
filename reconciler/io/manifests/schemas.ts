import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";
import { parseBytes, parseCpu, parseDuration, parseRate } from "../../core/units.ts";
import commonSchema from "../../../schemas/common.schema.json" with { type: "json" };
import hostPoolSchema from "../../../schemas/hostpool.schema.json" with { type: "json" };
import policySchema from "../../../schemas/policy.schema.json" with { type: "json" };
import setSchema from "../../../schemas/set.schema.json" with { type: "json" };

export const KINDS = ["HostPool", "Policy", "Set"] as const;
export type Kind = (typeof KINDS)[number];

/** What a pattern can't say: that a quantity comes out exact and in range, that a time zone exists. By the schemas' keyword `form`. */
const FORMS: Readonly<Record<string, (value: string | number) => boolean>> = {
  cpu: (value) => parseCpu(value) !== null,
  bytes: (value) => parseBytes(value) !== null,
  rate: (value) => parseRate(value) !== null,
  duration: (value) => parseDuration(String(value)) !== null,
  timezone: (value) => isTimeZone(String(value)),
};

/** One compiled validator per kind; errors carry their schema and data. */
export function compileSchemas(): Readonly<Record<Kind, ValidateFunction>> {
  const ajv = new Ajv2020({ strict: true, allErrors: true, verbose: true, allowUnionTypes: true });
  ajv.addKeyword({ keyword: "patternErrorMessage", schemaType: "string" });
  ajv.addKeyword({
    keyword: "form",
    schemaType: "string",
    metaSchema: { type: "string", enum: Object.keys(FORMS) },
    type: ["string", "number"],
    validate: (form: string, value: string | number) => FORMS[form]!(value),
  });
  ajv.addSchema(commonSchema, "common.schema.json");
  return { HostPool: ajv.compile(hostPoolSchema), Policy: ajv.compile(policySchema), Set: ajv.compile(setSchema) };
}

/** Where in a manifest of this kind a field may stand, such as `spec.template.containers[]`; each place once. */
export function placesOf(kind: Kind, field: string): readonly string[] {
  const root = { HostPool: hostPoolSchema, Policy: policySchema, Set: setSchema }[kind];
  return collectPlaces(root as SchemaNode, "", field);
}

interface SchemaNode {
  readonly description?: string;
  readonly $ref?: string;
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

function collectPlaces(node: SchemaNode, path: string, field: string): string[] {
  const schema = node.$ref === undefined ? node : (definitionOf(node.$ref) ?? {});
  if (schema.items !== undefined) return collectPlaces(schema.items, `${path}[]`, field);
  const children = Object.entries(schema.properties ?? {});
  const below = children.flatMap(([name, child]) => collectPlaces(child, path === "" ? name : `${path}.${name}`, field));
  return children.some(([name]) => name === field) ? [path === "" ? "the top" : path, ...below] : below;
}

/** The definition a `$ref` names; the names are unique over all schemas. */
export function definitionOf(reference: string): SchemaNode | undefined {
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  return ([commonSchema, hostPoolSchema, policySchema, setSchema] as { $defs: Record<string, SchemaNode> }[])
    .map(({ $defs }) => $defs[name])
    .find((definition) => definition !== undefined);
}

function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
