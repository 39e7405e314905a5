import { describe, expect, test } from "vitest";
import type { Plan } from "../../reconciler/core/plan.ts";
import { planVerdict, PLAN_FORMATS, renderPlan } from "../../reconciler/plan/render.ts";
import { EMPTY_PLAN, FULL_PLAN } from "./plan.ts";

describe("a plan as text", () => {
  test("is aligned, one line per slot, reason last", () => {
    expect(renderPlan(FULL_PLAN, "text")).toMatchInlineSnapshot(`
      "plan 7c1e  revision 9c1d04f  task 4bf92f35
        web/0  keep     bj-a-001
        web/1  replace  bj-a-002              image web 1.4 -> 1.5  rollout: stage 1/3, 25% = 1 slot
        web/2  create   bj-b-001                                    scale: cpu 82% > 70%, 2 -> 3
        web/3  blocked  -                                           place: 2 hosts lack memory, 1 cordoned
        web/4  move     bj-a-003 -> bj-b-002                        bj-a-003 is draining
        web/5  blocked  bj-a-004                                    rollout: waits for its turn
        web/6  remove   bj-a-004                                    the Set wants fewer
        12 slots of other Sets: nothing to do

        1 to create, 1 to replace, 1 to move, 1 to remove, 1 blocked, 1 waiting; 3 steps

      held, over budget:
        pool main, zone a: 12 destroys, budget 2; go on with: setpoint confirm 00112233aabbccdd

      problems:
        warning  pool/main  82% of cpu is reserved | over 80%  [watermark]
      "
    `);
  });

  test("says so when there is nothing to do", () => {
    expect(renderPlan(EMPTY_PLAN, "text")).toBe("plan 7c1e  revision 9c1d04f\n  nothing to do: 12 slots as desired\n");
    expect(renderPlan({ ...EMPTY_PLAN, unchanged: 0, commit: "dir-0123456789ab" }, "text")).toBe(
      "plan 7c1e  revision dir-0123456789ab\n  nothing to do: there are no slots\n",
    );
  });

  test("counts Tasks when there are several", () => {
    const two = FULL_PLAN.changes.map((change, index) => ({ ...change, taskId: index % 2 === 0 ? "a" : "b" }));
    expect(renderPlan({ ...FULL_PLAN, changes: two }, "text")).toMatch(/^plan 7c1e {2}revision 9c1d04f {2}tasks 2\n/);
  });
});

describe("a plan in its other forms", () => {
  test("json has the documented shape", () => expect(renderPlan(FULL_PLAN, "json")).toMatchSnapshot());
  test("markdown escapes what would break the table", () => expect(renderPlan(FULL_PLAN, "markdown")).toMatchSnapshot());
  test("mermaid draws the action graph", () => expect(renderPlan(FULL_PLAN, "mermaid")).toMatchSnapshot());

  test("mermaid stays below the limit of its renderers", () => {
    const [first] = FULL_PLAN.actions;
    const actions = Array.from({ length: 1000 }, (_, number) => ({ ...first!, number, index: number }));
    const drawn = renderPlan({ ...FULL_PLAN, actions }, "mermaid");
    expect(drawn.split("\n").filter((line) => line.includes("pullImage"))).toHaveLength(150);
    expect(drawn).toContain('more["and 850 more steps"]');
  });

  test("no form shows a time or an intent", () => {
    for (const format of PLAN_FORMATS) expect(renderPlan(FULL_PLAN, format)).not.toMatch(/17000000|counted/);
  });
});

describe("the verdict of a plan", () => {
  const only = (...kinds: readonly string[]): Plan => ({
    ...EMPTY_PLAN,
    changes: FULL_PLAN.changes.filter((change) => kinds.includes(change.kind === "blocked" ? change.decision.code : change.kind)),
  });

  test.each([
    ["nothing", only("keep")],
    ["changes", only("keep", "create")],
    ["changes", only("wait.rollout")],
    ["stuck", only("blocked.capacity", "create")],
    ["stuck", { ...EMPTY_PLAN, held: FULL_PLAN.held }],
    ["changes", { ...EMPTY_PLAN, actions: FULL_PLAN.actions }],
  ] as const)("%s", (verdict, plan) => expect(planVerdict(plan)).toBe(verdict));
});
