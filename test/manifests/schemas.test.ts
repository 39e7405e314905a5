import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileSchemas, KINDS } from "../../reconciler/io/manifests/schemas.ts";
import { parse } from "yaml";
import { VALID_MANIFESTS } from "./bad-manifests.ts";

interface SchemaNode {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly pattern?: string;
  readonly patternErrorMessage?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: unknown;
  readonly items?: SchemaNode;
  readonly $defs?: Readonly<Record<string, SchemaNode>>;
}

const FOLDER = new URL("../../schemas/", import.meta.url);
const SCHEMAS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".schema.json"))
  .map((name) => ({ name, schema: JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as SchemaNode }));
const DEFINITIONS: Readonly<Record<string, SchemaNode>> = Object.assign({}, ...SCHEMAS.map(({ schema }) => schema.$defs));

/** Every schema node with its path. */
function nodes(schema: SchemaNode, path: string): [path: string, node: SchemaNode][] {
  const children = [
    ...Object.entries(schema.properties ?? {}),
    ...Object.entries(schema.$defs ?? {}),
    ...(schema.items === undefined ? [] : [["[]", schema.items] as const]),
  ];
  return [[path, schema], ...children.flatMap(([name, child]) => nodes(child, `${path}.${name}`))];
}

const NODES = SCHEMAS.flatMap(({ name, schema }) => nodes(schema, name));

test("there is a schema for each kind and one they share", () => {
  expect(SCHEMAS.map(({ name }) => name).sort()).toEqual([
    "common.schema.json",
    "hostpool.schema.json",
    "policy.schema.json",
    "set.schema.json",
  ]);
  expect(NODES.length).toBeGreaterThan(150);
});

test("every property has a description, for editors", () => {
  const silent = NODES.flatMap(([path, { properties }]) =>
    Object.entries(properties ?? {})
      .filter(([, node]) => (node.description ?? DEFINITIONS[node.$ref?.split("/").at(-1) ?? ""]?.description) === undefined)
      .map(([name]) => `${path}.${name}`),
  );
  expect(silent).toEqual([]);
});

test("every map is closed, or says what its values are", () => {
  const open = NODES.filter(([, { type, properties, additionalProperties, $ref }]) => {
    if (type !== "object" || $ref !== undefined) return false;
    return properties === undefined ? typeof additionalProperties !== "object" : additionalProperties !== false;
  });
  expect(open.map(([path]) => path)).toEqual([]);
});

test("every pattern on a value has words for people", () => {
  const wordless = NODES.filter(([, { pattern, patternErrorMessage }]) => pattern !== undefined && patternErrorMessage === undefined);
  expect(wordless.map(([path]) => path)).toEqual([]);
});

test("the schemas compile in strict mode and tell valid from invalid", () => {
  const validators = compileSchemas();
  expect(Object.keys(validators).sort()).toEqual([...KINDS].sort());
  const { SET, POOL, POLICY } = VALID_MANIFESTS;
  const verdicts = [
    validators.Set(parse(SET)),
    validators.HostPool(parse(POOL)),
    validators.Policy(parse(POLICY)),
    validators.Set(parse(POOL)),
  ];
  expect(verdicts).toEqual([true, true, true, false]);
});
