# The front end and the models, as a user without rights, on a read-only root.
#   docker build -t speech-service .                                            embedded models, CPU
#   docker build -t speech-service:cuda --build-arg EXTRAS=server,qwen .        and the Qwen engines, CUDA
# torch brings the CUDA libraries that it was built with; the driver is the host's (NVIDIA Container Toolkit).
ARG EXTRAS=server
ARG PYTHON_IMAGE=python:3.12.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG EXTRAS
WORKDIR /source
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/speech
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/speech/bin/pip install --constraint constraints.txt hatchling
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY proto/gen/python proto/gen/python
COPY clients/python clients/python
COPY speech_service speech_service
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/speech/bin/pip install --constraint constraints.txt --no-build-isolation ".[${EXTRAS}]" \
    && /opt/speech/bin/pip uninstall --yes hatchling pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="speech-service" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin speech
COPY --from=build /opt/speech /opt/speech
COPY LICENSE NOTICE /usr/share/doc/speech-service/
# One heap on pages of 2 MiB: a quarter less CPU with one live stream (docs/performance.md).
# Nothing is written outside /tmp and /models, a volume for downloaded weights. TLS is left to a mesh or to server.tls_*.
ENV PATH=/opt/speech/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    VLLM_NO_USAGE_STATS=1 \
    DO_NOT_TRACK=1 \
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1 \
    PYTHONMALLOC=malloc \
    HF_HOME=/models \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SPEECH_SERVER__LISTEN=0.0.0.0:50051 \
    SPEECH_SERVER__METRICS_LISTEN=0.0.0.0:9464 \
    SPEECH_SERVER__ALLOW_INSECURE=true \
    SPEECH_OBSERVABILITY__LOG_FORMAT=json
USER 10001:10001
WORKDIR /tmp
# gRPC; Prometheus. The admin port stays on the loopback interface of the container.
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-I", "-m", "speech_service.probe"]
ENTRYPOINT ["speech-service"]
CMD ["serve"]
