import { expect, test } from "vitest";
import { sshTrouble } from "../../reconciler/io/install/ssh-trouble.ts";

const CHANGED = `@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Add correct host key in /home/a/known to get rid of this message.
Offending ED25519 key in /home/a/known:7
  remove with:
  ssh-keygen -f "/home/a/known" -R "[10.0.0.5]:2222"
Host key for [10.0.0.5]:2222 has changed and you have requested strict checking.
Host key verification failed.
`;

test.each([
  [
    "root@h",
    "ssh: connect to host h port 22: Connection refused\n",
    "host-add-unreachable",
    "root@h can't be reached: nothing listens on its ssh port",
    "Start sshd there, or give its port: ssh://USER@HOST:PORT",
  ],
  [
    "h",
    "ssh: Could not resolve hostname h: Name or service not known\n",
    "host-add-unreachable",
    "h can't be reached: the name h is not known",
    "Correct the name, or enter it in DNS, /etc/hosts or ~/.ssh/config.",
  ],
  [
    "h:2222",
    "ssh: connect to host h port 2222: No route to host\n",
    "host-add-unreachable",
    "h:2222 can't be reached: connect to host h port 2222: No route to host",
    "Try it by hand: ssh -p 2222 h",
  ],
  [
    "[fe80::1]:2222",
    "ssh: connect to host fe80::1 port 2222: Connection timed out\n",
    "host-add-unreachable",
    "[fe80::1]:2222 can't be reached: connect to host fe80::1 port 2222: Connection timed out",
    "Try it by hand: ssh -p 2222 fe80::1",
  ],
  ["h", "", "host-add-unreachable", "h can't be reached: the connection failed", "Try it by hand: ssh h"],
  [
    "h",
    "Host key verification failed.\n",
    "host-add-key-unknown",
    "the ssh host key of h is not known here",
    "As the user who runs setpoint, connect once by hand and compare the fingerprint: ssh h",
  ],
  [
    "h",
    "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.\n",
    "host-add-key-unknown",
    "the ssh host key of h is not known here",
    "As the user who runs setpoint, connect once by hand and compare the fingerprint: ssh h",
  ],
  [
    "h",
    CHANGED,
    "host-add-key-changed",
    "the ssh host key of h is another one than in /home/a/known",
    "Ask who runs the host whether it was installed anew; if not, someone is in between. Then: ssh-keygen -f /home/a/known -R '[10.0.0.5]:2222', and connect once by hand",
  ],
  [
    "h",
    "REMOTE HOST IDENTIFICATION HAS CHANGED\nHost key verification failed.",
    "host-add-key-changed",
    "the ssh host key of h is another one than in known_hosts",
    "Ask who runs the host whether it was installed anew; if not, someone is in between. Then: ssh-keygen -R 'h', and connect once by hand",
  ],
  [
    "root@h:2222",
    "Banner\nroot@h: Permission denied (publickey,password).\n",
    "host-add-login",
    "root@h:2222 refuses the login",
    "setpoint asks for no password. As the user who runs setpoint, give it your key: ssh-copy-id -p 2222 root@h",
  ],
])("%s: %j", (host, stderr, code, message, hint) => {
  const { code: shown, message: said, hint: todo } = sshTrouble(host, { kind: "exited", exitCode: 255, stderr });
  expect([shown, said, todo]).toEqual([code, message, hint]);
});

test("a machine without ssh, and an ssh that was killed", () => {
  expect(sshTrouble("h", { kind: "not-found" }).code).toBe("host-add-ssh");
  expect(sshTrouble("h", { kind: "killed", signal: "SIGKILL", stderr: "" }).message).toBe("ssh to h was killed by SIGKILL");
});
