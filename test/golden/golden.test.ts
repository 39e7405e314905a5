import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { expect, test } from "vitest";
import type { Manifest } from "../../reconciler/core/manifest-types.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import type { Action, Plan } from "../../reconciler/core/plan.ts";
import { formatBytes, parseDuration } from "../../reconciler/core/units.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { renderPlan } from "../../reconciler/plan/render.ts";
import { manifestsOf } from "../desired/documents.ts";
import { PureWorld } from "../plan/pure-world.ts";

/**
 * Golden plans. `NAME.in.yaml` holds manifests and, between them, steps of a small story:
 *   converge: true        commit the manifests so far and pass until nothing is left to do
 *   delete: Set/web       take a manifest out of the next commit
 *   silence: [a-1]        these hosts are cut off         wait: 70s       time passes
 *   drain: a-1            an operator drains a host       hold: web       an operator holds a Set
 *   dead: a-1             an operator confirms it dead    frozen: why     the head can't be trusted
 *   kill: web/0           its containers crash            forget: true    the journal is lost
 *   fail: startInstance   steps of this kind fail         pass: 3         three passes, a second each
 *   restore: {of: db/0, into: db/1, replace: true}  an operator wants that volume back from the trash, here or (default) where it was
 * What is planned at the end is `NAME.plan.txt`, with every step.
 */
const folder = import.meta.dirname;
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".in.yaml") ? [file.slice(0, -".in.yaml".length)] : []));

test.for(names)("%s", async (name) => {
  const documents = parseAllDocuments(readFileSync(join(folder, `${name}.in.yaml`), "utf8")).map((document) => document.toJS() as Document);
  const plan = tell(documents);
  await expect(renderPlan(plan, "text") + renderSteps(plan)).toMatchFileSnapshot(join(folder, `${name}.plan.txt`));
});

type Document = Manifest | Step;

interface Step {
  readonly converge?: true;
  readonly delete?: string;
  readonly silence?: readonly string[];
  readonly wait?: string;
  readonly drain?: string;
  readonly hold?: string;
  readonly dead?: string;
  readonly frozen?: string;
  readonly kill?: string;
  readonly forget?: true;
  readonly fail?: string;
  readonly pass?: number;
  readonly restore?: { readonly of: string; readonly into?: string; readonly replace?: true };
}

/** Tells the story and returns the last plan. */
function tell(documents: readonly Document[]): Plan {
  const manifests = new Map<string, Manifest>();
  const builder = createDesiredBuilder();
  let world = new PureWorld();
  function commit(): void {
    const { desired, problems } = builder.build(manifestsOf(...manifests.values()));
    if (desired === null) throw new Error(JSON.stringify(problems));
    world.commit(desired);
  }
  for (const document of documents) {
    if ("kind" in document) manifests.set(`${document.kind}/${document.metadata.name}`, document);
    else if (document.delete !== undefined) manifests.delete(document.delete);
    else {
      commit();
      world = takeStep(world, document);
    }
  }
  commit();
  return world.plan().plan;
}

function takeStep(world: PureWorld, step: Step): PureWorld {
  const who = { who: "ada", why: "a test" };
  if (step.converge === true) world.converge();
  for (const host of step.silence ?? []) world.host(host).silent = true;
  if (step.wait !== undefined) world.nowMs += parseDuration(step.wait)!;
  if (step.drain !== undefined) world.record({ type: "host.state", host: step.drain, state: "draining", ...who });
  if (step.hold !== undefined) world.record({ type: "hold.placed", hold: { scope: "set", name: step.hold, ...who, sinceMs: world.nowMs, untilMs: null } });
  if (step.dead !== undefined) world.record({ type: "host.dead", host: step.dead, ...who });
  if (step.frozen !== undefined) world.destroysFrozen = step.frozen;
  if (step.kill !== undefined) world.tamper(step.kill.split("/")[0]!, Number(step.kill.split("/")[1]), { phase: "failed", healthy: false, message: "exit 137" });
  if (step.fail !== undefined) world.fails = (action) => (action.kind === step.fail ? { code: "cannot-run", message: "exec: \"/app/web\": no such file" } : null);
  if (step.restore !== undefined) world.askRestore(step.restore.of, { into: step.restore.into ?? step.restore.of, replace: step.restore.replace === true });
  for (let passes = 0; passes < (step.pass ?? 0); passes++) {
    world.pass();
    world.nowMs += 1_000;
  }
  return step.forget === true ? world.withoutJournal() : world;
}

function renderSteps(plan: Plan): string {
  const lines = plan.actions.map((action) => `  ${String(action.number).padStart(3)}  ${stepText(action)}${action.needs.length === 0 ? "" : `  after ${action.needs.join(" ")}`}`);
  return ["", "steps:", ...lines, ""].join("\n");
}

function stepText(action: Action): string {
  const volume = "volume" in action ? ` ${action.volume}` : "trashId" in action ? ` ${action.trashId}` : "";
  const size = "sizeBytes" in action ? ` of ${formatBytes(action.sizeBytes)}` : "";
  return `${action.kind}${volume}${size} ${slotKey(action.set, action.index)} generation ${action.generation} on ${action.host}`;
}
