import { expect, test } from "vitest";
import { hostRows, poolRows, seenInstances, slotRows } from "../../reconciler/api/rows.ts";
import { explain } from "../../reconciler/plan/explain.ts";
import { container, pool, set } from "../desired/documents.ts";
import type { PureWorld } from "../plan/pure-world.ts";
import { worldOf } from "../plan/world-of.ts";

const GIB = 1024 ** 3;
const HOSTS = pool("main", { hosts: [{ name: "s-1", zone: "a", capacity: { cpu: 8, memory: "16Gi", disk: "100Gi" } }] });

/** A slot with a volume larger than its manifest says, a folder over its limit, and 30Gi in the trash of its host. */
function story(): PureWorld {
  const of = (name: string, lvm: string): ReturnType<typeof set> => {
    const mounts = ["data", "cache"].map((volume) => ({ volume, path: `/${volume}` }));
    const volumes = [
      { name: "data", lvm: { size: lvm } },
      { name: "cache", dir: { softLimit: "2Gi" } },
    ];
    return set(name, { replicas: 1, template: { containers: [container("app", { mounts })], volumes } });
  };
  const { world, commit } = worldOf(HOSTS, of("db", "20Gi"), of("old", "30Gi"));
  world.converge();
  commit(HOSTS, of("db", "10Gi"));
  world.converge();
  const host = world.host("s-1");
  host.volumes = host.volumes.map((volume) => ({ ...volume, usedBytes: 3 * GIB }));
  host.observation = null;
  return world;
}

test("a slot tells its volumes, a host what its group gave", () => {
  const { input, plan } = story().plan();
  expect(
    explain(input, plan, "db/0")
      .filter((line) => /olume/.test(line))
      .join("\n"),
  ).toMatchInlineSnapshot(`
    "It owns a volume or a fixed address, so it starts elsewhere only after it is seen gone here, its lease is over, or an operator confirms the host dead.
    Its volume cache (dir) holds 3Gi of at most 2Gi: its containers can only read it until some is freed or the limit is raised.
    Its volume data (lvm) has 20Gi, of which 3Gi are used.
    Volume data stays at 20Gi: a volume is never made smaller."
  `);
  expect(explain(input, plan, "host/s-1").join("\n")).toMatchInlineSnapshot(`
    "s-1 (zone a) is reachable; its state is active.
    It holds 1 slot: db/0.
    Reserved there: 500m of 8 cpu, 512Mi of 16Gi memory.
    Disk: 50Gi of 100Gi are taken by logical volumes, 30Gi of it in the trash.
    Its trash holds 2 volumes; see: setpoint trash list"
  `);
});

test("rows have volumes, their use, and the trash", () => {
  const { input, plan } = story().plan();
  const picture = { input, plan, headProblems: [] };
  const [slot] = slotRows(picture, seenInstances(input));
  const volumes = [...slot!.volumes].sort((a, b) => (a.name < b.name ? -1 : 1));
  expect(volumes).toEqual([
    { name: "cache", kind: "dir", sizeBytes: 2 * GIB, usedBytes: 3 * GIB },
    { name: "data", kind: "lvm", sizeBytes: 20 * GIB, usedBytes: 3 * GIB },
  ]);
  const disk = { reserved: 20 * GIB, capacity: 100 * GIB, trash: 30 * GIB };
  expect(hostRows(picture)[0]!.disk).toEqual(disk);
  expect(poolRows(picture)[0]!.disk).toEqual(disk);
});
