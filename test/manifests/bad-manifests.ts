/** A valid Set with one line or value replaced: `[part of the text, what stands there instead]`. */
const SET = `apiVersion: setpoint/v1
kind: Set
metadata:
  name: web
spec:
  pool: main
  replicas: 3
  template:
    containers:
      - name: web
        image: shop/web:1.4
        env: {MODE: fast}
        resources:
          cpu: {request: 500m}
          memory: {request: 512Mi}
        ports:
          - {name: http, port: 80}
        health:
          http: {port: 80}
    volumes:
      - name: data
        lvm: {size: 1Gi}
`;

const POOL = `apiVersion: setpoint/v1
kind: HostPool
metadata: {name: main}
spec:
  network: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}
  watermark: 80%
  hosts:
    - name: a-[01-10]
      zone: a
      capacity: {cpu: 8, memory: 32Gi}
`;

const POLICY = `apiVersion: setpoint/v1
kind: Policy
metadata: {name: evening}
spec:
  sets: [web]
  scaling:
    schedules:
      - name: evening
        timezone: Asia/Shanghai
        start: "18:00"
        duration: 3h
        floor: 5
`;

export const VALID_MANIFESTS = { SET, POOL, POLICY } as const;

function changed(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`${JSON.stringify(from)} must stand exactly once in the manifest`);
  return text.replace(from, () => to);
}

const inSet = (from: string, to: string): string => changed(SET, from, to);
const inPool = (from: string, to: string): string => changed(POOL, from, to);
const inPolicy = (from: string, to: string): string => changed(POLICY, from, to);

/** Mistakes people make, by title. Their whole messages stand in bad-manifests.messages.txt. */
export const BAD_MANIFESTS: Readonly<Record<string, string>> = {
  // YAML
  "tab as indentation": inSet("  pool: main", "\tpool: main"),
  "duplicate key": inSet("  replicas: 3", "  replicas: 3\n  pool: other"),
  "two objects without a separator": SET + POLICY,
  "wrong indentation": inSet("  replicas: 3", " replicas: 3"),
  "missing colon": inSet("  pool: main", "  pool main"),
  "missing space after the colon": inSet("pool: main", "pool:main"),
  "colon in an unquoted text": inSet("image: shop/web:1.4", "image: shop/web: 1.4"),
  "unclosed double quote": inSet("pool: main", 'pool: "main'),
  "unclosed single quote": inSet("pool: main", "pool: 'main"),
  "unclosed bracket": inPolicy("sets: [web]", "sets: [web"),
  "unclosed brace": inSet("{MODE: fast}", "{MODE: fast"),
  "text after a closed value": inSet("pool: main", 'pool: "main" pool'),
  "bad escape": inSet("{MODE: fast}", '{MODE: "C:\\dir"}'),
  "unquoted at sign": inSet("pool: main", "pool: @main"),
  "unquoted percent sign": inSet("pool: main", "pool: %main"),
  "template braces": inSet("pool: main", "pool: {{ pool }}"),
  "unknown tag": inSet("pool: main", "pool: !vault main"),
  "merge key": inSet("{MODE: fast}", "{<<: {A: b}, MODE: fast}"),
  "YAML 1.1 directive": `%YAML 1.1\n---\n${SET}`,
  "unknown alias": inSet("pool: main", "pool: *main"),
  "alias of itself": inSet("{MODE: fast}", "&env {MODE: *env}"),
  "alias bomb": `a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n`,
  "too many aliases": `a: &a x\nb: [${Array.from({ length: 101 }, () => "*a").join(", ")}]\n`,
  "too deeply nested": "[".repeat(70),
  "key with a meaning elsewhere": inSet("{MODE: fast}", "{__proto__: x}"),
  // The document as a whole
  "nothing but comments": "# soon\n---\n# here\n",
  "a list": "- a\n- b\n",
  "a single text": "hello\n",
  "no kind": inSet("kind: Set\n", ""),
  "misspelt kind": inSet("kind: Set", "kind: Sets"),
  "kind in lower case": inPool("kind: HostPool", "kind: hostpool"),
  "kind of Kubernetes": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
  "kind from nowhere": inSet("kind: Set", "kind: Playbook"),
  "kind that is no text": inSet("kind: Set", "kind: [Set]"),
  "wrong apiVersion": inSet("setpoint/v1", "setpoint/v2"),
  "no apiVersion": inSet("apiVersion: setpoint/v1\n", ""),
  "no metadata": inPool("metadata: {name: main}\n", ""),
  "second of two documents is wrong": `${POLICY}---\n${inSet("pool: main", "pool: Main")}`,
  // Fields
  "misspelt field": inSet("  replicas: 3", "  replica: 3"),
  "field in another spelling": inSet("health:", "Health:"),
  "field of Compose": inSet("env: {MODE: fast}", "environment: {MODE: fast}"),
  "field of Kubernetes": inSet("{name: http, port: 80}", "{name: http, containerPort: 80}"),
  "field in the wrong map": inSet("  name: web\nspec:", "  name: web\n  replicas: 3\nspec:"),
  "field not built yet": inSet("  replicas: 3", "  replicas: 3\n  dependsOn: [db]"),
  "missing required field": inSet("        image: shop/web:1.4\n", ""),
  "missing resources": inSet("          memory: {request: 512Mi}\n", ""),
  "missing spec": "apiVersion: setpoint/v1\nkind: Set\nmetadata: {name: web}\n",
  "pool and pools": inSet("  pool: main", "  pool: main\n  pools: [other]"),
  "neither pool nor pools": inSet("  pool: main\n", ""),
  "replicas and scaling": inSet("  replicas: 3", "  replicas: 3\n  scaling: {min: 1, max: 3}"),
  "neither replicas nor scaling": inSet("  replicas: 3\n", ""),
  "two kinds of volume": inSet("        lvm: {size: 1Gi}", "        lvm: {size: 1Gi}\n        tmpfs: {size: 1Gi}"),
  "no kind of volume": inSet("        lvm: {size: 1Gi}\n", ""),
  "health without a probe": inSet("http: {port: 80}", "interval: 5s"),
  "sets and selector": inPolicy("  sets: [web]", "  sets: [web]\n  selector: {labels: {a: b}}"),
  "policy without a rule": "apiVersion: setpoint/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  sets: [web]\n",
  "policy with two rules": inPolicy("  scaling:", "  config: {labels: {a: b}}\n  scaling:"),
  "schedule without floor or ceiling": inPolicy("        floor: 5\n", ""),
  // Types
  "number in quotes": inSet("replicas: 3", 'replicas: "3"'),
  fraction: inSet("replicas: 3", "replicas: 2.5"),
  "number for a text": inSet("{MODE: fast}", "{PORT: 8080}"),
  "version read as a number": inSet("image: shop/web:1.4", "image: 1.10"),
  "boolean for a text": inSet("{MODE: fast}", "{DEBUG: true}"),
  "empty value": inSet("replicas: 3", "replicas:"),
  "text for a list": inPolicy("sets: [web]", "sets: web"),
  "map for a list": inSet("          - {name: http, port: 80}", "          http: 80"),
  "list for a map": inSet("{MODE: fast}", "[MODE=fast]"),
  "text for a map": inSet("cpu: {request: 500m}", "cpu: 500m"),
  "yes for a boolean": inSet("        ports:", "        mounts: [{volume: data, path: /d, readOnly: yes}]\n        ports:"),
  "not a number": inSet("replicas: 3", "replicas: .nan"),
  "secret without its key": inSet("{MODE: fast}", "{PASSWORD: {secret: db}}"),
  "secret of Kubernetes": inSet("{MODE: fast}", "{PASSWORD: {secretKeyRef: {name: db, key: password}}}"),
  "secret's path for its name": inSet("{MODE: fast}", "{PASSWORD: {secret: ../db, key: password}}"),
  "secret in another form": inSet("{MODE: fast}", "{PASSWORD: {secret: db, key: password, as: path}}"),
  "secret volume without a name": inSet("        lvm: {size: 1Gi}", "        secret: db"),
  "misspelt kind of volume": inSet("        lvm: {size: 1Gi}", "        dirr: {softLimit: 1Gi}"),
  "volume of Kubernetes": inSet("        lvm: {size: 1Gi}", "        hostPath: {path: /srv}"),
  "dir with a hard size": inSet("        lvm: {size: 1Gi}", "        dir: {size: 1Gi}"),
  "docker volume without a driver": inSet("        lvm: {size: 1Gi}", "        docker: {options: {type: nfs}}"),
  "docker volume with the driver's path": inSet("        lvm: {size: 1Gi}", "        docker: {driver: /usr/bin/nfs}"),
  "docker volume with Compose's word": inSet("        lvm: {size: 1Gi}", "        docker: {driver: local, driver_opts: {type: nfs}}"),
  "option of a docker volume that is a list": inSet("        lvm: {size: 1Gi}", "        docker: {driver: local, options: {o: [rw]}}"),
  "option of a docker volume with a blank": inSet("        lvm: {size: 1Gi}", '        docker: {driver: local, options: {"a b": x}}'),
  "config volume without files": inSet("        lvm: {size: 1Gi}", "        config: {files: {}}"),
  "config file in a folder": inSet("        lvm: {size: 1Gi}", "        config: {files: {conf.d/web.conf: x}}"),
  "config file that climbs": inSet("        lvm: {size: 1Gi}", "        config: {files: {..: x}}"),
  "config file that is a map": inSet("        lvm: {size: 1Gi}", "        config: {files: {web.json: {a: 1}}}"),
  "config file that is too large": inSet("        lvm: {size: 1Gi}", `        config: {files: {web.conf: ${"x".repeat(65_537)}}}`),
  "storage folder that is relative": inPool("  watermark: 80%", "  storage: {folder: srv/volumes}"),
  "volume group with a slash": inPool("  watermark: 80%", "  storage: {volumeGroup: /dev/vg0}"),
  "reclaim from nowhere": inPool("  watermark: 80%", "  storage: {trash: {reclaim: when-fool}}"),
  // Values
  "name with a capital": inSet("  name: web\nspec", "  name: Web\nspec"),
  "name too long": inSet("  name: web\nspec", `  name: ${"w".repeat(51)}\nspec`),
  "negative count": inSet("replicas: 3", "replicas: -1"),
  "huge count": inSet("replicas: 3", "replicas: 99999999999999999999"),
  "port out of range": inSet("{name: http, port: 80}", "{name: http, port: 80800}"),
  "misspelt choice": inSet("  replicas: 3", "  replicas: 3\n  failover: after-fense"),
  "choice from nowhere": inSet("  replicas: 3", "  replicas: 3\n  priority: urgent"),
  "size in words": inSet("512Mi", "512 MB"),
  "size with the wrong unit": inSet("512Mi", "512mb"),
  "size that is no whole number of bytes": inSet("512Mi", "0.0001k"),
  "cpu in words": inSet("500m", "half"),
  "cpu too fine": inSet("500m", "0.0005"),
  "negative cpu": inSet("500m", "-1"),
  "list for a quantity": inSet("500m", "[1]"),
  "rate without bits": inSet("    volumes:", "    network: {egress: 100MB}\n    volumes:"),
  "rate as a number": inSet("    volumes:", "    network: {egress: 1000}\n    volumes:"),
  "duration in words": inPolicy("duration: 3h", "duration: 3 hours"),
  "duration without a unit": inPolicy("duration: 3h", "duration: 180"),
  "duration in the wrong order": inPolicy("duration: 3h", "duration: 30m1h"),
  "percentage without the sign": inPool("watermark: 80%", "watermark: 80"),
  "percentage above 100": inPool("watermark: 80%", "watermark: 120%"),
  "time of day": inPolicy('"18:00"', '"25:00"'),
  "time zone": inPolicy("Asia/Shanghai", "Asia/Beijing"),
  "day of the week": inPolicy("        floor: 5", "        days: [monday]\n        floor: 5"),
  "same day twice": inPolicy("        floor: 5", "        days: [mon, tue, mon]\n        floor: 5"),
  "network without a prefix": inPool("10.0.0.0/24", "10.0.0.0"),
  "address out of range": inPool("gateway: 10.0.0.1", "gateway: 10.0.0.256"),
  "host name with two ranges": inPool("a-[01-10]", "a-[01-10]-[1-2]"),
  "agent that is no text": inPool("      zone: a", "      zone: a\n      agent: {ssh: a-01}"),
  "network driver misspelt": inPool("gateway: 10.0.0.1}", "gateway: 10.0.0.1, driver: brigde}"),
  "bridge name too long": inPool("gateway: 10.0.0.1}", "gateway: 10.0.0.1, bridge: setpoint-production}"),
  "overlay without an id": inPool("gateway: 10.0.0.1}", "gateway: 10.0.0.1, overlay: {vxlan: true}}"),
  "overlay that is off": inPool("gateway: 10.0.0.1}", "gateway: 10.0.0.1, overlay: {vxlan: false, vni: 1}}"),
  "list of CPUs in words": inPool("  watermark: 80%", "  cpu: {isolation: {ovs: 0 to 3}}"),
  "CPU as a number": inPool("  watermark: 80%", "  cpu: {isolation: {ovs: 0}}"),
  "limits misspelt": inPool("  watermark: 80%", "  limits: best-efort"),
  "address of a host by name": inPool("      zone: a", "      zone: a\n      address: a-01"),
  "no hosts": inPool("\n    - name: a-[01-10]\n      zone: a\n      capacity: {cpu: 8, memory: 32Gi}", " []"),
  "no containers":
    "apiVersion: setpoint/v1\nkind: Set\nmetadata: {name: web}\nspec: {pool: main, replicas: 1, template: {containers: []}}\n",
  "empty selector": inPolicy("  sets: [web]", "  selector: {labels: {}}"),
  "empty placement": "apiVersion: setpoint/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  sets: [web]\n  placement: {}\n",
  "environment variable's name": inSet("{MODE: fast}", "{log-level: info}"),
  "label's name": inPool("{name: main}", '{name: main, labels: {"a b": c}}'),
  "relative mount path": inSet("        ports:", "        mounts: [{volume: data, path: data}]\n        ports:"),
  "maxUnavailable of nothing": inSet("  replicas: 3", "  replicas: 3\n  rollout: {maxUnavailable: 0}"),
  "image with a space": inSet("shop/web:1.4", "shop/web 1.4"),
  // Options of containers
  "capability with its prefix": inSet("        ports:", "        capabilities: {add: [CAP_NET_ADMIN]}\n        ports:"),
  "capability in lower case": inSet("        ports:", "        capabilities: {drop: [net_raw]}\n        ports:"),
  "capability from nowhere": inSet("        ports:", "        capabilities: {add: [NETWORKING]}\n        ports:"),
  "capability twice": inSet("        ports:", "        capabilities: {add: [CHOWN, KILL, CHOWN]}\n        ports:"),
  "capabilities as a list": inSet("        ports:", "        capabilities: [CHOWN]\n        ports:"),
  "ulimit misspelt": inSet("        ports:", "        ulimits: {nofiles: 1024}\n        ports:"),
  "ulimit of Docker's command line": inSet("        ports:", '        ulimits: {nofile: "1024:2048"}\n        ports:'),
  "ulimit as minus one": inSet("        ports:", "        ulimits: {memlock: -1}\n        ports:"),
  "ulimit with soft alone": inSet("        ports:", "        ulimits: {nofile: {soft: 1024}}\n        ports:"),
  "sysctl with slashes": inSet("    volumes:", "    sysctls: {net/core/somaxconn: 4096}\n    volumes:"),
  "sysctl that is a list": inSet("    volumes:", "    sysctls: {net.ipv4.ip_local_port_range: [1024, 65000]}\n    volumes:"),
  "runtime as a map": inSet("    volumes:", "    runtime: {name: runsc}\n    volumes:"),
  "runtime for one container": inSet("        ports:", "        runtime: runsc\n        ports:"),
  "init as a command": inSet("        ports:", "        init: /sbin/tini\n        ports:"),
  "log options of Docker": inSet("        ports:", "        log: {max-size: 10m}\n        ports:"),
  "more log files than allowed": inSet("        ports:", "        log: {maxFiles: 1000}\n        ports:"),
  "read-only root by Compose's name": inSet("        ports:", "        read_only: true\n        ports:"),
  // Many at once, and hostile ones
  "several mistakes": inSet("replicas: 3", "replicas: -3\n  priorty: core")
    .replace("512Mi", "512MiB")
    .replace("port: 80}\n    ", "port: 0}\n    "),
  "terminal escape in a name": inSet("pool: main", "pool: main # \u001b[31mred\n  color\u001b[0m: x"),
  "very long line": inSet("{MODE: fast}", `{A: ${"x".repeat(150)}, PORT: 80, B: ${"y".repeat(150)}}`),
  "Windows line ends": inSet("pool: main", "pool: Main").replaceAll("\n", "\r\n"),
  "byte order mark": `\ufeff${inSet("pool: main", "pool: Main")}`,
};
