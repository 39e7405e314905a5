/** What ends a wait or a block, as a sentence: by the code of its Decision. `host` is where the slot is now, or null. */
export function remedy(code: string, set: string, host: string | null): string | null {
  const name = host ?? "HOST";
  switch (code) {
    case "blocked.capacity":
      return "It is placed by itself as soon as a host has room: add or uncordon hosts, or ask for less.";
    case "blocked.restore":
      return "It goes on as soon as that host can take it. Without its old data it goes on at once: setpoint trash restore --cancel ID (see: setpoint trash list)";
    case "wait.restore":
      return "It goes on when the driver of its volume works there again; what is wrong there tells: setpoint agent check";
    case "blocked.addresses":
      return "It goes on as soon as an address is free: widen the pool's cidr, or reserve fewer addresses.";
    case "wait.stalled":
      return `It is not tried again as it is: change the manifest of Set ${set} (another image, other limits).`;
    case "wait.hold":
      return "It goes on when the hold ends; see: setpoint get holds";
    case "wait.budget":
      return "It goes on when somebody confirms the destroys; their hash is in: setpoint status";
    case "wait.frozen":
      return "It goes on when the newest commit is valid and can be read; see: setpoint get revisions";
    case "wait.backoff":
      return "It is tried again by itself, after a longer pause each time.";
    case "wait.rollout":
      return "Its turn comes by itself when the slots before it are healthy.";
    case "wait.brake":
      return "Many hosts are silent at once, which is more likely the network: it goes on when they are heard, or confirmed dead one by one.";
    case "wait.host-unknown":
      return `It goes on when ${name} is heard again, or counts as lost. If that machine is off for good: setpoint host confirm-dead ${name} --why ...`;
    case "wait.engine":
      return `It goes on by itself as soon as Docker on ${name} can be used; what is wrong there tells: setpoint agent check`;
    case "wait.room":
      return `The purge is tried again by itself; what is in the way on ${name} tells: setpoint explain host/${name}`;
    case "wait.surplus":
      return "It is created when the slots that are too many are gone; see: setpoint explain " + set;
    case "wait.former":
    case "wait.lingering":
    case "wait.fence":
    case "wait.failover":
    case "wait.inventory":
      return `If ${name} is off for good, say so and it goes on at once: setpoint host confirm-dead ${name} --why ...`;
    default:
      return null;
  }
}
