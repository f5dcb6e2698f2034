# One image for every role: scheduler, worker, dashboard, and the simulated account for trying it out.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements-uv.lock requirements.lock ./
RUN python -m venv /venv \
 && /venv/bin/pip install --quiet --require-hashes -r requirements-uv.lock \
 && /venv/bin/uv pip install --quiet --python /venv/bin/python --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY src ./src
RUN /venv/bin/uv pip install --quiet --python /venv/bin/python --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 sagekeeper && mkdir /data && chown sagekeeper /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH SAGEKEEPER_DATA_DIR=/data PYTHONUNBUFFERED=1
USER sagekeeper
VOLUME /data
ENTRYPOINT ["sagekeeper"]
CMD ["doctor"]
