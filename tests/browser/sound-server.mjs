// A separate PulseAudio server with one silent microphone. It tells who records, so no browser has to be asked.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Program } from "./processes.mjs";
import { temporaryFolder } from "./temporary.mjs";
import { until } from "./until.mjs";

export class SoundServer {
  #program;

  static async start() {
    const server = new SoundServer();
    const folder = temporaryFolder("sound");
    /** The environment of the server's clients. */
    server.environment = { PULSE_SERVER: `unix:${join(folder, "socket")}`, PULSE_RUNTIME_PATH: folder, PULSE_STATE_PATH: folder };
    const modules = [
      `module-native-protocol-unix socket=${join(folder, "socket")} auth-anonymous=1`,
      "module-null-sink sink_name=speaker",
      "module-null-source source_name=microphone",
    ];
    const flags = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"];
    server.#program = new Program("pulseaudio", ["pulseaudio", ...flags, ...modules.flatMap((module) => ["-L", module])], {
      env: { HOME: folder, PULSE_RUNTIME_PATH: folder, PULSE_STATE_PATH: folder },
    });
    await until("the sound server answers", () => server.recorders() === 0);
    return server;
  }

  /** The number of streams that currently read from the microphone. */
  recorders() {
    const env = { ...process.env, ...this.environment };
    const listed = execFileSync("pactl", ["list", "short", "source-outputs"], { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return listed.split("\n").filter(Boolean).length;
  }

  async stop() {
    await this.#program.kill();
  }
}
