// StreamingRecognize under k6: each virtual user plays one recording in real time, over and over.
//
//   k6 run -e TARGET=127.0.0.1:50051 -e VUS=20 -e DURATION=30s benchmarks/load/streaming.js
//
// speech_final_ms: half-close to the last FINAL. speech_first_partial_ms: from the first audio.
import { Client, Stream } from 'k6/net/grpc';
import { Counter, Rate, Trend } from 'k6/metrics';
import { CHUNK_MS, PROTO_PATHS, RAW_FORMAT, TARGET, chunks } from './common.js';

const METHOD = 'speech.v1.RecognitionService/StreamingRecognize';
const finalMs = new Trend('speech_final_ms', true);
const firstPartialMs = new Trend('speech_first_partial_ms', true);
const partials = new Counter('speech_partials');
const completed = new Rate('speech_completed');

export const options = {
  scenarios: {
    streams: {
      executor: 'constant-vus',
      vus: Number(__ENV.VUS || 10),
      duration: __ENV.DURATION || '20s',
      gracefulStop: '30s',
    },
  },
  thresholds: {
    speech_final_ms: [`p(95)<${__ENV.P95_MS || 500}`],
    speech_completed: ['rate==1'],
  },
  summaryTrendStats: ['min', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

const client = new Client();
client.load(PROTO_PATHS, 'speech/v1/recognition_service.proto');
const audio = chunks();
let connected = false;

export default async function () {
  if (!connected) {
    client.connect(TARGET, { plaintext: true });
    connected = true;
    // Users would start in step; spread them over two seconds.
    await pause(Math.random() * 2000);
  }
  await session();
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function session() {
  return new Promise((resolve) => {
    const stream = new Stream(client, METHOD);
    const state = { started: Date.now(), closed: 0, last: 0, partial: false, ended: false };
    stream.on('data', (message) => take(message, state));
    stream.on('error', (error) => console.error(`stream failed: ${JSON.stringify(error)}`));
    stream.on('end', () => {
      completed.add(state.ended && state.last > 0);
      if (state.closed && state.last) finalMs.add(Math.max(0, state.last - state.closed));
      resolve();
    });
    stream.write({ config: { audio: RAW_FORMAT, pacing: 'PACING_REALTIME' } });
    send(stream, state, 0);
  });
}

function take(message, state) {
  if (message.result && message.result.kind === 'RESULT_KIND_FINAL') {
    state.last = Date.now();
  } else if (message.result) {
    partials.add(1);
    if (!state.partial) firstPartialMs.add(Date.now() - state.started);
    state.partial = true;
  } else if (message.session_ended || message.sessionEnded) {
    state.ended = true;
  }
}

// Chunk i leaves at (i + 1) * CHUNK_MS after the start, however late the one before was.
function send(stream, state, index) {
  const due = state.started + (index + 1) * CHUNK_MS;
  setTimeout(() => {
    stream.write({ audio: { data: audio[index] } });
    if (index + 1 < audio.length) {
      send(stream, state, index + 1);
    } else {
      state.closed = Date.now();
      stream.end();
    }
  }, Math.max(0, due - Date.now()));
}
