import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { type StartRequest, StepError, type Wire } from "../../../reconciler/agent/ports.ts";
import { APP, failure, INFRA, never, REF, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, NO_NETWORK, startRequest } from "./instance.ts";

const fixture = useEngine();
const web = container("web");
const spec = instanceSpec({ containers: [web, container("shut", { readOnlyRoot: true })] });

/** Calls of the engine that change something, and wirings among them. */
let did: string[];
beforeEach(() => void (did = []));

const wire: Wire = (pid) => {
  did.push(...starts(), `wire ${pid}`);
  fixture.fake.calls.length = 0;
  return Promise.resolve();
};
const request: StartRequest = startRequest(spec, { wire });

/** Containers started since. */
function starts(): string[] {
  return fixture.fake.calls.filter(({ method, path }) => method === "POST" && path.endsWith("start")).map(({ path }) => path);
}

/** Wirings since, and starts before and after them. */
function order(): string[] {
  return [...did, ...starts()];
}

test("infra without a network of Docker's is wired when it runs, before the first app container starts", async () => {
  await fixture.engine.startInstance(REF, request, never());
  const [infra, app, shut] = ["id1", "id2", "id3"].map((id) => `/containers/${id}/start`);
  expect(order()).toEqual([infra, `wire ${process.pid}`, app, shut]);
  expect(fixture.fake.byName(INFRA)?.body).toMatchObject({ NetworkDisabled: true, HostConfig: { NetworkMode: "none" } });
  const { containers } = await fixture.engine.inventory(never());
  expect(containers.map(({ wiredByAgent }) => wiredByAgent)).toEqual([true, false, false]);
});

test("its containers share a hosts file that names the Instance, and may change it if their root may be changed; it goes with the Instance", async () => {
  await fixture.engine.startInstance(REF, request, never());
  const path = `${fixture.fake.folder}/hosts/web-3.g2`;
  const mount = { Type: "bind", Source: path, Target: "/etc/hosts" };
  expect(fixture.fake.byName(APP)?.body.HostConfig["Mounts"]).toEqual([{ ...mount, ReadOnly: false }]);
  expect(fixture.fake.byName("setpoint.web-3.g2.shut")?.body.HostConfig["Mounts"]).toEqual([{ ...mount, ReadOnly: true }]);
  expect(readFileSync(path, "utf8")).toBe("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.9.0.7\tweb-3\n");
  writeFileSync(path, "changed by a container\n");
  await fixture.engine.startInstance(REF, request, never());
  expect(readFileSync(path, "utf8")).toBe("changed by a container\n");
  await fixture.engine.removeInstance(REF, never());
  expect(existsSync(path)).toBe(false);
});

test("is wired again whenever it was started again, and when an app container is replaced", async () => {
  await fixture.engine.startInstance(REF, request, never());
  await fixture.engine.stopInstance(REF, 1_000, never());
  [did, fixture.fake.calls.length] = [[], 0];
  await fixture.engine.resumeInstance(REF, wire, never());
  expect(order().slice(0, 2)).toEqual(["/containers/id1/start", `wire ${process.pid}`]);
  [did, fixture.fake.calls.length] = [[], 0];
  await fixture.engine.resumeInstance(REF, wire, never());
  expect(order()).toEqual([`wire ${process.pid}`]);
  [did, fixture.fake.calls.length] = [[], 0];
  fixture.fake.images.add("test/busybox:2");
  const changed = instanceSpec({ containers: [{ ...web, image: "test/busybox:2" }] });
  await fixture.engine.replaceContainers(REF, ["web"], startRequest(changed, { wire }), never());
  expect(order()[0]).toBe(`wire ${process.pid}`);
});

test("one of Docker's network is not wired, whatever the agent could do for new ones", async () => {
  const byDocker = startRequest(spec, { wire, endpoint: { ...NO_NETWORK, networkMode: "setpoint" } });
  await fixture.engine.startInstance(REF, byDocker, never());
  await fixture.engine.stopInstance(REF, 1_000, never());
  await fixture.engine.resumeInstance(REF, wire, never());
  await fixture.engine.startInstance(REF, request, never());
  expect(did).toEqual([]);
});

test("an app container that is replaced has what the others have, whatever a new Instance would get now", async () => {
  await fixture.engine.startInstance(REF, request, never());
  const changed = instanceSpec({ containers: [{ ...web, env: { A: "2" } }] });
  const byDocker = startRequest(changed, { wire, endpoint: { ...NO_NETWORK, networkMode: "setpoint" } });
  await fixture.engine.replaceContainers(REF, ["web"], byDocker, never());
  const mount = { Type: "bind", Source: `${fixture.fake.folder}/hosts/web-3.g2`, Target: "/etc/hosts", ReadOnly: false };
  expect(fixture.fake.byName(APP)?.body).toMatchObject({ Env: ["A=2"], HostConfig: { Mounts: [mount] } });
});

test("a wire that can't be made keeps the app containers from starting", async () => {
  const cut: Wire = () => Promise.reject(new StepError("network-failed", "no such bridge"));
  expect(await failure(fixture.engine.startInstance(REF, startRequest(spec, { wire: cut }), never()))).toMatchObject({
    code: "network-failed",
  });
  expect([INFRA, APP].map((name) => fixture.fake.byName(name)?.status)).toEqual(["running", "created"]);
});
