# docker build --tag coderai .
# docker run --stop-timeout 50 -p 127.0.0.1:3000:3000 -v coderai:/data \
#     -e CODER_AIBRIDGE_ENABLED=true -e CODER_AIBRIDGE_OPENAI_KEY coderai
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY coderai coderai
RUN python -m venv /opt/coderai && /opt/coderai/bin/pip install --no-cache-dir '.[bedrock]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home coderai && install -d -o coderai -g coderai /data
COPY --from=build /opt/coderai /opt/coderai
# Variables win over a YAML file's httpAddress and sqlitePath: to change these two, set the variables.
ENV PATH=/opt/coderai/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CODER_HTTP_ADDRESS=0.0.0.0:3000 \
    CODER_SQLITE_PATH=/data/coderai.db
USER 10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/healthz', timeout=2)"]
ENTRYPOINT ["coderai"]
CMD ["server"]
