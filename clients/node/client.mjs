// A gRPC client made of generated messages (protoc-gen-es) and the transport of @grpc/grpc-js.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";

/** grpc-js's description of a generated service: its methods' paths, and how messages become bytes. */
export function definitionOf(service) {
  const methods = service.methods.map((method) => [
    method.localName,
    {
      path: `/${service.typeName}/${method.name}`,
      requestStream: ["client_streaming", "bidi_streaming"].includes(method.methodKind),
      responseStream: ["server_streaming", "bidi_streaming"].includes(method.methodKind),
      requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
      requestDeserialize: (bytes) => fromBinary(method.input, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    },
  ]);
  return Object.fromEntries(methods);
}

/** Connects to a service; plaintext unless credentials are given. Close it when done. */
export function connect(service, target, credentials = grpc.credentials.createInsecure()) {
  const Client = grpc.makeGenericClientConstructor(definitionOf(service), service.typeName);
  return new Client(target, credentials, { "grpc.keepalive_time_ms": 30_000 });
}

/** Sends one message; resolves once the transport takes more, so a slow server slows the sender. */
export function send(call, message) {
  return new Promise((resolve, reject) => {
    call.write(message, (error) => (error ? reject(error) : resolve()));
  });
}

/** Calls a unary method, `ask(client, "listModels", create(ListModelsRequestSchema))`; throws grpc-js's ServiceError. */
export function ask(client, method, request, { metadata = new grpc.Metadata(), timeoutMs = 60_000 } = {}) {
  const options = { deadline: Date.now() + timeoutMs };
  return new Promise((resolve, reject) => {
    client[method](request, metadata, options, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

const DETAILS = [ErrorInfoSchema, BadRequestSchema, ResourceInfoSchema, PreconditionFailureSchema, RetryInfoSchema];

/**
 * What the service says of a ServiceError beside its code and message: always { ErrorInfo: { reason, metadata } }, and what
 * its code calls for: BadRequest: { fieldViolations }, ResourceInfo, PreconditionFailure, RetryInfo: { retryDelay }.
 */
export function detailsOf(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!bytes) return {};
  const found = {};
  for (const any of fromBinary(StatusSchema, bytes).details) {
    for (const schema of DETAILS) {
      if (anyIs(any, schema)) found[schema.name] = anyUnpack(any, schema);
    }
  }
  return found;
}
