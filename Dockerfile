# syntax=docker/dockerfile:1
# One image for web, lane, worker, beat and every command. To pin the base by content, append the digest that
# `docker buildx imagetools inspect python:3.11.14-slim-trixie` prints: python:3.11.14-slim-trixie@sha256:…
ARG PYTHON=python:3.11.14-slim-trixie

FROM ${PYTHON} AS packages
WORKDIR /app
COPY requirements.lock requirements-uv.lock ./
RUN python -m venv /app/.venv \
    && /app/.venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-uv.lock \
    && /app/.venv/bin/uv pip install --no-cache --python /app/.venv/bin/python --compile-bytecode \
        --require-hashes --only-binary :all: -r requirements.lock \
    && /app/.venv/bin/pip uninstall --yes uv

FROM ${PYTHON}
# For `backup` and `restore`: the client programs of the server that compose.yaml names. Debian keeps only the newest
# patch of a release, so a pinned one could not be built next month.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 controlplane \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/controlplane --shell /usr/sbin/nologin controlplane \
    && install -d -o controlplane -g controlplane -m 700 /var/lib/controlplane
WORKDIR /app
COPY --from=packages /app/.venv /app/.venv
COPY manage.py pyproject.toml LICENSE requirements.lock ./
COPY audit audit
COPY registry registry
COPY runs runs
COPY policies policies
COPY approvals approvals
COPY costs costs
COPY controlplane controlplane
RUN python -m compileall -q /app/audit /app/registry /app/runs /app/policies /app/approvals /app/costs /app/controlplane
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CONTROLPLANE_NO_BOOTSTRAP=1 \
    CONTROLPLANE_HOME=/var/lib/controlplane \
    CONTROLPLANE_HOST=0.0.0.0 \
    CONTROLPLANE_LOG_FORMAT=json
USER 10001:10001
VOLUME ["/var/lib/controlplane"]
EXPOSE 8000 8001
# Of this process alone: /readyz also asks the others, and a web server is not restarted for their trouble.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=4)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["up"]
