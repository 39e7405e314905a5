import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * The network between the reconciler and one host: a unix socket joined to the agent's own. While it is cut nothing arrives in either
 * direction and nobody is told, as when a cable is pulled; what was sent arrives when it is mended.
 */
export interface Relay {
  cut(): void;
  mend(): void;
  readonly isCut: boolean;
  /** Ends all connections: the host booted and knows nothing of them. */
  reset(): void;
  close(): Promise<void>;
}

/** `target` is asked at every connection: the agent's socket moves when its host boots. */
export async function createRelay(path: string, target: () => string | null): Promise<Relay> {
  rmSync(path, { force: true });
  const state: RelayState = { isCut: false, joins: new Set(), target };
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => openJoin(state, near));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    get isCut() {
      return state.isCut;
    },
    cut() {
      state.isCut = true;
      for (const { near, far } of state.joins) {
        near.pause();
        far?.pause();
      }
    },
    mend() {
      state.isCut = false;
      for (const join of state.joins) resumeJoin(state, join);
    },
    reset() {
      for (const join of state.joins) endJoin(state, join);
    },
    async close() {
      for (const join of state.joins) endJoin(state, join);
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(path, { force: true });
    },
  };
}

interface RelayState {
  isCut: boolean;
  readonly joins: Set<Join>;
  readonly target: () => string | null;
}

/** Two sockets and what happened to them while nobody could be told. */
interface Join {
  readonly near: Socket;
  far: Socket | null;
  isOver: boolean;
}

function openJoin(state: RelayState, near: Socket): void {
  const join: Join = { near, far: null, isOver: false };
  state.joins.add(join);
  near.on("error", () => {});
  near.on("close", () => endJoin(state, join));
  if (!state.isCut) resumeJoin(state, join);
}

/** Goes on where the cut stopped it: the connection that was not made, the end that was not told. */
function resumeJoin(state: RelayState, join: Join): void {
  if (join.isOver) return endJoin(state, join);
  if (join.far === null) {
    const path = state.target();
    if (path === null) return endJoin(state, join);
    const far = connect({ path, allowHalfOpen: true });
    join.far = far;
    far.on("error", () => {});
    far.on("close", () => {
      join.isOver = true;
      if (!state.isCut) join.near.destroySoon();
    });
    joinOneWay(state, join.near, far);
    joinOneWay(state, far, join.near);
  }
  join.near.resume();
  join.far.resume();
}

function joinOneWay(state: RelayState, from: Socket, to: Socket): void {
  from.on("data", (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", () => {
    if (!state.isCut) from.resume();
  });
  from.on("end", () => to.end());
}

function endJoin(state: RelayState, join: Join): void {
  state.joins.delete(join);
  join.near.destroy();
  join.far?.destroy();
}
