// SPEECH_WAV names a recording of English speech; without it only silence is sent.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { recognize } from "./recognize.mjs";
import { ResultKind } from "./gen/speech/v1/common_pb.js";
import { findServer, isThere } from "./live-server.mjs";

const RATE = 16_000;
let server;

before(async () => {
  server = await findServer();
});

after(() => server.stop());

const needsServer = (t) => isThere(server.target, t);

function wavOf(samples) {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples * 2, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples * 2, 40);
  return Buffer.concat([header, Buffer.alloc(samples * 2)]);
}

async function collect(wav, options) {
  const events = [];
  for await (const event of recognize(server.target, wav, options)) events.push(event);
  return events;
}

test("silence gives no text, and an orderly session", async (t) => {
  if (!needsServer(t)) return;
  const events = await collect(wavOf(RATE), { realTime: false });
  assert.equal(events.at(0).case, "sessionStarted");
  assert.equal(events.at(-1).case, "sessionEnded");
  assert.equal(Number(events.at(-1).value.usage.audioInMs), 1000);
  assert.ok(events.every((event) => event.case !== "result" || event.value.text === ""));
});

test("speech gives partials, then finals", async (t) => {
  if (!needsServer(t)) return;
  if (!process.env.SPEECH_WAV) return t.skip("no recording: set SPEECH_WAV");
  const events = await collect(await readFile(process.env.SPEECH_WAV), { realTime: true });
  const results = events.filter((event) => event.case === "result").map((event) => event.value);
  const finals = results.filter((result) => result.kind === ResultKind.FINAL);
  assert.ok(results.some((result) => result.kind === ResultKind.PARTIAL));
  assert.ok(finals.map((result) => result.text).join(" ").length > 0);
  assert.equal(new Set(finals.map((result) => result.segmentId)).size, finals.length);
});

test("a wrong option is the server's error", async (t) => {
  if (!needsServer(t)) return;
  await assert.rejects(collect(wavOf(RATE), { language: "xx", realTime: false }), (error) => {
    assert.equal(error.code, 3); // INVALID_ARGUMENT
    assert.match(error.details, /language/);
    return true;
  });
});
