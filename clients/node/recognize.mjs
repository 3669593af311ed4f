// Streams a WAV file as it is spoken; prints partials and finals.   node recognize.mjs FILE.wav [HOST:PORT]
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { create } from "@bufbuild/protobuf";
import { connect, send } from "./client.mjs";
import { Pacing, ResultKind } from "./gen/speech/v1/common_pb.js";
import { RecognitionService, StreamingRecognizeRequestSchema } from "./gen/speech/v1/recognition_service_pb.js";

const CHUNK_S = 0.1;

const request = (name, value) =>
  create(StreamingRecognizeRequestSchema, { payload: { case: name, value } });

/** Sends config, the file in pieces, and the end of the audio. */
async function sendAudio(call, wav, { language, realTime }) {
  await send(
    call,
    request("config", {
      audio: { format: { case: "autoDetect", value: {} } },
      language: language ? { codes: [language] } : undefined,
      pacing: realTime ? Pacing.REALTIME : Pacing.FILE,
    }),
  );
  const bytesPerSecond = wav.readUInt32LE(28); // Of every WAV header whose first chunk is "fmt ".
  const chunkBytes = Math.max(1, Math.round(bytesPerSecond * CHUNK_S));
  const start = performance.now();
  for (let at = 0; at < wav.length; at += chunkBytes) {
    const data = wav.subarray(at, at + chunkBytes);
    if (realTime) {
      const due = start + ((at + data.length) / bytesPerSecond) * 1000;
      await sleep(Math.max(0, due - performance.now()));
    }
    await send(call, request("audio", { data }));
  }
  await send(call, request("endOfAudio", {})); // A bare half-close could be a proxy giving up.
  call.end();
}

/**
 * Recognizes a WAV file; gives the server's events as they come ({ case, value }), and throws grpc-js's ServiceError.
 * Leaving the loop early cancels the call.
 */
export async function* recognize(target, wav, { language = "en", realTime = true } = {}) {
  if (wav.length < 44 || wav.toString("latin1", 0, 4) !== "RIFF") throw new Error("not a WAV file");
  const client = connect(RecognitionService, target);
  const call = client.streamingRecognize();
  // A failed send is not reported here: the call ends with the server's own error, which the loop below throws.
  const sending = sendAudio(call, wav, { language, realTime }).catch(() => {});
  let ended = false;
  try {
    for await (const { event } of call) {
      ended = event.case === "sessionEnded";
      yield event;
    }
    await sending;
    if (!ended) throw new Error("the stream closed early, without session_ended");
  } finally {
    call.cancel();
    client.close();
  }
}

async function main([file, target = "localhost:50051"]) {
  if (!file) throw new Error("usage: node recognize.mjs FILE.wav [HOST:PORT]");
  const time = (ms) => `[${(ms / 1000).toFixed(1).padStart(6)} s]`;
  for await (const { case: kind, value } of recognize(target, await readFile(file))) {
    if (kind === "result" && value.text) {
      const final = value.kind === ResultKind.FINAL;
      console.log(`${time(value.startMs)} ${final ? "final  " : "partial"} ${value.text}`);
    } else if (kind === "sessionEnded") {
      console.log(`${time(Number(value.usage.audioInMs))} done`);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`recognize: ${error.details || error.message}`);
    process.exitCode = 1;
  });
}
