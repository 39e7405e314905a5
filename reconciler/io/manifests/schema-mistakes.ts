import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { offsetOf, placeOf } from "./locate.ts";
import { choiceMistake, missingMistake, unknownFieldMistake } from "./explain-fields.ts";
import { explainName, explainValue } from "./explain-value.ts";
import type { Mistake } from "./mistake.ts";
import { describeError, type SchemaError } from "./schema-error.ts";
import type { Kind } from "./schemas.ts";
import type { YamlDocument } from "./yaml-structure.ts";

/** Keywords about one value, the most telling first: only the first that fails is told. */
const VALUE_KEYWORDS = [
  "type",
  "const",
  "enum",
  "maxLength",
  "pattern",
  "minimum",
  "maximum",
  "form",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
];

/** What is wrong with a document by the schema of its kind: one mistake for each thing a person has to mend. */
export function schemaMistakes(kind: Kind, validate: ValidateFunction, value: unknown, document: YamlDocument): readonly Mistake[] {
  if (validate(value)) return [];
  const errors = (validate.errors ?? []).filter(isTelling).map((error) => describeError(error, document));
  const unknown = errors
    .filter(({ keyword }) => keyword === "additionalProperties")
    .map((error) => unknownFieldMistake(error, document, kind));
  const meant = new Set(unknown.flatMap(({ meant }) => (meant === null ? [] : [meant])));
  const lacking = errors.flatMap((error) => {
    if (error.keyword === "required") return missingMistake(error, document, meant);
    return error.keyword === "oneOf" || error.keyword === "anyOf" ? choiceMistake(error, document, meant) : [];
  });
  return [...unknown.map(({ mistake }) => mistake), ...lacking, ...valueMistakes(errors, document)];
}

/** Leaves out what only repeats another error: branches of a choice, and the announcement that a name is wrong. */
function isTelling(error: ErrorObject): boolean {
  return error.keyword !== "propertyNames" && !/\/(oneOf|anyOf)\/\d+\//.test(error.schemaPath);
}

/** One mistake for each value and each name that breaks a rule. */
function valueMistakes(errors: readonly SchemaError[], document: YamlDocument): Mistake[] {
  const worst = new Map<string, SchemaError>();
  for (const error of errors) {
    if (!VALUE_KEYWORDS.includes(error.keyword)) continue;
    const key = JSON.stringify([error.path, error.name]);
    const other = worst.get(key);
    if (other === undefined || rank(error) < rank(other)) worst.set(key, error);
  }
  return [...worst.values()].map((error) =>
    error.name === null ? valueMistake(error, document) : nameMistake(error, error.name, document),
  );
}

function rank(error: SchemaError): number {
  return VALUE_KEYWORDS.indexOf(error.keyword);
}

function valueMistake(error: SchemaError, document: YamlDocument): Mistake {
  const twice =
    error.keyword === "uniqueItems" ? [...error.path, Math.max(Number(error.params["i"]), Number(error.params["j"]))] : error.path;
  return { ...explainValue(error), offset: offsetOf(document, twice) };
}

function nameMistake(error: SchemaError, name: string, document: YamlDocument): Mistake {
  return { ...explainName(error, name), offset: placeOf(document, [...error.path, name]).keyOffset };
}
