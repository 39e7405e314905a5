import { describe, expect, test } from "vitest";
import {
  announcementPacket,
  bridgeFlows,
  parseFlows,
  portCookie,
  portFlows,
  removePort,
  replaceAll,
  replacePort,
  summarize,
} from "../../../reconciler/agent/network/ovs/flows.ts";
import { macOf } from "../../../reconciler/agent/network/links.ts";
import { burstBytes, limitInside, limitLink, parseLimits } from "../../../reconciler/agent/network/tc/shaping.ts";

const WEB = { link: "spaaa", ip: "10.99.1.7", mac: macOf("10.99.1.7"), open: true };

test("the tables of a bridge of our own with one port", () => {
  expect(replaceAll("lab", [...bridgeFlows("lab", true), ...portFlows("lab", WEB)])).toBe(
    [
      "flow delete cookie=0x5e70a51100000000/0xffffffff00000000",
      "flow add cookie=0x5e70a51100000000,table=0,priority=0,actions=resubmit(,20)",
      "flow add cookie=0x5e70a51100000000,table=10,priority=0,actions=resubmit(,20)",
      "flow add cookie=0x5e70a51100000000,table=20,priority=0,actions=resubmit(,30)",
      "flow add cookie=0x5e70a51100000000,table=30,priority=0,actions=NORMAL",
      "flow add cookie=0x5e70a5110a630107,table=0,priority=200,arp,in_port=spaaa,vlan_tci=0x0000/0x1fff,dl_src=02:5e:0a:63:01:07,arp_spa=10.99.1.7,arp_sha=02:5e:0a:63:01:07,actions=resubmit(,30)",
      "flow add cookie=0x5e70a5110a630107,table=0,priority=190,ip,in_port=spaaa,vlan_tci=0x0000/0x1fff,dl_src=02:5e:0a:63:01:07,nw_src=10.99.1.7,actions=resubmit(,10)",
      "flow add cookie=0x5e70a5110a630107,table=0,priority=100,in_port=spaaa,actions=drop",
      "",
    ].join("\n"),
  );
});

test("on someone else's bridge, what is not ours is its owner's business", () => {
  expect(bridgeFlows("lab", false).filter(({ text }) => text.startsWith("table=0,"))).toEqual([]);
});

test("a port that may not send yet is only dropped, and a port goes by its cookie", () => {
  expect(replacePort("lab", { ...WEB, open: false })).toBe(
    "flow delete cookie=0x5e70a5110a630107/-1\nflow add cookie=0x5e70a5110a630107,table=0,priority=100,in_port=spaaa,actions=drop\n",
  );
  expect(removePort("lab", WEB.ip)).toBe("flow delete cookie=0x5e70a5110a630107/-1\n");
  expect(portCookie("prod", WEB.ip)).not.toBe(portCookie("lab", WEB.ip));
});

test("what the switch prints is counted like what it was given", () => {
  const dump = `NXST_FLOW reply:
 cookie=0x5e70a5110a630107, priority=200,arp,in_port=spaaa,vlan_tci=0x0000/0x1fff,dl_src=02:5e:0a:63:01:07 actions=resubmit(,30)
 cookie=0x5e70a5110a630107, priority=190,ip,in_port=spaaa,vlan_tci=0x0000/0x1fff,dl_src=02:5e:0a:63:01:07,nw_src=10.99.1.7 actions=resubmit(,10)
 cookie=0x5e70a5110a630107, priority=100,in_port=spaaa actions=drop
 cookie=0x5e70a51100000000, table=30, priority=0 actions=NORMAL
`;
  expect(summarize(parseFlows(dump))).toEqual(["0x5e70a51100000000 - 1", "0x5e70a5110a630107 spaaa 3"]);
  expect(summarize(portFlows("lab", WEB))).toEqual(["0x5e70a5110a630107 spaaa 3"]);
});

test("an announcement is an ARP request for one's own address", () => {
  expect(announcementPacket("10.99.1.7", "02:5e:0a:63:01:07")).toBe(
    ["ffffffffffff025e0a6301070806", "0001080006040001", "025e0a6301070a630107", "0000000000000a630107"].join(""),
  );
});

describe("limits", () => {
  test("are set and taken away by replacing, so that both may be done twice", () => {
    expect(limitLink("spaaa", 50e6).args.join(" ")).toBe("qdisc replace dev spaaa root tbf rate 50000000bit burst 250000b latency 50ms");
    expect(limitLink("spaaa", null).args.join(" ")).toBe("qdisc replace dev spaaa root noqueue");
    expect(limitInside("/run/ns/1", "eth0", null).args.join(" ")).toBe("--net=/run/ns/1 tc qdisc replace dev eth0 root noqueue");
  });

  test("a burst lasts 40 ms, and is never less than a few packets", () => {
    expect([burstBytes(64e3), burstBytes(50e6), burstBytes(10e9)]).toEqual([16384, 250_000, 50_000_000]);
  });

  test("are read back in bit/s; queues of others are no limits", () => {
    const json = `[{"kind":"noqueue","dev":"lo","root":true,"options":{}},{"kind":"tbf","dev":"spaaa","root":true,"options":{"rate":6250000}},
      {"kind":"tbf","dev":"spbbb","parent":"1:1","options":{"rate":1}},{"kind":"fq_codel","dev":"eth0","root":true,"options":{"limit":1}}]`;
    expect([...parseLimits(json)]).toEqual([["spaaa", 50e6]]);
  });
});
