import { type ContainerSecrets, type InstanceRef, type Secrets, type SecretUser, StepError } from "../../../reconciler/agent/ports.ts";
import type { Container, Template } from "../../../reconciler/core/desired.ts";
import { secretNeeds } from "../../../reconciler/core/secrets.ts";

/** Secrets in memory, by `secret/key`. */
export class FakeSecrets implements Secrets {
  readonly values = new Map<string, string>();
  readonly calls: string[] = [];
  kept: readonly InstanceRef[] = [];

  prepare(ref: InstanceRef, template: Template, containers: readonly Container[]): Promise<ReadonlyMap<string, ContainerSecrets>> {
    const ready = new Map<string, ContainerSecrets>();
    for (const container of containers) {
      const { values } = secretNeeds(container, template);
      if (values.length === 0) continue;
      const lacking = values.find(({ secret, key }) => !this.values.has(`${secret}/${key}`));
      if (lacking !== undefined) {
        return Promise.reject(new StepError("secret-missing", `no ${lacking.secret}/${lacking.key}`, { outcome: "refused" }));
      }
      this.calls.push(`prepare ${ref.set}/${ref.index}@${ref.generation} ${container.name}`);
      const read = values.map(({ variable, secret, key }) => [variable, { reveal: () => this.values.get(`${secret}/${key}`)! }] as const);
      ready.set(container.name, { values: new Map(read), folders: [] });
    }
    return Promise.resolve(ready);
  }

  restore(ref: InstanceRef): Promise<void> {
    this.calls.push(`restore ${ref.set}/${ref.index}@${ref.generation}`);
    return Promise.resolve();
  }

  refresh(instances: readonly SecretUser[]): Promise<void> {
    this.calls.push(`refresh ${instances.length}`);
    return Promise.resolve();
  }

  dropOthers(kept: readonly InstanceRef[]): Promise<void> {
    this.kept = kept;
    return Promise.resolve();
  }

  hide(text: string): string {
    return text;
  }
}
