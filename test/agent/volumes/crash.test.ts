import { describe, expect, it } from "vitest";
import type { VolumeRef } from "../../../reconciler/agent/ports.ts";
import type { LvmDriver } from "../../../reconciler/agent/volumes/lvm/lvm-driver.ts";
import { FakeLvm, GIB } from "./fake-lvm.ts";

/*
 * The agent is killed before, and in the middle of, every single thing that a change does to the host, and once more at every single thing
 * that putting that right does. Afterwards the same step leads to what it leads to undisturbed, and no byte is lost.
 */

const DATA: VolumeRef = { set: "web", index: 0, name: "data" };
const OTHER: VolumeRef = { set: "db", index: 3, name: "files" };
const SETTINGS = { volumeGroup: "vg0", thinPool: null, folder: "/volumes" };
const NOTE = { trashedAtMs: 1_700_000_000_000, commit: "9c1d04f", taskId: "4bf92f35" };
const NEVER = new AbortController().signal;

interface Scenario {
  readonly prepare: (lvm: LvmDriver, host: FakeLvm) => Promise<void>;
  readonly act: (lvm: LvmDriver) => Promise<void>;
  /** Files that were written before. */
  readonly data: boolean;
}

async function make(lvm: LvmDriver, filesystem: "ext4" | "xfs" = "ext4", ref = DATA): Promise<void> {
  await lvm.create({ ...ref, filesystem, sizeBytes: GIB }, NEVER);
}

async function use(lvm: LvmDriver, host: FakeLvm, filesystem: "ext4" | "xfs" = "ext4"): Promise<void> {
  await make(lvm, filesystem);
  await lvm.mount(DATA, null, NEVER);
  host.fileAt("/state/volumes/web/0/data", "f").write("kept");
}

async function discard(lvm: LvmDriver, host: FakeLvm): Promise<void> {
  await use(lvm, host);
  await lvm.trashVolume(DATA, NOTE, NEVER);
}

/** Of the one entry; where a change before the kill took it out, as it was. */
function entryOf(host: FakeLvm): string {
  const line = host.effects.find((it) => it.includes("--addtag setpoint.trash="))!;
  return /setpoint\.trash=(\S+)/.exec(line)![1]!;
}

const SCENARIOS: Record<string, Scenario> = {
  "create ext4": { prepare: () => Promise.resolve(), act: (lvm) => make(lvm), data: false },
  "create xfs": { prepare: () => Promise.resolve(), act: (lvm) => make(lvm, "xfs"), data: false },
  "mount a fresh one": {
    prepare: (lvm) => make(lvm),
    act: async (lvm) => void (await lvm.mount(DATA, { uid: 70, gid: 70 }, NEVER)),
    data: false,
  },
  "grow ext4 in use": { prepare: (lvm, host) => use(lvm, host), act: (lvm) => lvm.grow(DATA, 3 * GIB, NEVER), data: true },
  "grow xfs after a reboot": {
    async prepare(lvm, host) {
      await use(lvm, host, "xfs");
      host.reboot();
    },
    act: (lvm) => lvm.grow(DATA, 3 * GIB, NEVER),
    data: true,
  },
  "trash one in use": { prepare: (lvm, host) => use(lvm, host), act: (lvm) => lvm.trashVolume(DATA, NOTE, NEVER), data: true },
};

const FROM_TRASH: Record<string, (lvm: LvmDriver, host: FakeLvm) => Promise<void>> = {
  "restore into its slot": (lvm, host) => lvm.restore(DATA, entryOf(host), NOTE.trashedAtMs, NEVER),
  "restore into another slot": (lvm, host) => lvm.restore(OTHER, entryOf(host), NOTE.trashedAtMs, NEVER),
};

/** Everything on the host but what LVM numbers by itself. */
function stateOf(host: FakeLvm): unknown {
  const volumes = host.volumes.map(({ uuid: _uuid, minor: _minor, filesystem, ...lv }) => {
    return { ...lv, filesystem: filesystem === null ? null : { ...filesystem, files: Object.fromEntries(filesystem.files) } };
  });
  const mounts = host.mounts.map(({ point, lv }) => `${point} ${lv.name}`);
  return { volumes, mounts: mounts.sort(), folders: [...host.folders.keys()].sort() };
}

function keptData(host: FakeLvm): number {
  return host.volumes.filter(({ filesystem }) => filesystem?.files.get("f") === "kept").length;
}

type Act = (lvm: LvmDriver, host: FakeLvm) => Promise<void>;

async function begin(prepare: Scenario["prepare"]): Promise<FakeLvm> {
  const host = new FakeLvm();
  const lvm = host.driver();
  await lvm.apply(SETTINGS);
  await prepare(lvm, host);
  return host;
}

/** One life of the agent: looks, then does the step. True when it was killed. */
async function live(host: FakeLvm, act: Act, kill: { readonly effects: number; readonly midway: boolean } | null): Promise<boolean> {
  const lvm = host.driver();
  if (kill !== null) host.kill(kill.effects, kill.midway);
  try {
    await lvm.apply(SETTINGS);
    await act(lvm, host);
    return false;
  } catch (error) {
    if (kill === null) throw error;
    return true;
  }
}

/** Kills twice at every pair of moments; returns how many different lives were tried. */
async function killEverywhere(prepare: Scenario["prepare"], act: Act, data: boolean): Promise<number> {
  const undisturbed = await begin(prepare);
  await live(undisturbed, act, null);
  const wanted = stateOf(undisturbed);
  let lives = 0;
  for (const midway of [false, true]) {
    for (let first = 0, killed = true; killed; first++) {
      for (let second = 0, again = true; again; second++) {
        const host = await begin(prepare);
        const foreign = structuredClone(host.volumes.slice(0, 2));
        killed = await live(host, act, { effects: first, midway });
        if (data) expect([first, second, keptData(host)]).toEqual([first, second, 1]);
        again = await live(host, act, { effects: second, midway });
        await live(host, act, null);
        expect({ first, second, midway, state: stateOf(host) }).toEqual({ first, second, midway, state: wanted });
        expect(host.volumes.slice(0, 2)).toEqual(foreign);
        lives++;
      }
    }
  }
  return lives;
}

describe("killed at every moment, and again at every moment of the next life", () => {
  it.each(Object.entries(SCENARIOS))("%s", async (_, { prepare, act, data }) => {
    expect(await killEverywhere(prepare, act, data)).toBeGreaterThan(8);
  });

  it.each(Object.entries(FROM_TRASH))("%s", async (_, act) => {
    expect(await killEverywhere(discard, act, true)).toBeGreaterThan(8);
  });

  it("purge", async () => {
    const act: Act = (lvm, host) => lvm.purge(entryOf(host), NOTE.trashedAtMs, NEVER);
    expect(await killEverywhere(discard, act, false)).toBeGreaterThan(2);
  });

  it("a look alone finishes it: nothing half done is left where the step is never asked for again", async () => {
    const discarding: Act = (lvm) => lvm.trashVolume(DATA, NOTE, NEVER);
    for (const [act, prepare] of [
      [SCENARIOS["create ext4"]!.act, SCENARIOS["create ext4"]!.prepare],
      [discarding, SCENARIOS["trash one in use"]!.prepare],
      [FROM_TRASH["restore into another slot"]!, discard],
    ] as const) {
      for (let effects = 0, killed = true; killed; effects++) {
        const host = await begin(prepare);
        killed = await live(host, act, { effects, midway: false });
        await live(host, () => Promise.resolve(), null);
        const ours = host.volumes.slice(2);
        expect(ours.filter(({ tags }) => tags.includes("setpoint.state=new"))).toEqual([]);
        for (const { name, tags } of ours) expect(name.includes("trash")).toBe(tags.includes("setpoint.state=trash"));
      }
    }
  });
});
