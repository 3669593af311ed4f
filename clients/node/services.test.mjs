// One call, or more, of every service of the contract.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ask, connect, definitionOf, detailsOf, send } from "./client.mjs";
import * as admin from "./gen/speech/admin/v1/model_admin_service_pb.js";
import * as alignment from "./gen/speech/v1/alignment_service_pb.js";
import * as models from "./gen/speech/v1/model_service_pb.js";
import * as recognition from "./gen/speech/v1/recognition_service_pb.js";
import * as synthesis from "./gen/speech/v1/synthesis_service_pb.js";
import * as translation from "./gen/speech/v1/translation_service_pb.js";
import * as voices from "./gen/speech/v1/voice_service_pb.js";
import { findServer, isThere } from "./live-server.mjs";

const RATE = 16_000;
const AUDIO = { format: { case: "raw", value: { encoding: 1, sampleRateHz: RATE } } };
const SILENCE = new Uint8Array(RATE * 2);
let server;

before(async () => {
  server = await findServer();
});

after(() => server.stop());

/** Runs `use(client)` with a client of the service; closes it. */
async function using(service, use, target = server.target) {
  const client = connect(service, target);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function eventsOf(call) {
  const kinds = [];
  for await (const { event } of call) kinds.push(event.case);
  return kinds;
}

test("every service of the contract is there", () => {
  const names = [recognition, synthesis, alignment, translation, models, voices, admin]
    .flatMap((module) => Object.values(module))
    .filter((each) => each?.kind === "service")
    .map((service) => [service.typeName, Object.keys(definitionOf(service)).length]);
  assert.deepEqual(Object.fromEntries(names), {
    "speech.v1.RecognitionService": 2,
    "speech.v1.SynthesisService": 3,
    "speech.v1.AlignmentService": 2,
    "speech.v1.TranslationService": 3,
    "speech.v1.ModelService": 2,
    "speech.v1.VoiceService": 4,
    "speech.admin.v1.ModelAdminService": 7,
  });
});

test("Recognize", async (t) => {
  if (!isThere(server.target, t)) return;
  const request = create(recognition.RecognizeRequestSchema, { config: { audio: AUDIO }, audio: SILENCE });
  const reply = await using(recognition.RecognitionService, (client) => ask(client, "recognize", request));
  assert.equal(reply.usage.audioInMs, 1000n); // 64-bit fields are BigInt
});

test("Synthesize, SynthesizeChunked and StreamingSynthesize", async (t) => {
  if (!isThere(server.target, t)) return;
  await using(synthesis.SynthesisService, async (client) => {
    const text = "One two.";
    const reply = await ask(client, "synthesize", create(synthesis.SynthesizeRequestSchema, { text }));
    assert.ok(reply.audio.length > 0 && reply.durationMs > 0);
    const chunked = client.synthesizeChunked(create(synthesis.SynthesizeChunkedRequestSchema, { text }));
    assert.ok((await eventsOf(chunked)).includes("audio"));
    const call = client.streamingSynthesize();
    const say = (name, value) =>
      send(call, create(synthesis.StreamingSynthesizeRequestSchema, { payload: { case: name, value } }));
    await say("config", {});
    await say("text", { text });
    await say("endOfText", {});
    call.end();
    const kinds = await eventsOf(call);
    assert.equal(kinds.at(0), "sessionStarted");
    assert.ok(kinds.includes("audio"));
    assert.equal(kinds.at(-1), "sessionEnded");
  });
});

test("Align", async (t) => {
  if (!isThere(server.target, t)) return;
  const request = create(alignment.AlignRequestSchema, {
    config: { audio: AUDIO, language: "en" },
    text: "one two",
    audio: SILENCE,
  });
  const reply = await using(alignment.AlignmentService, (client) => ask(client, "align", request));
  assert.equal(reply.usage.audioInMs, 1000n);
});

test("TranslateText", async (t) => {
  if (!isThere(server.target, t)) return;
  const request = create(translation.TranslateTextRequestSchema, {
    config: { sourceLanguage: "en", targetLanguages: ["pt"] },
    content: { case: "text", value: "Hello." },
  });
  const reply = await using(translation.TranslationService, (client) => ask(client, "translateText", request));
  assert.ok(reply.usage.charactersOut > 0n);
});

test("ListModels, GetModel, and what an error says", async (t) => {
  if (!isThere(server.target, t)) return;
  await using(models.ModelService, async (client) => {
    const { models: found } = await ask(client, "listModels", create(models.ListModelsRequestSchema));
    const [{ name }] = found;
    const { model } = await ask(client, "getModel", create(models.GetModelRequestSchema, { name }));
    assert.equal(model.name, name);
    const unknown = create(models.GetModelRequestSchema, { name: "no such model" });
    await assert.rejects(ask(client, "getModel", unknown), (error) => {
      assert.equal(error.code, 5); // NOT_FOUND
      const { ErrorInfo, ResourceInfo } = detailsOf(error);
      assert.equal(ErrorInfo.reason, "MODEL_NOT_FOUND");
      assert.ok(ErrorInfo.metadata.request_id);
      assert.equal(ResourceInfo.resourceName, "no such model");
      return true;
    });
    assert.deepEqual(detailsOf(new Error("another")), {});
  });
});

test("ListVoices and GetVoice", async (t) => {
  if (!isThere(server.target, t)) return;
  await using(voices.VoiceService, async (client) => {
    const { voices: found } = await ask(client, "listVoices", create(voices.ListVoicesRequestSchema));
    const [{ voiceId }] = found;
    const { voice } = await ask(client, "getVoice", create(voices.GetVoiceRequestSchema, { voiceId }));
    assert.equal(voice.voiceId, voiceId);
  });
});

test("GetServerStatus, on the admin port", async (t) => {
  if (!isThere(server.adminTarget, t)) return;
  const status = await using(
    admin.ModelAdminService,
    (client) => ask(client, "getServerStatus", create(admin.GetServerStatusRequestSchema)),
    server.adminTarget,
  );
  assert.ok(status.version);
});
