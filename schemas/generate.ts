import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";
import type { JSONSchema } from "json-schema-to-typescript";

const KINDS = ["hostpool", "set", "policy"];
const FOLDER = import.meta.dirname;
const FIELD_CHOICES = new Set(["oneOf", "anyOf", "allOf"]);
const SHARED_ALIASES = /\/(Names|Command|Labels|Env|EnvValue|Exec|SizeUlimit|CountUlimit|Capabilities)$/;
const TARGET = `${FOLDER}/../reconciler/core/manifest-types.ts`;

/** The text of reconciler/core/manifest-types.ts as the schemas say it now. */
export async function generateManifestTypes(): Promise<string> {
  const files = Object.fromEntries(["common", ...KINDS].map((name) => [name, readSchema(name)]));
  const root = {
    title: "Manifest",
    description: "Any manifest.",
    oneOf: KINDS.map((name) => ({ $ref: `${name}.schema.json` })),
  };
  return compile(root as JSONSchema, "Manifest", {
    cwd: `${FOLDER}/`,
    bannerComment: "// Generated from schemas/*.schema.json by `npm run generate`. Do not edit.",
    ignoreMinAndMaxItems: true,
    format: true,
    style: { printWidth: 140 },
    $refOptions: {
      resolve: {
        file: {
          order: 1,
          canRead: true,
          read: (file: { url: string }) => JSON.stringify(files[/([a-z]+)\.schema\.json$/.exec(file.url)?.[1] ?? ""]),
        },
      },
    },
  });
}

/**
 * A schema without what makes types unreadable: its "one of these fields" rules (each would turn a type into an
 * intersection), and own descriptions beside references to lists and maps (each would become one more alias).
 */
function readSchema(name: string): unknown {
  const text = readFileSync(`${FOLDER}/${name}.schema.json`, "utf8");
  return JSON.parse(text, (key, value: unknown) => {
    if (FIELD_CHOICES.has(key) && Array.isArray(value)) return undefined;
    if (typeof value !== "object" || value === null || !("$ref" in value)) return value;
    return SHARED_ALIASES.test(String(value.$ref)) ? { $ref: value.$ref } : value;
  });
}

if (import.meta.main) writeFileSync(TARGET, await generateManifestTypes());
