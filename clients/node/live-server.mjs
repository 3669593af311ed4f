// Finds or starts the server that tests talk to: the one that SPEECH_TARGET names; else one of its own, where
// `speech-service` is on the path.
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";

/** { target, adminTarget, stop }; without a target there is no server, and tests that need one are skipped. */
export async function findServer() {
  const { SPEECH_TARGET: target, SPEECH_ADMIN_TARGET: adminTarget } = process.env;
  if (target || spawnSync("speech-service", ["--version"]).status !== 0) {
    return { target, adminTarget, stop: async () => {} };
  }
  const settings = ["server.listen=127.0.0.1:0", "server.admin_listen=127.0.0.1:0", "server.metrics_listen="];
  const args = ["serve", ...settings.flatMap((setting) => ["--set", setting])];
  const server = spawn("speech-service", args, { stdio: ["ignore", "pipe", "ignore"] });
  const exited = new Promise((resolve) => server.once("exit", resolve));
  const stop = async () => {
    server.kill("SIGTERM");
    await exited;
  };
  for await (const line of createInterface(server.stdout)) {
    const found = /^serving grpc=(\d+) admin=(\d+)/.exec(line);
    if (found) return { target: `127.0.0.1:${found[1]}`, adminTarget: `127.0.0.1:${found[2]}`, stop };
  }
  throw new Error("speech-service did not start");
}

/** Skips the test, and gives false, where there is no server. */
export function isThere(target, t) {
  if (!target) t.skip("no server: set SPEECH_TARGET, or put speech-service on the path");
  return Boolean(target);
}
