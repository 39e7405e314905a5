import type { ErrorEntry } from "./entry.ts";

export const GIT_ERRORS = {
  "git-not-installed": {
    what: "The program `git` was not found on PATH.",
    fix: "Install git (Debian: `apt install git`) or start Setpoint with a PATH that holds it.",
  },
  "git-url": {
    what: "The repository is neither a path nor a URL that Setpoint fetches from.",
    fix: "Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.",
  },
  "git-branch-name": {
    what: "The branch option holds something that can't be the name of a branch.",
    fix: "Give the short name, as `git branch` prints it, for example `main`.",
  },
  "git-folder-name": {
    what: "The folder option leaves the repository, is hidden (a name starts with a dot) or is not a plain relative path.",
    fix: "Give the folder relative to the top of the repository, for example `fleet/production`; leave it empty for the top.",
  },
  "git-path-missing": {
    what: "The repository's path does not exist, or is a file.",
    fix: "Mend the path, or mount the disk it is on. Setpoint keeps what runs and looks again by itself.",
  },
  "git-not-a-repository": {
    what: "The path exists but is not the top of a git repository.",
    fix: "Run `git init` there, or give the top of the repository and name the folder in it with the folder option.",
  },
  "git-ownership": {
    what: "Git refuses the repository because another user owns it (its safe.directory rule).",
    fix: "As the user that runs Setpoint: `git config --global --add safe.directory PATH`, or give the repository to that user.",
  },
  "git-permission": {
    what: "The user that runs Setpoint may not read the repository.",
    fix: "Give it read permission on the repository and everything in it.",
  },
  "git-empty": {
    what: "The repository has no commits yet.",
    fix: "Commit the first manifests (and push them). Setpoint looks again by itself.",
  },
  "git-branch-missing": {
    what: "The repository has no branch of that name.",
    fix: "Give one of the branches the message lists, or create the branch.",
  },
  "git-branch-deleted": {
    what: "The branch was read before and is gone now. What was read last keeps running; nothing is created or removed.",
    fix: "Push the branch again, or start Setpoint with another branch.",
  },
  "git-commit-missing": {
    what: "A commit that was accepted before is not in the repository any more; a rewritten branch leaves such commits to git's clean-up.",
    fix: "Mend the head of the branch, or push a branch or tag that holds the old commit.",
  },
  "git-folder-missing": {
    what: "The commit has no such folder. An absent folder is never read as `remove everything`.",
    fix: "Bring the folder back with a new commit, or start Setpoint with another folder.",
  },
  "git-corrupt": {
    what: "An object or a ref of the repository is missing or damaged.",
    fix: "Run `git fsck --full` in it; fetch what is missing from a good clone (`git fetch --refetch`) or clone it anew.",
  },
  "git-too-large": {
    what: "The manifests' folder has more files or more bytes of YAML than Setpoint reads. Other folders do not count.",
    fix: "Give the folder that holds only manifests, or split the fleet over several repositories.",
  },
  "git-submodule": {
    what: "A submodule lies inside the manifests' folder. Its content belongs to another repository and is not read.",
    fix: "Copy the manifests into this repository, or move the submodule out of the folder.",
  },
  "git-remote-missing": {
    what: "The remote answered that there is no such repository, or that it is hidden from this user.",
    fix: "Check the URL with `git ls-remote URL`; a private repository also looks like this without the right to read it.",
  },
  "git-unreachable": {
    what: "The remote could not be reached: name, network, port or a connection that broke.",
    fix: "Check with `git ls-remote URL` as the user that runs Setpoint. It tries again by itself.",
  },
  "git-tls": {
    what: "The remote's TLS certificate was not accepted.",
    fix: "Install its CA on this machine, or set SSL_CERT_FILE or `git config --global http.sslCAInfo`.",
  },
  "git-auth": {
    what: "The remote wants credentials, or refused those it got. Setpoint never asks for any at a prompt.",
    fix: "Give the user that runs Setpoint a deploy key (ssh) or a credential helper (https) with the right to read.",
  },
  "git-host-key": {
    what: "The ssh host key of the remote is unknown, or differs from the one in known_hosts.",
    fix: "Compare the key with one you got from the server's owner, then add it: `ssh-keyscan HOST >> ~/.ssh/known_hosts`.",
  },
  "git-timeout": {
    what: "Git did not finish within its deadline and was stopped.",
    fix: "Check the network to the remote, or raise the fetch deadline. It tries again by itself.",
  },
  "git-refused": {
    what: "The remote was reached and refused to serve the repository.",
    fix: "Read the remote's words in the message; its administrator can mend it.",
  },
  "git-disk-full": {
    what: "The disk with the state folder is full, so nothing can be fetched.",
    fix: "Free space on it. Setpoint tries again by itself.",
  },
  "git-state-folder": {
    what: "The copy of the remote under the state folder can't be written.",
    fix: "Give the user that runs Setpoint write permission on the state folder, or give another one.",
  },
  "git-locked": {
    what: "Another process holds a lock on the copy of the remote under the state folder.",
    fix: "Wait for the other process. A lock left by a crash is removed by itself when it is older than two fetch deadlines.",
  },
  "git-failed": {
    what: "Git failed in a way Setpoint has no name for; the message holds git's own words.",
    fix: "Run the same git command by hand as the user that runs Setpoint.",
  },
} as const satisfies Record<string, ErrorEntry>;
