/**
 * A registry of images to pull from, as much of one as Docker asks for: `node registry.ts PORT`, run on the host that pulls, where Docker takes
 * plain http from 127.0.0.1. It has the images of the tests under its own name.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { builtImages } from "./images.ts";

export const REGISTRY_PORT = 5055;
export const REGISTRY = `127.0.0.1:${REGISTRY_PORT}`;

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG = "application/vnd.docker.container.image.v1+json";
const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";

interface Blob {
  readonly type: string;
  readonly content: Buffer;
}

/** What is served, by path. */
function contents(): ReadonlyMap<string, Blob> {
  const served = new Map<string, Blob>([["/v2/", { type: "application/json", content: Buffer.from("{}") }]]);
  for (const { name, config, layers } of builtImages()) {
    const [repository, tag] = name.slice(name.indexOf("/") + 1).split(":");
    const put = (type: string, content: Buffer): object => {
      const digest = digestOf(content);
      served.set(`/v2/${repository}/blobs/${digest}`, { type: "application/octet-stream", content });
      return { mediaType: type, size: content.length, digest };
    };
    const parts = {
      config: put(CONFIG, Buffer.from(config)),
      layers: layers.map(({ content }) => put(LAYER, gzipSync(content, { level: 1 }))),
    };
    const manifest = { type: MANIFEST, content: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, ...parts })) };
    for (const reference of [tag, digestOf(manifest.content)]) served.set(`/v2/${repository}/manifests/${reference}`, manifest);
  }
  return served;
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function serve(port: number): void {
  const served = contents();
  const server = createServer((request, response) => {
    const found = served.get(request.url ?? "");
    if (found === undefined)
      return void response.writeHead(404, { "content-type": "application/json" }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    const { type, content } = found;
    response.writeHead(200, { "content-type": type, "content-length": content.length, "docker-content-digest": digestOf(content) });
    response.end(request.method === "HEAD" ? undefined : content);
  });
  server.listen(port, "127.0.0.1");
}

if (import.meta.main) serve(Number(process.argv[2]));
