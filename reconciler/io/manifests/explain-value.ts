import { likely, fieldsOf } from "./explain-fields.ts";
import type { Mistake } from "./mistake.ts";
import type { SchemaError } from "./schema-error.ts";
import { shorten } from "./shorten.ts";

type Explanation = Omit<Mistake, "offset">;

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
};

const FORM_WORDS: Readonly<Record<string, string>> = {
  cpu: "it must be whole thousandths of a core and below 2^53 of them",
  bytes: "it must come out as a whole number of bytes below 2^53",
  rate: "it must come out as a whole number of bits per second below 2^53",
  duration: "it must be below 2^53 milliseconds",
  timezone: "no such time zone is known; allowed: IANA names such as Asia/Shanghai, Europe/Berlin or UTC",
};

/** What is wrong with a value and what is allowed instead. */
export function explainValue(error: SchemaError): Explanation {
  if (error.keyword === "type") return explainType(error);
  const shown = `${error.where} is ${show(error)}`;
  if (error.keyword === "enum" || error.keyword === "const") return explainEnum(error, shown);
  // How Docker and the kernel write it.
  const endless = error.value === -1 && String(error.schema["pattern"]).includes("unlimited");
  return value(`${error.where} ${rest(error, show(error))}`, endless ? "For no limit write `unlimited`." : "");
}

/** What is wrong with a key the user chose, such as a label's name. */
export function explainName(error: SchemaError, name: string): Explanation {
  const rule =
    error.keyword === "maxLength" ? `it may have at most ${String(error.rule)} characters` : String(error.schema["patternErrorMessage"]);
  return value(`${error.where} has the name ${JSON.stringify(shorten(name))}; ${rule}`);
}

/** The sentence after the path. */
function rest(error: SchemaError, shown: string): string {
  const { rule, schema } = error;
  const length = (error.value as { readonly length?: number }).length ?? 0;
  switch (error.keyword) {
    case "pattern":
      return `is ${shown}; ${String(schema["patternErrorMessage"])}`;
    case "form":
      return `is ${shown}; ${FORM_WORDS[String(rule)] ?? ""}`;
    case "minimum":
    case "maximum":
      return `is ${shown}; ${range(schema)}`;
    case "maxLength":
      return `is ${length} characters long; allowed: at most ${String(rule)}`;
    case "minItems":
      return `is empty; it needs at least ${String(rule)} item`;
    case "maxItems":
      return `has ${length} items; allowed: at most ${String(rule)}`;
    case "uniqueItems":
      return `lists ${JSON.stringify((error.value as unknown[])[Number(error.params["i"])])} twice; each stands once`;
    case "minProperties":
      return `is empty; it needs at least one field${fieldsOf(schema).length > 0 ? ` of ${fieldsOf(schema).join(", ")}` : ""}`;
    default:
      throw new Error(`no message for the schema keyword ${error.keyword}`);
  }
}

function range(schema: SchemaError["schema"]): string {
  const { minimum, maximum } = schema as { readonly minimum?: number; readonly maximum?: number };
  return maximum === undefined ? `allowed: ${minimum} or more` : `allowed: ${minimum} to ${maximum}`;
}

function explainEnum(error: SchemaError, shown: string): Explanation {
  if (error.keyword === "const") return value(`${shown}; it must be ${String(error.rule)}`);
  const allowed = error.rule as readonly string[];
  const near = typeof error.value === "string" ? likely(error.value, allowed) : null;
  return value(`${shown}; allowed: ${allowed.join(", ")}`, near === null ? "" : `Did you mean \`${near}\`?`);
}

/** A value of another type, with the reason why YAML reads it so. */
function explainType(error: SchemaError): Explanation {
  const types = [error.rule].flat().map(String);
  const form = error.schema["patternErrorMessage"];
  const quotable = types.includes("string") && isQuotable(error);
  const wanted = typeof form === "string" && !quotable ? form : `it must be ${types.map((type) => TYPE_WORDS[type]).join(" or ")}`;
  const message = `${error.where} is ${typeof error.value === "number" ? "the number " : ""}${show(error)}; ${wanted}`;
  return { code: "manifest-type", message, hint: typeHint(error, types, quotable) };
}

/** True when the value would do if it stood in quotes. */
function isQuotable({ value, written, schema }: SchemaError): boolean {
  if (typeof value !== "number" && typeof value !== "boolean") return false;
  const pattern = schema["pattern"];
  return typeof pattern !== "string" || new RegExp(pattern, "u").test(written ?? String(value));
}

function typeHint(error: SchemaError, types: readonly string[], quotable: boolean): string {
  const { value, written } = error;
  if (value === null) return "Write a value after the colon, or remove the field.";
  if (types.includes("array"))
    return typeof value === "object"
      ? "Start each item with `- `."
      : `Write \`[${shorten(written ?? "")}]\`, or each item on its own line after \`- \`.`;
  if (types.includes("object") && !quotable) return "Write its fields on the following lines, indented.";
  if (quotable) {
    const read = JSON.stringify(value);
    const text = written ?? read;
    const otherwise = text === read ? "" : `; without quotes YAML reads ${read}`;
    return `Put it in quotes: "${shorten(text)}"${otherwise}.`;
  }
  if (typeof value === "string" && types.some((type) => type === "integer" || type === "number") && /^-?\d+(\.\d+)?$/.test(value)) {
    return `Remove the quotes: ${shorten(value)}.`;
  }
  if (typeof value === "string" && types.includes("boolean") && /^(yes|no|on|off)$/i.test(value))
    return "YAML 1.2 knows only true and false.";
  return "";
}

/** The offending value as a message shows it. */
function show(error: SchemaError): string {
  const { value, written } = error;
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value === "string") return JSON.stringify(shorten(value));
  return shorten(written ?? JSON.stringify(value));
}

function value(message: string, hint = ""): Explanation {
  return { code: "manifest-value", message, hint };
}
