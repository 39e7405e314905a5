import { BRIDGE, UPLINK, type RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";

const CONTAINER = "foreign";
const PORT = "foreign0";
/** Of the network card that is no port of the switch: a switch that starts wipes those of its ports. */
const CARD = "eth0";
const QDISC = ["handle", "77:", "tbf", "rate", "900mbit", "burst", "1mb", "latency", "50ms"];

/** Makes what belongs to somebody else on a host: a container, a port on the bridge we use, a qdisc on a network card. */
export async function makeForeign(host: RigHost): Promise<void> {
  await host.docker(
    "run",
    "--detach",
    "--name",
    CONTAINER,
    "--network",
    "none",
    "--restart",
    "always",
    "--label",
    "setpoint.fleet=other",
    IMAGES.sleeper,
  );
  const port = ["--may-exist", "add-port", BRIDGE, PORT, "tag=77", "--", "set", "interface", PORT, "type=internal"];
  await host.exec(["ovs-vsctl", "--timeout=10", ...port, "external_ids:owner=somebody-else"]);
  await makeForeignQdisc(host);
}

/** A qdisc lives in memory: after a power cut its owner makes it again. */
export async function makeForeignQdisc(host: RigHost): Promise<void> {
  await host.exec(["tc", "qdisc", "replace", "dev", CARD, "root", ...QDISC]);
}

/** All of it as text, to be compared. Times at which the container started are left out: its daemon is killed in tests. */
export async function describeForeign(host: RigHost): Promise<string> {
  const container = await host.docker("inspect", "--format", "{{.Id}} {{.State.Running}} {{json .HostConfig}} {{json .Config}}", CONTAINER);
  const columns = "name,tag,external_ids,qos,other_config,trunks";
  const port = (await host.exec(["ovs-vsctl", `--columns=${columns}`, "list", "port", PORT])).stdout;
  const wire = (await host.exec(["ovs-vsctl", "--columns=name,type,external_ids,ingress_policing_rate,options", "list", "interface", PORT]))
    .stdout;
  const uplink = (await host.exec(["ovs-vsctl", `--columns=${columns}`, "list", "port", UPLINK])).stdout;
  const qdisc = (await host.exec(["tc", "qdisc", "show", "dev", CARD, "root"])).stdout;
  return [container, port, wire, uplink, qdisc].join("\n");
}
