// What both scripts share: the audio, cut into base64 chunks (k6 gives bytes fields of protobuf as base64), and options.
import encoding from 'k6/encoding';

export const TARGET = __ENV.TARGET || '127.0.0.1:50051';
export const CHUNK_MS = 100;
export const PROTO_PATHS = [import.meta.resolve('../../proto')];

const BYTES_PER_MS = 32; // 16 kHz, mono, s16
const pcm = open(__ENV.AUDIO || import.meta.resolve('../../build/benchmarks/load/speech.pcm'), 'b');

export const AUDIO_MS = pcm.byteLength / BYTES_PER_MS;
export const WHOLE = encoding.b64encode(pcm);

export const RAW_FORMAT = {
  raw: { encoding: 'AUDIO_ENCODING_PCM_S16LE', sample_rate_hz: 16000, channel_count: 1 },
};

export function chunks() {
  const size = CHUNK_MS * BYTES_PER_MS;
  const parts = [];
  for (let at = 0; at < pcm.byteLength; at += size) {
    parts.push(encoding.b64encode(pcm.slice(at, at + size)));
  }
  return parts;
}
