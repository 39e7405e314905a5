import { describe, expect, it } from "vitest";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import type { Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { container, manifestsOf, pool, set } from "./documents.ts";

type Template = SetManifest["spec"]["template"];
type Volume = NonNullable<Template["volumes"]>[number];

const MIB = 1024 ** 2;
const MOUNTS = [{ volume: "data", path: "/data" }];

/** A Set of two containers, of which `app` mounts the volumes. */
function withVolumes(...volumes: Volume[]): DesiredSet {
  const mounts = volumes.map(({ name }) => ({ volume: name, path: `/${name}` }));
  const template: Template = { containers: [container("app", { mounts }), container("side")], volumes };
  const { desired, problems } = buildDesired(manifestsOf(pool("main"), set("web", { template })));
  if (desired === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return desired.sets.get("web")!;
}

const NFS = { driver: "local", options: { type: "nfs", o: "addr=10.0.0.9,rw", retry: 3 } } as const;

describe("canonical volumes", () => {
  it("have their kind, keys in order, and sizes apart", () => {
    const { template, live } = withVolumes(
      { name: "scratch", dir: { softLimit: "10Gi" } },
      { name: "net", docker: NFS },
      { name: "conf", config: { files: { "b.conf": "two\n", "a.conf": "one\n" } } },
      { name: "data", lvm: { size: "1Gi" } },
    );
    expect(JSON.stringify(template.volumes)).toBe(
      JSON.stringify([
        { files: { "a.conf": "one\n", "b.conf": "two\n" }, kind: "config", name: "conf" },
        { filesystem: "ext4", kind: "lvm", name: "data" },
        { driver: "local", kind: "docker", name: "net", options: { o: "addr=10.0.0.9,rw", retry: "3", type: "nfs" }, shared: false },
        { kind: "dir", name: "scratch" },
      ]),
    );
    expect(live.volumes).toEqual({ data: 1024 * MIB, scratch: 10 * 1024 * MIB });
  });

  it("say what may not run twice, what a host needs and what is reserved: only what a driver enforces", () => {
    const facts = (volume: Volume) => {
      const { exclusive, failover, needs, resources } = withVolumes(volume);
      return { exclusive, failover, needs, diskBytes: resources.diskBytes };
    };
    const plain = { exclusive: false, failover: "always", needs: ["docker"], diskBytes: 0 };
    const alone = { ...plain, exclusive: true, failover: "after-fence" };
    expect(facts({ name: "data", dir: { softLimit: "10Gi" } })).toEqual(plain);
    expect(facts({ name: "data", config: { files: { a: "x" } } })).toEqual(plain);
    expect(facts({ name: "data", docker: { ...NFS, shared: true } })).toEqual(plain);
    expect(facts({ name: "data", docker: NFS })).toEqual(alone);
    expect(facts({ name: "data", lvm: { size: "10Gi" } })).toEqual({ ...alone, needs: ["docker", "lvm"], diskBytes: 10 * 1024 * MIB });
  });

  it("reserve what a logical volume takes of its group: whole extents", () => {
    expect(withVolumes({ name: "data", lvm: { size: "10M" } }).resources.diskBytes).toBe(12 * MIB);
    expect(withVolumes({ name: "data", lvm: { size: "10M" } }).live.volumes).toEqual({ data: 10_000_000 });
  });
});

describe("a change", () => {
  it("of a soft limit is done in place", () => {
    const [before, after] = ["1Gi", "2Gi"].map((softLimit) => withVolumes({ name: "data", dir: { softLimit } }));
    expect(after!.specHash).toBe(before!.specHash);
    expect(after!.liveHash).not.toBe(before!.liveHash);
  });

  it("of a config file recreates the containers that mount it, and no others", () => {
    const [before, after] = ["one", "two"].map((text) => withVolumes({ name: "conf", config: { files: { "a.conf": text } } }));
    expect(after!.infraHash).toBe(before!.infraHash);
    expect(after!.containerHashes["app"]).not.toBe(before!.containerHashes["app"]);
    expect(after!.containerHashes["side"]).toBe(before!.containerHashes["side"]);
    expect(after!.liveHash).toBe(before!.liveHash);
  });

  it("of a docker volume's options, or of who may share it, replaces the Instance", () => {
    const hashes = [NFS, { ...NFS, shared: true }, { ...NFS, options: {} }].map(
      (docker) => withVolumes({ name: "data", docker }).infraHash,
    );
    expect(new Set(hashes).size).toBe(3);
  });

  it("to none of the newer kinds leaves every hash as it was before there were any, so that an upgrade recreates nothing", () => {
    const { infraHash, containerHashes, specHash, liveHash } = withVolumes(
      { name: "data", lvm: { size: "1Gi", filesystem: "xfs" } },
      { name: "tls", secret: { name: "web-tls" } },
      { name: "tmp", tmpfs: { size: "1Mi" } },
    );
    expect({ infraHash, containerHashes, specHash, liveHash }).toEqual(GOLDEN);
  });
});

/** As Setpoint made them when its volumes were lvm, secret and tmpfs. */
const GOLDEN = {
  infraHash: "7715e975565b9af1bdd878725e9d73fd7d4030fc8e765ab49ac9c0c9ec19b3ff",
  containerHashes: {
    app: "c46a3a576122cb865e599b0709e35169ee5f2a345d8b40badd080bb837d02cd3",
    side: "a09a55d5b14ade4a590ece726db19f8afbdabe6e8b290fa80175bc234f03c9d5",
  },
  specHash: "77b5812de8ea96d5373957e140f118a03c8f160c7ce6dd3e1a62aa2b4dec1356",
  liveHash: "d79cdc5afac883e4cb02228ac81614495be655fcc12070324b907403b95df84e",
};

describe("config files", () => {
  it.each([
    ["one by one", { a: "é".repeat(32_769) }, "File `a` of volume `data` has 65538 bytes; allowed: at most 64Ki (65536)."],
    [
      "together",
      Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, "x".repeat(50_000)])),
      "With file `f` of volume `data` the config files of the Set have 293Ki; allowed: at most 256Ki in all.",
    ],
  ])("have a limit %s", (_, files, message) => {
    const template: Template = { containers: [container("app", { mounts: MOUNTS })], volumes: [{ name: "data", config: { files } }] };
    const { desired, problems } = buildDesired(manifestsOf(pool("main"), set("web", { template })));
    expect(desired).toBeNull();
    expect(problems.map(({ code, message }) => ({ code, message }))).toEqual([{ code: "config-too-large", message }]);
  });
});
