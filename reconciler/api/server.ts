import { chmodSync } from "node:fs";
import Fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import { UserError } from "../core/errors/user-error.ts";
import { trashKey } from "../core/ids.ts";
import { explain } from "../plan/explain.ts";
import { confirmEvent, holdEvent, hostEvent, HOST_VERBS, releaseEvent, type HoldRequest, type HostRequest } from "./operator.ts";
import { objectRows, statusReport } from "./report.ts";
import { clearSocketPath } from "./socket.ts";
import type { ControlTarget, SimFault } from "./target.ts";
import { findTask, RECENT_TASKS, taskRows, taskTrace } from "./tasks.ts";
import { cancelEvent, purgeEvent, restoreEvent, trashRows, type RestoreRequest } from "./trash.ts";
import { OBJECT_KINDS, type ErrorReply, type ObjectKind } from "./types.ts";

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Answers the other verbs on a unix socket only its user may open. Unexpected trouble is handed to `onTrouble` and
 * answered with code `internal`; nothing a client sends can end the daemon.
 */
export async function startControlServer(path: string, target: ControlTarget, onTrouble: (error: unknown) => void): Promise<ControlServer> {
  await clearSocketPath(path);
  const server = Fastify({
    logger: false,
    bodyLimit: 1024 * 1024,
    forceCloseConnections: true,
    // The defaults turn "2" into 2 and drop what they do not know.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  server.setErrorHandler((error, _request, reply) => replyError(reply, error, onTrouble));
  server.setNotFoundHandler((request, reply) =>
    replyError(
      reply,
      new UserError(
        "daemon-answer",
        `the daemon does not know ${request.url}`,
        "Use the same version of setpoint for the daemon and the other verbs.",
      ),
      onTrouble,
    ),
  );
  addReads(server, target);
  addWrites(server, target);
  addEvents(server, target);
  await server.listen({ path });
  chmodSync(path, 0o600);
  return { close: () => server.close() };
}

function replyError(reply: FastifyReply, error: unknown, onTrouble: (error: unknown) => void): FastifyReply {
  if (error instanceof UserError)
    return reply.code(422).send({ code: error.code, message: error.message, hint: error.hint } satisfies ErrorReply);
  const { statusCode = 500, message } = error as { statusCode?: number; message: string };
  if (statusCode < 500) return reply.code(statusCode).send({ code: "usage", message, hint: "" } satisfies ErrorReply);
  onTrouble(error);
  return reply.code(500).send({
    code: "internal",
    message: `the daemon met something it does not know: ${message}`,
    hint: "Its log has the details.",
  } satisfies ErrorReply);
}

function addReads(server: FastifyInstance, target: ControlTarget): void {
  const recent = () => target.journal.recentTasks(RECENT_TASKS);
  server.get("/v1/status", () => statusReport(target.picture(), target.fleet, recent()));
  server.get<{ Params: { kind: ObjectKind }; Querystring: { name?: string } }>(
    "/v1/get/:kind",
    { schema: { params: { type: "object", properties: { kind: { enum: OBJECT_KINDS } } } } },
    ({ params, query }) => objectRows(params.kind, query.name ?? null, target.picture(), recent()),
  );
  server.get<{ Querystring: { subject: string } }>(
    "/v1/explain",
    { schema: { querystring: { type: "object", required: ["subject"], properties: { subject: { type: "string" } } } } },
    ({ query }) => {
      const { input, plan } = target.picture();
      return { subject: query.subject, lines: explain(input, plan, query.subject) };
    },
  );
  server.get("/v1/trace", () => taskRows(recent()));
  server.get<{ Params: { task: string } }>("/v1/trace/:task", ({ params }) =>
    taskTrace(target.journal.eventsOfTask(findTask(params.task, recent()))),
  );
  server.post<{ Body: { dir: string } }>("/v1/plan", { schema: { body: bodySchema({ dir: TEXT }) } }, async ({ body }) => {
    const found = await target.planFolder(body.dir, AbortSignal.timeout(60_000));
    return found.kind === "plan" ? { kind: "plan", plan: { ...found.plan, intents: [] } } : found;
  });
}

const TEXT = { type: "string", minLength: 1, maxLength: 4096 } as const;
const ANY_TEXT = { type: "string", maxLength: 4096 } as const;

function bodySchema(properties: Readonly<Record<string, object>>): object {
  return { type: "object", required: Object.keys(properties), additionalProperties: false, properties };
}

function addWrites(server: FastifyInstance, target: ControlTarget): void {
  const duration = { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }] };
  server.post<{ Body: HoldRequest }>(
    "/v1/hold",
    { schema: { body: bodySchema({ target: TEXT, who: TEXT, why: TEXT, forMs: duration }) } },
    ({ body }) => {
      target.record(holdEvent(target.picture(), body));
      return { ok: true };
    },
  );
  server.post<{ Body: { target: string; who: string } }>(
    "/v1/release",
    { schema: { body: bodySchema({ target: TEXT, who: TEXT }) } },
    ({ body }) => {
      target.record(releaseEvent(target.picture(), body));
      return { ok: true };
    },
  );
  server.post<{ Body: { hash: string; who: string } }>(
    "/v1/confirm",
    { schema: { body: bodySchema({ hash: TEXT, who: TEXT }) } },
    ({ body }) => {
      target.record(confirmEvent(target.picture(), body));
      return { ok: true };
    },
  );
  server.post<{ Body: HostRequest }>(
    "/v1/host",
    { schema: { body: bodySchema({ host: TEXT, verb: { enum: HOST_VERBS }, who: TEXT, why: ANY_TEXT }) } },
    ({ body }) => {
      target.record(hostEvent(target.picture(), body));
      return { ok: true };
    },
  );
  addTrashWrites(server, target);
  server.post<{ Body: { host: string; fault: SimFault } }>(
    "/v1/sim",
    { schema: { body: bodySchema({ host: TEXT, fault: { enum: ["off", "on", "hang", "cut"] } }) } },
    ({ body }) => {
      if (target.simulate === null)
        throw new UserError(
          "not-simulated",
          `host ${body.host} is a real machine`,
          "Faults can be put only on simulated hosts (agent: sim).",
        );
      target.simulate(body.host, body.fault);
      return { ok: true };
    },
  );
  server.post("/v1/nudge", () => {
    target.nudge();
    return { ok: true };
  });
}

function addTrashWrites(server: FastifyInstance, target: ControlTarget): void {
  const place = { anyOf: [TEXT, { type: "null" }] };
  server.post<{ Body: RestoreRequest }>(
    "/v1/trash/restore",
    { schema: { body: bodySchema({ id: TEXT, to: place, replace: { type: "boolean" }, who: TEXT, why: ANY_TEXT }) } },
    ({ body }) => {
      const event = restoreEvent(target.picture(), body);
      target.record(event);
      const key = trashKey(event.restore.host, event.restore.trashId);
      return trashRows(target.picture()).find(({ id }) => id === key);
    },
  );
  const entry = { schema: { body: bodySchema({ id: TEXT, who: TEXT, why: ANY_TEXT }) } };
  server.post<{ Body: { id: string; who: string; why: string } }>("/v1/trash/cancel", entry, ({ body }) => {
    const event = cancelEvent(target.picture(), body);
    target.record(event);
    return { id: trashKey(event.host, event.trashId) };
  });
  server.post<{ Body: { id: string; who: string; why: string } }>("/v1/trash/purge", entry, ({ body }) => {
    const event = purgeEvent(target.picture(), body);
    target.record(event);
    return { id: trashKey(event.purge.host, event.purge.trashId) };
  });
}

/** A reader slower than this is cut off, so that it can't fill the daemon's memory. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** NDJSON: one LiveEvent per line, for as long as the client listens. */
function addEvents(server: FastifyInstance, target: ControlTarget): void {
  server.get("/v1/events", (_request, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { "content-type": "application/x-ndjson" });
    raw.flushHeaders();
    const stop = target.subscribe((event) => {
      raw.write(`${JSON.stringify(event)}\n`);
      if (raw.writableLength > MOST_UNREAD_BYTES) raw.destroy();
    });
    raw.on("close", stop);
  });
}
