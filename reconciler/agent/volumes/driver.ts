import type { Volume } from "../../core/desired.ts";
import type { ObservedVolume } from "../../core/observation.ts";
import type { VolumeRef, Volumes } from "../ports.ts";

/** To whom a fresh volume belongs. */
export interface VolumeOwner {
  readonly uid: number;
  readonly gid: number;
}

/** One technology of volumes, with its part of the trash. Calls are as those of the port, for what this driver has. */
export interface VolumeDriver extends Omit<Volumes, "mount"> {
  readonly kind: ObservedVolume["kind"];
  /** Makes one volume usable; resolves to the folder that containers see. `owner` null: whoever sees a fresh volume may write. */
  mount(ref: VolumeRef, owner: VolumeOwner | null, signal: AbortSignal): Promise<string>;
}

/** Which driver has the volumes of a kind in the manifests; null: they are made of something else. */
export function driverKind({ kind }: Volume): VolumeDriver["kind"] | null {
  return kind === "lvm" || kind === "dir" ? kind : null;
}
