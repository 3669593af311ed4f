// Recognize under k6, closed loop: each virtual user sends the whole recording again as soon as it has the answer.
//
//   k6 run -e TARGET=127.0.0.1:50051 -e VUS=4 -e DURATION=20s benchmarks/load/unary.js
//
// speech_recognize_ms: one request. speech_audio_seconds: audio recognized (its rate is the throughput in x real time).
import { Client, StatusOK } from 'k6/net/grpc';
import { check } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import { AUDIO_MS, PROTO_PATHS, RAW_FORMAT, TARGET, WHOLE } from './common.js';

const METHOD = 'speech.v1.RecognitionService/Recognize';
const recognizeMs = new Trend('speech_recognize_ms', true);
const audioSeconds = new Counter('speech_audio_seconds');

export const options = {
  scenarios: {
    requests: {
      executor: 'constant-vus',
      vus: Number(__ENV.VUS || 4),
      duration: __ENV.DURATION || '15s',
    },
  },
  thresholds: {
    speech_recognize_ms: [`p(95)<${__ENV.P95_MS || 3000}`],
    checks: ['rate==1'],
  },
  summaryTrendStats: ['min', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

const client = new Client();
client.load(PROTO_PATHS, 'speech/v1/recognition_service.proto');
let connected = false;

export default function () {
  if (!connected) {
    client.connect(TARGET, { plaintext: true });
    connected = true;
  }
  const started = Date.now();
  const reply = client.invoke(METHOD, { config: { audio: RAW_FORMAT }, audio: WHOLE });
  recognizeMs.add(Date.now() - started);
  const ok = check(reply, {
    'status is OK': (r) => r.status === StatusOK,
    'text came': (r) => r.message !== null && (r.message.results || []).length > 0,
  });
  if (ok) {
    audioSeconds.add(AUDIO_MS / 1000);
  } else {
    console.error(`Recognize: ${reply.status} ${JSON.stringify(reply.error)}`);
  }
}
